"""Migrations lead from nothing to the schema the code speaks of, whoever runs them and when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.schema import SchemaItem

from storage import migrate, open_database
from storage.errors import ConstraintViolated, DatabaseCorrupt, DatabaseUnavailable
from storage.migration import config, upgrade
from storage.schema import metadata

_ROOT = Path(__file__).parents[3]
_MIGRATE = "import asyncio, sys; from storage import migrate; asyncio.run(migrate(sys.argv[1]))"

_AS_OF_0018 = """
INSERT INTO trunks (
    name, host, port, transport, auth_type, register, number_format, country, codecs, max_channels,
    max_cps, priority, inbound, outbound, enabled, trusted, options_interval_s, created_at,
    updated_at
) VALUES (
    't', '127.0.0.2', 5060, 'udp', 'ip', FALSE, 'e164', 'RU', '[]', 1,
    1, 1, TRUE, TRUE, TRUE, FALSE, 60, 1, 1
);
INSERT INTO pools (
    name, cool_down_s, language, ring_s, max_call_s, version, created_at, updated_at
) VALUES ('p', 1, 'ru', 1, 1, 1, 1, 1);
INSERT INTO numbers (id, e164, pool, trunk, state, created_at)
VALUES (7, '+74951110007', 'p', 't', 'active', 1), (8, '+74951110008', 'p', 't', 'active', 1);
INSERT INTO sessions (id, conversation_id, pool, channel_policy, created_at, expires_at)
VALUES ('s', 'chat', 'p', 'any', 1, 2);
INSERT INTO participants (session_id, position, role, user_id)
VALUES ('s', 0, 'buyer', 'u-1'), ('s', 1, 'seller', 'u-2');
INSERT INTO leases (
    session_id, position, slot, number_id, phone_index, extension, once, since, expires_at,
    reserved_until, active
) VALUES
    ('s', 1, 0, 7, CAST('own' AS OCTETS), '', FALSE, 1, 2, 3, TRUE),
    ('s', 1, 1, 8, CAST('enrolled' AS OCTETS), '', FALSE, 1, 2, 3, TRUE)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'maskline.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


def head_of(conn: Connection) -> str | None:
    return ScriptDirectory.from_config(config(conn)).get_current_head()


def version_of(conn: Connection) -> list[str]:
    return list(conn.execute(text("SELECT version_num FROM alembic_version")).scalars())


async def test_an_empty_database_becomes_what_the_schema_says(url: str) -> None:
    await migrate(url)
    database = open_database(url)

    def differences(conn: Connection) -> list[object]:
        def is_here(thing: SchemaItem, *_: object) -> bool:
            return bool(thing.info.get("dialect", conn.dialect.name) == conn.dialect.name)

        opts = {"compare_type": True, "include_object": is_here}
        context = MigrationContext.configure(conn, opts=opts)
        return list(compare_metadata(context, metadata))

    def partial_indexes(conn: Connection) -> dict[str | None, object]:
        found = inspect(conn).get_indexes("leases")
        return {
            one["name"]: (one["unique"], one["column_names"])
            for one in found
            if one["dialect_options"]
        }

    try:
        assert await database.read(differences) == []
        on_sqlite = {
            "ix_leases_held": (
                0,
                [
                    "phone_index",
                    "number_id",
                    "extension",
                    "slot",
                    "since",
                    "expires_at",
                    "reserved_until",
                    "active",
                ],
            )
        }
        assert await database.read(partial_indexes) == {
            **(on_sqlite if url.startswith("sqlite") else {}),
            "uq_leases_live_or_cooling": (1, ["phone_index", "number_id", "extension"]),
            "uq_leases_pin": (1, ["number_id", "pin"]),
            "ix_leases_over": (0, ["phone_index", "number_id"]),
            "ix_leases_active_reserved_until": (0, ["reserved_until"]),
        }
    finally:
        await database.close()


async def test_migrating_again_changes_nothing(url: str) -> None:
    await migrate(url)
    await migrate(url)

    database = open_database(url)
    try:
        assert await database.read(version_of) == [await database.read(head_of)]
    finally:
        await database.close()


async def test_processes_that_start_at_once_all_find_it_done(url: str) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _MIGRATE, url],
            cwd=_ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    running = [start() for _ in range(3)]
    ends = [await asyncio.to_thread(process.communicate, timeout=60) for process in running]

    assert [process.returncode for process in running] == [0, 0, 0], ends
    database = open_database(url)
    try:
        assert await database.read(version_of) == [await database.read(head_of)]
    finally:
        await database.close()


