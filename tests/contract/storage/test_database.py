"""What `Database` promises to whoever gives it work."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from storage import Database, open_database
from storage.errors import (
    ConstraintViolated,
    DatabaseClosed,
    DatabaseUnavailable,
    SchemaOutdated,
    StorageError,
)
from storage.schema import marks


def note(name: str, value: bytes = b"") -> dict[str, object]:
    return {"name": name, "value": value}


def put(conn: Connection, name: str) -> None:
    conn.execute(insert(marks), note(name))


def names(conn: Connection) -> list[str]:
    return list(conn.execute(select(marks.c.name).order_by(marks.c.name)).scalars())


async def test_what_was_written_is_there_for_the_next_reader(db: Database) -> None:
    await db.write(lambda conn: put(conn, "a"))

    assert await db.read(names) == ["a"]


async def test_a_work_that_raises_leaves_nothing_and_its_error_comes_back(db: Database) -> None:
    class Refused(Exception):
        pass

    def work(conn: Connection) -> None:
        put(conn, "a")
        raise Refused

    with pytest.raises(Refused):
        await db.write(work)
    assert await db.read(names) == []


async def test_a_broken_rule_of_the_schema_is_named_and_leaves_nothing(db: Database) -> None:
    def work(conn: Connection) -> None:
        put(conn, "b")
        put(conn, "b")

    with pytest.raises(ConstraintViolated):
        await db.write(work)
    assert await db.read(names) == []


async def test_among_many_at_once_each_lives_or_fails_alone(db: Database) -> None:
    async def one(n: int) -> int | str:
        def work(conn: Connection) -> int:
            put(conn, f"{n:03}")
            if n % 3 == 0:
                raise KeyError(n)
            return n

        try:
            return await db.write(work)
        except KeyError:
            return "refused"

    answers = await asyncio.gather(*(one(n) for n in range(60)))

    assert answers == [n if n % 3 else "refused" for n in range(60)]
    assert await db.read(names) == [f"{n:03}" for n in range(60) if n % 3]


async def test_a_reader_may_not_write(db: Database) -> None:
    with pytest.raises(StorageError):
        await db.read(lambda conn: put(conn, "a"))
    assert await db.read(names) == []


async def test_a_reader_sees_one_state_all_along(db: Database) -> None:
    loop = asyncio.get_running_loop()

    def work(conn: Connection) -> tuple[list[str], list[str]]:
        before = names(conn)
        if conn.dialect.name == "sqlite":  # runs in a thread: the loop is free to write meanwhile
            asyncio.run_coroutine_threadsafe(db.write(lambda c: put(c, "late")), loop).result(10)
        return before, names(conn)

    before, after = await db.read(work)

    assert before == after


async def test_a_look_up_sees_one_state_however_much_it_asks(db: Database) -> None:
    loop = asyncio.get_running_loop()
    between: list[asyncio.Task[None]] = []

    def name_another() -> None:
        name = f"m{len(between)}"
        between.append(loop.create_task(db.write(lambda conn: put(conn, name))))

    def work(conn: Connection) -> tuple[list[str], list[str]]:
        first = names(conn)
        loop.call_soon_threadsafe(name_another)
        for _ in range(20):
            conn.execute(select(marks.c.value)).all()
        return first, names(conn)

    for _ in range(3):
        first, second = await db.look_up(work)
        assert first == second
        await asyncio.sleep(0)  # where the work ran in this very turn, nothing was named yet
        await asyncio.gather(*between)
    assert len(await db.look_up(names)) == len(between) >= 3


async def test_a_look_up_may_not_write(db: Database) -> None:
    with pytest.raises(StorageError):
        await db.look_up(lambda conn: put(conn, "a"))

    def after_reading(conn: Connection) -> None:
        names(conn)
        put(conn, "a")

    with pytest.raises(StorageError):
        await db.look_up(after_reading)
    assert await db.look_up(names) == []


async def test_a_closed_database_refuses_work(db: Database) -> None:
    await db.close()

    with pytest.raises(DatabaseClosed):
        await db.write(names)
    with pytest.raises(DatabaseClosed):
        await db.read(names)


async def test_what_was_begun_is_finished_before_it_closes(db: Database) -> None:
    waiting = [asyncio.create_task(db.write(partial(put, name=f"{n}"))) for n in range(9)]
    await asyncio.sleep(0)  # every one of them is in the queue now

    await db.close()

    assert await asyncio.gather(*waiting) == [None] * 9


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


async def test_a_database_without_tables_says_that_it_must_be_migrated(empty_url: str) -> None:
    database = open_database(empty_url)
    try:
        with pytest.raises(SchemaOutdated):
            await database.read(names)
        with pytest.raises(SchemaOutdated):
            await database.write(lambda conn: put(conn, "a"))
    finally:
        await database.close()


async def test_a_caller_who_gives_up_does_not_disturb_the_others(db: Database) -> None:
    tasks = [asyncio.create_task(db.write(partial(put, name=f"{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    tasks[7].cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [n for n, answer in enumerate(answers) if answer is not None] == [7]
    assert set(await db.read(names)) >= {f"{n}" for n in range(20) if n != 7}


@pytest.mark.parametrize("text", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_no_database_of_ours_is_refused(text: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        open_database(text)


def test_a_refused_url_is_not_repeated() -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        open_database("mysql://user:secret@host/db")
    assert "secret" not in str(refused.value)
