"""A database in trouble says what the trouble is, keeps nothing by halves, and recovers."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, insert, select, text

from storage import Database, open_database
from storage.database import Limits
from storage.errors import (
    DatabaseClosed,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseLocked,
    DatabaseOverloaded,
    DatabaseSilent,
    DatabaseUnavailable,
)
from storage.prepared import Prepared
from storage.schema import marks
from tests.support.postgres import running_postgres
from tests.support.storage import a_vault, opened, stocked


def put(conn: Connection, name: str, size: int = 1) -> None:
    conn.execute(insert(marks), {"name": name, "value": b"x" * size})


def names(conn: Connection) -> set[str]:
    return set(conn.execute(select(marks.c.name)).scalars())


@pytest.fixture
def path(migrated_sqlite: str) -> Path:
    return Path(migrated_sqlite.removeprefix("sqlite:///"))


class TestSqlite:
    async def test_a_full_database_says_so_keeps_nothing_of_the_group_and_recovers(
        self, db: Database
    ) -> None:
        pages = await db.write(lambda conn: conn.execute(text("PRAGMA page_count")).scalar_one())
        await db.write(lambda conn: conn.execute(text(f"PRAGMA max_page_count={pages + 3}")).all())
        gate = threading.Event()

        def wait_for_the_others(conn: Connection) -> None:
            put(conn, "first")
            gate.wait(10)

        first = asyncio.create_task(db.write(wait_for_the_others))
        others = [asyncio.create_task(db.write(partial(put, name="big", size=100_000)))]
        others += [asyncio.create_task(db.write(partial(put, name=f"{n}"))) for n in range(3)]
        await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)

        there = await db.read(names)
        written = dict(zip(["first", "big", "0", "1", "2"], answers, strict=True))
        assert isinstance(written["big"], DatabaseFull)
        assert {name for name, answer in written.items() if answer is None} == there
        assert all(answer is None or isinstance(answer, DatabaseFull) for answer in answers)

        await db.write(lambda conn: conn.execute(text("PRAGMA max_page_count=1000000")).all())
        await db.write(partial(put, name="later", size=100_000))
        assert "later" in await db.read(names)

    async def test_a_lock_that_another_process_keeps_is_named(self, path: Path) -> None:
        database = open_database(f"sqlite:///{path}", Limits(deadline_s=4.0))
        other = sqlite3.connect(path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseLocked):
                await database.write(partial(put, name="a"))
            assert await database.read(names) == set(), "readers are not concerned"
            other.execute("COMMIT")
            await database.write(partial(put, name="b"))
            assert await database.read(names) == {"b"}
        finally:
            other.close()
            await database.close()

    async def test_a_short_lock_is_waited_for(self, db: Database, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(db.write(partial(put, name="a")))
            release = asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
            await writing
            assert release.when() <= asyncio.get_running_loop().time()
        finally:
            other.close()

    async def test_a_damaged_file_is_named(self, path: Path) -> None:
        path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
        database = open_database(f"sqlite:///{path}")
        try:
            with pytest.raises(DatabaseCorrupt):
                await database.write(partial(put, name="a"))
            with pytest.raises(DatabaseCorrupt):
                await database.read(names)
        finally:
            await database.close()

    async def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        database = open_database(f"sqlite:///{tmp_path / 'none' / 'maskline.db'}")
        try:
            with pytest.raises(DatabaseUnavailable):
                await database.write(names)
        finally:
            await database.close()

    async def test_too_much_waiting_is_refused_and_the_rest_is_done(
        self, migrated_sqlite: str
    ) -> None:
        database = open_database(migrated_sqlite, Limits(waiting=3))
        gate, begun = threading.Event(), threading.Event()

        def hold(_: Connection) -> None:
            begun.set()
            gate.wait(10)

        try:
            holding = asyncio.create_task(database.write(hold))
            assert await asyncio.to_thread(begun.wait, 10)
            tasks = [
                asyncio.create_task(database.write(partial(put, name=f"{n}"))) for n in range(5)
            ]
            refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            assert all(isinstance(task.exception(), DatabaseOverloaded) for task in refused)
            gate.set()
            await asyncio.gather(holding, *tasks, return_exceptions=True)
            assert await database.read(names) == {"0", "1", "2"}
        finally:
            gate.set()
            await database.close()

    async def test_a_writer_that_hangs_is_reported_in_time_and_what_waited_was_not_done(
        self, migrated_sqlite: str
    ) -> None:
        database = open_database(migrated_sqlite, Limits(deadline_s=0.2))
        gate, begun = threading.Event(), threading.Event()

        def hang(_: Connection) -> None:
            begun.set()
            gate.wait(10)

        try:
            hanging = asyncio.create_task(database.write(hang))
            assert await asyncio.to_thread(begun.wait, 10)
            with pytest.raises(DatabaseOverloaded):
                await database.write(partial(put, name="a"))
            with pytest.raises(DatabaseSilent):
                await hanging
            gate.set()
            await database.write(partial(put, name="b"))
            assert await database.read(names) == {"b"}
        finally:
            gate.set()
            await database.close()

    async def test_what_waits_when_it_closes_is_still_done(self, migrated_sqlite: str) -> None:
        database = open_database(migrated_sqlite)
        tasks = [asyncio.create_task(database.write(partial(put, name=f"{n}"))) for n in range(9)]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*tasks)
        with pytest.raises(DatabaseClosed):
            await database.write(names)

        again = open_database(migrated_sqlite)
        assert await again.read(names) == {f"{n}" for n in range(9)}
        await again.close()

    async def test_no_thread_is_left_behind(self, migrated_sqlite: str) -> None:
        before = threading.active_count()
        database = open_database(migrated_sqlite)
        await database.read(names)
        await database.close()

        left = {thread.name for thread in threading.enumerate() if "sqlite" in thread.name}
        assert left == set()
        assert threading.active_count() >= before - 1


def backends(url: str, statement: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return len(connection.execute(statement.encode()).fetchall())


class TestPostgres:
    async def test_connections_that_died_between_works_are_not_noticed(
        self, migrated_postgres: str
    ) -> None:
        database = open_database(migrated_postgres, Limits(connections=3))
        try:
            await asyncio.gather(*(database.write(partial(put, name=f"{n}")) for n in range(6)))
            killed = await asyncio.to_thread(backends, migrated_postgres, _KILL_ALL)
            assert killed >= 1
            await database.write(partial(put, name="after"))
            assert await database.read(names) == {"after", *(f"{n}" for n in range(6))}
        finally:
            await database.close()

    async def test_a_server_that_is_down_is_named_and_its_return_is_noticed(self) -> None:
        def ask(conn: Connection) -> int:
            found: int = conn.execute(text("SELECT 1")).scalar_one()
            return found

        with running_postgres() as server:
            database = open_database(server.url("postgres"), Limits(deadline_s=10))
            try:
                assert await database.read(ask) == 1
                await asyncio.to_thread(server.stop)
                with pytest.raises(DatabaseUnavailable):
                    await database.read(ask)
                with pytest.raises(DatabaseUnavailable):
                    await database.write(ask)
                await asyncio.to_thread(server.start)
                assert await database.write(ask) == 1
            finally:
                await database.close()

    async def test_a_lock_that_is_kept_too_long_is_given_up_in_time(
        self, migrated_postgres: str
    ) -> None:
        database = open_database(migrated_postgres, Limits(deadline_s=0.5))
        try:
            await database.write(partial(put, name="a"))
            with psycopg.connect(migrated_postgres) as other:
                other.execute("LOCK TABLE marks")
                with pytest.raises((DatabaseLocked, DatabaseSilent)):
                    await database.write(partial(put, name="b"))
            await database.write(partial(put, name="c"))
            assert await database.read(names) == {"a", "c"}
        finally:
            await database.close()

    async def test_what_is_prepared_outlives_its_connections(self, migrated_postgres: str) -> None:
        database = open_database(migrated_postgres, Limits(connections=3))
        of_names = Prepared(select(marks.c.name).order_by(marks.c.name))
        try:
            await database.write(partial(put, name="a"))
            for _ in range(2):
                found = await asyncio.gather(
                    *(database.look_up(lambda conn: of_names.rows(conn, {})) for _ in range(3))
                )
                assert [[row.name for row in rows] for rows in found] == [["a"]] * 3
                assert await asyncio.to_thread(backends, migrated_postgres, _KILL_ALL) >= 1
            await database.write(lambda conn: of_names.rows(conn, {}))
        finally:
            await database.close()

    async def test_what_is_prepared_outlives_a_change_of_the_schema(
        self, migrated_postgres: str
    ) -> None:
        database = open_database(migrated_postgres, Limits(connections=2))
        of_names = Prepared(select(marks.c.name))
        try:
            await database.write(partial(put, name="a"))
            await database.read(lambda conn: of_names.rows(conn, {}))
            with psycopg.connect(migrated_postgres, autocommit=True) as other:
                other.execute("ALTER TABLE marks ALTER COLUMN name TYPE varchar(40)")
            for ask in (database.read, database.look_up, database.write):
                rows = await ask(lambda conn: of_names.rows(conn, {}))
                assert [row.name for row in rows] == ["a"]
        finally:
            await database.close()

    async def test_a_prepared_statement_that_takes_too_long_is_given_up_in_time(
        self, migrated_postgres: str
    ) -> None:
        database = open_database(migrated_postgres, Limits(deadline_s=0.5, connections=1))
        of_names = Prepared(select(marks.c.name))
        try:
            await database.write(partial(put, name="a"))
            with psycopg.connect(migrated_postgres) as other:
                other.execute("LOCK TABLE marks")
                for _ in range(2):
                    with pytest.raises((DatabaseLocked, DatabaseSilent)):
                        await database.look_up(lambda conn: of_names.rows(conn, {}))
            rows = await database.look_up(lambda conn: of_names.rows(conn, {}))
            assert [row.name for row in rows] == ["a"]
        finally:
            await database.close()

    async def test_a_deadlock_is_solved_by_running_one_of_them_again(
        self, migrated_postgres: str
    ) -> None:
        database = open_database(migrated_postgres)
        await database.write(partial(put, name="a"))
        await database.write(partial(put, name="b"))
        runs = 0

        def lock_both(conn: Connection, names: tuple[str, str]) -> None:
            nonlocal runs
            runs += 1
            for name in names:
                conn.execute(select(marks).where(marks.c.name == name).with_for_update()).one()
                conn.execute(text("SELECT pg_sleep(0.2)"))

        try:
            await asyncio.gather(
                database.write(partial(lock_both, names=("a", "b"))),
                database.write(partial(lock_both, names=("b", "a"))),
            )
        finally:
            await database.close()
        assert runs == 3

    async def test_a_conflict_of_leases_ends_in_another_number(
        self, migrated_postgres: str
    ) -> None:
        database = open_database(migrated_postgres)
        try:
            await stocked(database, a_vault(), 2)
            first, second = await asyncio.gather(
                opened(database, a_vault()), opened(database, a_vault())
            )
        finally:
            await database.close()
        assert first.leases[0].number != second.leases[0].number


_KILL_ALL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