async def test_a_step_that_fails_leaves_the_database_as_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic.operations import Operations  # noqa: PLC0415 (only to be broken)

    original = Operations.create_index

    def fails_late(self: Operations, name: str, *args: object, **options: object) -> None:
        if name == "uq_leases_live_or_cooling":
            raise OSError("the disk went away")
        original(self, name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Operations, "create_index", fails_late)
    with pytest.raises(DatabaseUnavailable):
        await migrate(url)
    monkeypatch.undo()

    database = open_database(url)
    try:
        assert await database.read(lambda conn: inspect(conn).get_table_names()) == []
    finally:
        await database.close()
    await migrate(url)


async def test_a_new_file_is_nobody_elses(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'maskline.db'}"
    await migrate(url)
    database = open_database(url)
    try:
        await database.write(version_of)
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        await database.close()

    assert set(modes) >= {"maskline.db", "maskline.db-wal"}
    assert set(modes.values()) == {0o600}


async def test_a_file_that_is_no_database_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "maskline.db"
    path.write_bytes(b"this is a letter to my aunt, who is fond of long letters. " * 40)

    with pytest.raises(DatabaseCorrupt):
        await migrate(f"sqlite:///{path}")


async def test_a_folder_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"sqlite:///{tmp_path / 'none' / 'maskline.db'}")


async def test_a_server_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"postgresql://nobody@/none?host={tmp_path}")


def test_the_migrations_are_found_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "maskline.db"
    done = subprocess.run(
        [sys.executable, "-c", _MIGRATE, f"sqlite:///{path}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_size > 0


async def test_entries_outlast_the_change_of_their_rules_and_ids_are_not_given_again(
    url: str,
) -> None:
    """SQLite's tables are built anew by it: what is in them stays, and so do the numbers given."""
    entry = "(conversation_id, call_id, at, kind, body) VALUES ('chat', :call, 1, 'call', '{}')"
    logged = (
        "(user_id, call_id, direction, outcome, at, ring_ms, talk_ms, card)"
        " VALUES ('u', :call, 'in', 'missed', 1, 0, 0, '{}')"
    )
    tables = {"history_entries": entry, "call_log_entries": logged}

    def insert(conn: Connection, call: str) -> None:
        for table, values in tables.items():
            conn.execute(text(f"INSERT INTO {table} {values}"), {"call": call})

    def found(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
        return {
            table: sorted(map(tuple, conn.execute(text(f"SELECT id, call_id FROM {table}"))))  # noqa: S608
            for table in tables
        }

    database = open_database(url)
    try:
        await database.write(lambda conn: upgrade(conn, "0016"))

        def before(conn: Connection) -> None:
            for call in ("one", "two", "gone"):
                insert(conn, call)
            for table in tables:
                conn.execute(text(f"DELETE FROM {table} WHERE call_id = 'gone'"))  # noqa: S608

        await database.write(before)
    finally:
        await database.close()

    await migrate(url)

    database = open_database(url)
    try:
        await database.write(lambda conn: insert(conn, "three"))
        kept = await database.read(found)
        with pytest.raises(ConstraintViolated):
            await database.write(lambda conn: insert(conn, "three"))
    finally:
        await database.close()
    assert kept == {table: [(1, "one"), (2, "two"), (4, "three")] for table in tables}


async def test_participants_get_the_numbers_of_their_own_leases(url: str) -> None:
    """Not of a phone that was enrolled, and none where there is no lease."""

    def filled(conn: Connection) -> None:
        upgrade(conn, "0018")
        octets = "BLOB" if conn.dialect.name == "sqlite" else "BYTEA"
        for statement in _AS_OF_0018.replace("OCTETS", octets).strip().split(";"):
            conn.execute(text(statement))

    database = open_database(url)
    try:
        await database.write(filled)
    finally:
        await database.close()

    await migrate(url)

    database = open_database(url)
    try:
        numbers = text("SELECT position, number_id FROM participants ORDER BY position")
        found = await database.read(lambda conn: conn.execute(numbers).all())
    finally:
        await database.close()
    assert [tuple(row) for row in found] == [(0, None), (1, 7)]


async def test_trunks_that_are_there_send_their_audio_as_they_did(url: str) -> None:
    def filled(conn: Connection) -> None:
        upgrade(conn, "0019")
        conn.execute(text(_AS_OF_0018.strip().split(";")[0]))

    database = open_database(url)
    try:
        await database.write(filled)
    finally:
        await database.close()

    await migrate(url)

    database = open_database(url)
    try:
        wanted = text("SELECT name, media_encryption FROM trunks")
        found = await database.read(lambda conn: conn.execute(wanted).all())
    finally:
        await database.close()
    assert [tuple(row) for row in found] == [("t", "none")]
