"""The audit log: added to, read, and never changed; what was changed past us shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, text, update
from sqlalchemy.exc import DBAPIError

from storage import Database, audit, open_database
from storage.audit import Action, Actor, ActorKind, Entry, Filter
from storage.errors import BadCursor, StorageError
from storage.schema import audit_entries, audit_heads
from tests.support.storage import NOW

DESK = Actor(ActorKind.KEY, "key_1", "desk")


def an_entry(n: int = 0, **other: object) -> Entry:
    given: dict[str, object] = {
        "at": NOW + timedelta(seconds=n),
        "actor": DESK,
        "action": Action.RECORDING_PLAYED,
        "object_kind": "call",
        "object_id": f"cal_{n}",
        "reason": "a dispute",
        "facts": {"from_byte": 0, "whole": True, "note": "é"},
    }
    return Entry(**(given | other))  # type: ignore[arg-type]


async def write(db: Database, *entries: Entry) -> None:
    for entry in entries:
        await db.write(lambda conn, entry=entry: audit.append(conn, entry))  # type: ignore[misc]


async def test_entries_are_numbered_without_a_gap_and_read_as_written(db: Database) -> None:
    await write(db, an_entry(0), an_entry(1, facts={}, reason=None, actor=audit.SYSTEM))

    page = await db.read(lambda conn: audit.page(conn, Filter()))

    assert [kept.id for kept in page.items] == [2, 1]
    assert page.items[1].entry == an_entry(0)
    assert page.items[0].entry == an_entry(1, facts={}, reason=None, actor=audit.SYSTEM)
    assert await db.read(audit.verify) == audit.Verdict(2, page.items[0].hash)


async def test_an_empty_log_is_intact(db: Database) -> None:
    assert await db.read(audit.verify) == audit.Verdict(0, bytes(32))


async def test_an_entry_goes_with_the_transaction_that_it_tells_of(db: Database) -> None:
    def fails(conn: Connection) -> None:
        audit.append(conn, an_entry())
        raise LookupError

    with pytest.raises(LookupError):
        await db.write(fails)
    await write(db, an_entry(1))

    found = await db.read(lambda conn: audit.page(conn, Filter()))
    assert [(kept.id, kept.entry.object_id) for kept in found.items] == [(1, "cal_1")]


async def test_those_who_write_at_once_take_turns(db: Database, url: str) -> None:
    other = open_database(url)
    try:
        await asyncio.gather(*(write((db, other)[n % 2], an_entry(n)) for n in range(20)))
    finally:
        await other.close()

    verdict = await db.read(audit.verify)
    assert (verdict.entries, verdict.intact) == (20, True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(actor_id="key_1"), [4, 1]),
        (Filter(action=Action.PERSON_ERASED), [3]),
        (Filter(object_kind="call", object_id="cal_1"), [2]),
        (Filter(object_kind="user"), [3]),
        (Filter(refused=True), [2]),
        (Filter(since=NOW + timedelta(seconds=1), until=NOW + timedelta(seconds=3)), [3, 2]),
        (Filter(actor_id="key_1", refused=True), []),
    ],
)
async def test_entries_are_found_by_who_what_which_and_when(
    db: Database, wanted: Filter, expected: list[int]
) -> None:
    other = Actor(ActorKind.KEY, "key_2", "shop")
    await write(
        db,
        an_entry(0),
        an_entry(1, actor=other, refused=True),
        an_entry(2, actor=other, action=Action.PERSON_ERASED, object_kind="user", object_id="u-1"),
        an_entry(3),
    )

    page = await db.read(lambda conn: audit.page(conn, wanted))

    assert [kept.id for kept in page.items] == expected


async def test_pages_follow_each_other(db: Database) -> None:
    await write(db, *(an_entry(n) for n in range(5)))

    first = await db.read(lambda conn: audit.page(conn, Filter(), limit=3))
    await write(db, an_entry(9))
    rest = await db.read(lambda conn: audit.page(conn, Filter(), limit=3, cursor=first.next_cursor))

    assert [kept.id for kept in first.items + rest.items] == [5, 4, 3, 2, 1]
    assert rest.next_cursor is None
    with pytest.raises(BadCursor):
        await db.read(lambda conn: audit.page(conn, Filter(), cursor="nonsense"))


@pytest.mark.parametrize(
    "phone",
    ["+79161234567", "8 (916) 123-45-67", "7916-1234567", "+44 20 7946 0958", "79161234567,"],
)
async def test_a_reason_holds_no_phone(db: Database, phone: str) -> None:
    await write(db, an_entry(reason=f"she rang from {phone} and 3 times complained"))

    kept = (await db.read(lambda conn: audit.page(conn, Filter()))).items[0]

    digits = "".join(one for one in kept.entry.reason or "" if one.isdigit())
    assert digits == "3"
    assert kept.entry.reason.startswith("she rang from [") if kept.entry.reason else False


async def test_a_reason_is_cut_to_its_longest(db: Database) -> None:
    await write(db, an_entry(reason="x" * 2000))

    kept = (await db.read(lambda conn: audit.page(conn, Filter()))).items[0]

    assert kept.entry.reason == "x" * audit.LONGEST_REASON


def changes(conn: Connection) -> None:
    conn.execute(update(audit_entries).values(reason="nothing at all"))


def removes(conn: Connection) -> None:
    conn.execute(delete(audit_entries).where(audit_entries.c.id == 1))


def replaces(conn: Connection) -> None:
    """What takes the place of a row without a statement that says so."""
    row = dict(conn.execute(audit_entries.select()).mappings().first() or {})
    row["reason"] = "nothing at all"
    if conn.dialect.name == "sqlite":
        conn.execute(audit_entries.insert().prefix_with("OR REPLACE"), row)
    else:
        conn.execute(text("TRUNCATE audit_entries"))


@pytest.mark.parametrize("deed", [changes, removes, replaces])
async def test_the_database_refuses_to_change_an_entry(
    db: Database, deed: Callable[[Connection], None]
) -> None:
    await write(db, an_entry(0), an_entry(1))

    with pytest.raises((StorageError, DBAPIError)):
        await db.write(deed)

    verdict = await db.read(audit.verify)
    assert (verdict.entries, verdict.intact) == (2, True)


def lift_guard(conn: Connection) -> None:
    """As somebody may who owns the database."""
    if conn.dialect.name == "sqlite":
        for name in ("changed", "removed", "replaced"):
            conn.execute(text(f"DROP TRIGGER audit_entries_never_{name}"))
    else:
        conn.execute(text("SET LOCAL session_replication_role = replica"))


def reworded(conn: Connection) -> None:
    changed = {"reason": "nothing at all"}
    conn.execute(update(audit_entries).where(audit_entries.c.id == 2).values(changed))


def dated_back(conn: Connection) -> None:
    changed = {"at": NOW - timedelta(days=1)}
    conn.execute(update(audit_entries).where(audit_entries.c.id == 2).values(changed))


def taken_out(conn: Connection) -> None:
    conn.execute(delete(audit_entries).where(audit_entries.c.id == 2))


def cut_off(conn: Connection) -> None:
    conn.execute(delete(audit_entries).where(audit_entries.c.id >= 2))


def beheaded(conn: Connection) -> None:
    conn.execute(update(audit_heads).values(entries=1))


@pytest.mark.parametrize(
    ("deed", "at"),
    [(reworded, 2), (dated_back, 2), (taken_out, 2), (cut_off, 2), (beheaded, 4)],
)
async def test_what_was_changed_past_the_guard_shows(
    db: Database, url: str, deed: Callable[[Connection], None], at: int
) -> None:
    await write(db, *(an_entry(n) for n in range(3)))

    def past_the_guard(conn: Connection) -> None:
        lift_guard(conn)
        deed(conn)

    await db.write(past_the_guard)

    verdict = await db.read(audit.verify)
    assert (verdict.intact, verdict.broken_at) == (False, at)
