"""What need not be kept is let go: in small works, each kind after its term, and counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from cdr import ledger
from masking.model import Role
from storage import Database, retention
from storage import sessions as session_rows
from storage.retention import Terms
from storage.schema import (
    call_log_entries,
    calls,
    history_entries,
    leases,
    participants,
    sessions,
)
from storage.vault import Vault
from tests.support.storage import ANNA, NOW, a_draft, a_person, opened, stocked

DAY = timedelta(days=1)


def a_call(vault: Vault, n: int, at: datetime, **more: object) -> dict[str, Any]:
    """A row of `calls`; those without a session have a sealed caller."""
    row: dict[str, Any] = {
        "call_id": f"call-{n:04}",
        "node": "n1",
        "linked_id": f"1.{n}",
        "direction": "pstn_in",
        "outcome": "failed",
        "offered_at": at,
        "ended_at": at,
        "ring_ms": 0,
        "talk_ms": 0,
        "attempts": [],
        "legs": [],
        "recorded_at": at,
        "caller_sealed": vault.seal(ANNA),
        "caller_index": vault.index(ANNA),
        "ledger_openings": b"a" * 16 + b"b" * 16 + b"c" * 16,
        "ledger_hash": b"h" * 32,
    }
    return row | more


async def let_go(db: Database, kind: str, terms: Terms, now: datetime, at_most: int = 2) -> int:
    """Until there is nothing to be done; how many works that took."""
    _, term, work = next(one for one in retention.kinds(terms) if one[0] == kind)
    for works in range(1, 50):
        looked = await db.write(
            lambda conn: retention.let_go(conn, kind, term, work, now, at_most=at_most)
        )
        if looked < at_most:
            return works
    raise AssertionError("it never ends")


async def figures(db: Database, now: datetime) -> dict[str, int]:
    found = await db.read(lambda conn: retention.figures(conn, days=2, now=now))
    return {kind: removed for kind, _, removed in found}


def _keep(conn: Connection, row: dict[str, Any]) -> None:
    conn.execute(insert(calls), row)


async def test_phones_of_strangers_go_after_their_term_and_the_hash_stays(
    db: Database, vault: Vault
) -> None:
    old = [a_call(vault, n, NOW - 91 * DAY + n * timedelta(minutes=1)) for n in range(5)]
    young = a_call(vault, 9, NOW - 89 * DAY)

    def write(conn: Connection) -> None:
        for row in (*old, young):
            conn.execute(insert(calls), row)

    await db.write(write)
    await let_go(db, "caller_phones", Terms(), NOW)

    def read(conn: Connection) -> list[Any]:
        return list(conn.execute(select(calls).order_by(calls.c.call_id)).mappings())

    rows = await db.read(read)
    assert [row["caller_sealed"] is None for row in rows] == [True] * 5 + [False]
    for row in rows[:5]:
        assert row["caller_index"] is None
        assert row["ledger_hash"] == b"h" * 32
        assert row["ledger_openings"] == ledger.erased(
            b"a" * 16 + b"b" * 16 + b"c" * 16, {ledger.Group.CALLER}
        )
    assert rows[5]["ledger_openings"] == young["ledger_openings"]
    assert await figures(db, NOW) == {"caller_phones": 5}
    # Later only what has become due since is read.
    assert await let_go(db, "caller_phones", Terms(), NOW + 3 * DAY) == 1
    assert await figures(db, NOW + 3 * DAY) == {"caller_phones": 1}


async def test_records_lose_their_people_and_stay(db: Database, vault: Vault) -> None:
    people = {
        "caller_user_id": "u-1",
        "callee_user_id": "u-2",
        "conversation_id": "c",
        "listing_id": "L",
        "listing_title": "Sofa",
    }
    row = a_call(vault, 1, NOW - 1101 * DAY, **people)
    await db.write(lambda conn: _keep(conn, row))
    await let_go(db, "people_of_calls", Terms(), NOW)
    kept = await db.read(lambda conn: conn.execute(select(calls)).mappings().one())
    assert all(kept[name] is None for name in (*people, "caller_sealed", "caller_index"))
    assert kept["ledger_openings"] == bytes(48)
    assert kept["outcome"] == "failed"


async def test_sessions_go_once_they_are_over_and_their_numbers_have_rested(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, 9)
    for n in range(3):
        draft = a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n), conversation=f"c{n}")
        made = await opened(db, vault, draft)
        if n:
            await db.write(lambda conn, made=made: session_rows.close(conn, made.id, NOW))  # type: ignore[misc]
    late = a_draft(
        a_person(Role.BUYER, 8), a_person(Role.SELLER, 8), conversation="c8", ttl=20 * DAY
    )
    await opened(db, vault, late)
    terms = Terms(sessions=10 * DAY, history=10 * DAY)

    await let_go(db, "sessions", terms, NOW + 9 * DAY)
    assert await counted(db, sessions) == 4, "none has been over for ten days"
    await let_go(db, "sessions", terms, NOW + 12 * DAY)
    assert await counted(db, sessions) == 4, (
        "their numbers rest until the seventh day, and ten more"
    )
    await let_go(db, "sessions", terms, NOW + 19 * DAY)
    assert await counted(db, sessions) == 1
    assert await counted(db, participants) == 2
    assert await counted(db, leases) == 2
    assert await figures(db, NOW + 19 * DAY) == {"sessions": 3}
    await let_go(db, "sessions", terms, NOW + 60 * DAY)
    assert await counted(db, sessions) == 0, "it begins again at the first"


async def test_histories_and_logs_go_from_the_oldest(db: Database, vault: Vault) -> None:
    def write(conn: Connection) -> None:
        for n in range(6):
            at = NOW - (403 - n) * DAY
            entry = {"call_id": f"c{n}", "at": at}
            conn.execute(
                insert(history_entries),
                entry | {"conversation_id": "c", "kind": "call", "body": {}},
            )
            conn.execute(
                insert(call_log_entries),
                entry
                | {
                    "user_id": "u-1",
                    "direction": "in",
                    "outcome": "missed",
                    "ring_ms": 0,
                    "talk_ms": 0,
                    "card": {},
                },
            )

    await db.write(write)
    await let_go(db, "history", Terms(), NOW)
    await let_go(db, "call_log", Terms(call_log=401 * DAY), NOW)
    assert await counted(db, history_entries) == 3
    assert await counted(db, call_log_entries) == 4
    assert await figures(db, NOW) == {"history": 3, "call_log": 2}


async def test_zero_keeps_for_good(db: Database, vault: Vault) -> None:
    row = a_call(vault, 1, NOW - 9999 * DAY)
    await db.write(lambda conn: _keep(conn, row))
    forever = Terms(*[timedelta(0)] * 5)
    for kind, _, _ in retention.kinds(forever):
        assert await let_go(db, kind, forever, NOW) == 1
    assert await figures(db, NOW) == {}


async def counted(db: Database, table: Table) -> int:
    found: int = await db.read(
        lambda conn: conn.execute(select(func.count()).select_from(table)).scalar_one()
    )
    return found
