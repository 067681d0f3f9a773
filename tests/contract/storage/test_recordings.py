"""Recordings in the database: one way from pending to deleted, whoever is late changes nothing."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from masking.recording_states import RecordingDeletion as Deletion
from masking.recording_states import RecordingFailure as Failure
from masking.recording_states import RecordingState as State
from storage import Database, recordings
from storage.recordings import Made, Recording
from storage.schema import outbox
from storage.vault import Vault
from tests.support.recordings import NODE, a_call, pending
from tests.support.storage import NOW

KEY = bytes(range(32))
LATER = NOW + timedelta(minutes=1)


def a_file(token: str = "a" * 16) -> Made:
    path = f"2026/11/02/{a_call()}-{token}"
    return Made(path, KEY, audio_bytes=90, file_bytes=120, digest=b"d" * 32, duration_ms=2000)


async def begin(db: Database, **given: timedelta | None) -> None:
    await db.write(lambda conn: recordings.keep(conn, [pending(**given)]))  # type: ignore[arg-type]


async def make(db: Database, vault: Vault, token: str = "a" * 16) -> bool:
    return await db.write(lambda conn: recordings.made(conn, vault, a_call(), a_file(token), LATER))


async def found(db: Database) -> Recording:
    one = await db.read(lambda conn: recordings.get(conn, a_call()))
    assert one is not None
    return one


async def told(db: Database) -> list[tuple[str, str]]:
    def work(conn: Connection) -> list[tuple[str, str]]:
        rows = conn.execute(select(outbox.c.kind, outbox.c.data).order_by(outbox.c.id))
        return [(row.kind, row.data) for row in rows]

    return await db.read(work)


async def due(db: Database, node: str = NODE, **later: float) -> list[str]:
    at = NOW + timedelta(**later)
    rows = await db.read(lambda conn: recordings.due(conn, node, at, 10))
    return [one.call_id for one in rows]


async def test_a_recording_becomes_ready_and_the_platform_is_told(
    db: Database, vault: Vault
) -> None:
    await begin(db)

    assert await make(db, vault)

    one = await found(db)
    assert (one.state, one.ready_at, one.duration_ms) == (State.READY, LATER, 2000)
    assert recordings.key_of(vault, one) == KEY
    assert one.key_sealed is not None
    assert KEY not in one.key_sealed
    assert "key" not in repr(one)
    kind, data = (await told(db))[0]
    assert kind == "recording.ready"
    assert '"duration_ms":2000' in data
    assert '"delete_at":"2026-12-02T09:00:00.000Z"' in data


async def test_the_second_file_of_a_recording_is_nobodys(db: Database, vault: Vault) -> None:
    await begin(db)

    assert await make(db, vault, "a" * 16)
    assert not await make(db, vault, "b" * 16)

    assert (await found(db)).path == a_file("a" * 16).path
    assert [kind for kind, _ in await told(db)] == ["recording.ready"]


async def test_a_recording_that_failed_says_why_and_stays_so(db: Database, vault: Vault) -> None:
    await begin(db)

    assert await db.write(lambda conn: recordings.failed(conn, a_call(), Failure.EMPTY, LATER))
    assert not await db.write(
        lambda conn: recordings.failed(conn, a_call(), Failure.ENCODER, LATER)
    )
    assert not await make(db, vault)

    one = await found(db)
    assert (one.state, one.why) == (State.FAILED, "empty")
    assert one.due_at == LATER + recordings.RAW_KEPT
    kind, data = (await told(db))[0]
    assert (kind, '"reason":"empty"' in data, len(await told(db))) == ("recording.failed", True, 1)


async def test_a_deleted_recording_has_no_key_and_says_when_and_why(
    db: Database, vault: Vault
) -> None:
    await begin(db)
    await make(db, vault)

    before = await db.write(lambda conn: recordings.delete(conn, a_call(), Deletion.REQUEST, LATER))
    again = await db.write(lambda conn: recordings.delete(conn, a_call(), Deletion.ERASURE, LATER))

    one = await found(db)
    assert before is not None
    assert before.path == one.path
    assert again is None
    assert (one.state, one.why, one.deleted_at) == (State.DELETED, "request", LATER)
    assert (one.key_sealed, recordings.key_of(vault, one)) == (None, None)
    assert one.digest == b"d" * 32
    assert await due(db, minutes=1) == [a_call()]  # its file is still there

    await db.write(lambda conn: recordings.tidied(conn, a_call(), LATER))
    assert await due(db, days=400) == []
    assert (await found(db)).removed_at == LATER


async def test_nothing_of_a_destroyed_key_is_left_in_the_file_of_the_database(
    migrated_sqlite: str, vault: Vault
) -> None:
    from storage import open_database  # noqa: PLC0415 (SQLite alone)

    db = open_database(migrated_sqlite)
    try:
        await begin(db)
        await make(db, vault)
        sealed = (await found(db)).key_sealed
        assert sealed is not None
        await db.write(lambda conn: recordings.delete(conn, a_call(), Deletion.REQUEST, LATER))
    finally:
        await db.close()

    path = Path(migrated_sqlite.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as connection:  # what waits in the log goes into the file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert sealed not in path.read_bytes()
    assert b64encode(KEY) not in path.read_bytes()


async def test_a_recording_that_is_deleted_while_it_is_made_is_not_made(
    db: Database, vault: Vault
) -> None:
    await begin(db)
    await db.write(lambda conn: recordings.delete(conn, a_call(), Deletion.ERASURE, LATER))

    assert not await make(db, vault)

    assert (await found(db)).state is State.DELETED
    assert await told(db) == []


async def test_erasing_deletes_what_there_is_and_hurries_what_failed(
    db: Database, vault: Vault
) -> None:
    await db.write(lambda conn: recordings.keep(conn, [pending(n) for n in (1, 2, 3, 4)]))
    await make(db, vault)
    await db.write(lambda conn: recordings.failed(conn, a_call(2), Failure.EMPTY, LATER))

    erased = await db.write(
        lambda conn: recordings.erase(conn, [a_call(1), a_call(2), a_call(3), a_call(9)], LATER)
    )

    assert erased == 2  # the one that was ready, and the one that was still to be made
    assert sorted(await due(db, minutes=1)) == sorted(a_call(n) for n in (1, 2, 3, 4))
    states = await db.read(lambda conn: recordings.states(conn, [a_call(n) for n in range(1, 6)]))
    assert states == {
        a_call(1): State.DELETED,
        a_call(2): State.FAILED,
        a_call(3): State.DELETED,
        a_call(4): State.PENDING,
    }


async def test_what_is_due_is_the_nodes_own_but_any_may_destroy_a_key(
    db: Database, vault: Vault
) -> None:
    await db.write(lambda conn: recordings.keep(conn, [pending(1), pending(2, kept=None)]))

    assert await due(db) == sorted([a_call(1), a_call(2)])
    assert await due(db, "another") == []
    assert (
        await db.read(lambda conn: len(recordings.due(conn, NODE, NOW, 10, without={a_call(1)})))
        == 1
    )

    await make(db, vault)
    assert await due(db, "another", days=29) == []
    assert await due(db, "another", days=30) == [a_call(1)]


async def test_a_try_in_vain_is_put_off_and_counted(db: Database) -> None:
    await begin(db)

    await db.write(lambda conn: recordings.put_off(conn, a_call(), LATER, counts=True))
    await db.write(lambda conn: recordings.put_off(conn, a_call(), LATER, counts=False))

    one = await found(db)
    assert (one.tries, one.due_at, await due(db)) == (1, LATER, [])
    assert await db.read(lambda conn: recordings.waiting(conn, LATER)) == (1, 60.0)


async def test_all_are_read_in_pieces(db: Database) -> None:
    await db.write(lambda conn: recordings.keep(conn, [pending(n) for n in range(5)]))

    first = await db.read(lambda conn: recordings.behind(conn, "", 3))
    rest = await db.read(lambda conn: recordings.behind(conn, first[-1].call_id, 3))

    assert [one.call_id for one in first + rest] == sorted(a_call(n) for n in range(5))
