"""What the upkeep does every minute costs no more for all that is stored."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from masking.model import Role
from maskline.upkeep import all_chores
from storage import Database, analytics_upkeep, open_database, rotation, sessions
from storage.analytics import HOURS_A_DAY
from storage.personal import sealed_columns
from storage.rotation import State
from storage.schema import (
    alarms,
    app_credentials,
    call_log_entries,
    calls,
    history_entries,
    idempotency_keys,
    participants,
    traffic,
)
from tests.support.planned import Planned, cost
from tests.support.recordings import call_row
from tests.support.storage import DAY, NOW, a_draft, a_person, a_vault, opened, stocked

# Numbers that drain have no index, and are few; the rest is read by its key, a piece at a time.
_KNOWN = ("pools", "numbers", "SCAN history_entries", "SCAN call_log_entries", "steps")
_OF_FEW = ("counting what is held", "erasing people")  # those near a pool's end, and such
HOUR = timedelta(hours=1)


@pytest.fixture
async def db(migrated_sqlite: str) -> AsyncIterator[Database]:
    database = open_database(migrated_sqlite)
    await stocked(database, a_vault(), 50)
    for n in range(20):
        draft = a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n % 3), ttl=DAY)
        made = await opened(database, a_vault(), draft, rotation=n)
        if n % 2:
            await database.write(lambda conn, made=made: sessions.close(conn, made.id, NOW))  # type: ignore[misc]
    await database.write(_fill)
    yield database
    await database.close()


def _fill(conn: Connection) -> None:
    """A little of what the upkeep lets go of."""
    conn.execute(insert(calls), [call_row(n) for n in range(9)])
    entry: dict[str, Any] = {"call_id": "c", "at": NOW}
    conn.execute(
        insert(history_entries), entry | {"conversation_id": "c", "kind": "call", "body": {}}
    )
    log = {"direction": "in", "outcome": "missed", "ring_ms": 0, "talk_ms": 0, "card": {}}
    conn.execute(insert(call_log_entries), entry | log | {"user_id": "u"})
    key = {"key_id": "k", "idempotency_key": "i", "request_hash": b"h", "claimed_at": NOW}
    conn.execute(insert(idempotency_keys), key)
    credential = {"username": "app_x", "user_id": "u", "ha1_sealed": b"", "token_hash": b"t"}
    lives = {"created_at": NOW, "expires_at": NOW + DAY}
    conn.execute(insert(app_credentials), credential | lives)
    alarm = {"id": "a", "condition": "c", "subject": "", "grave": True, "facts": {}, "times": 1}
    seen = {"since": NOW, "raised_at": NOW, "observer": "o", "seen_at": NOW, "cleared_at": NOW}
    conn.execute(insert(alarms), alarm | seen)
    conn.execute(insert(traffic), [_hour(n) for n in range(48)])


def _hour(n: int) -> dict[str, Any]:
    counted = ("seizures", "answered", "effective", "talk_ms")
    more = ("delays", "delay_ms", "scores", "score_sum")
    hour = analytics_upkeep.first_hour_kept(NOW) - n
    place = {"hour": hour, "node": "n", "trunk": "t", "direction": "in"}
    return place | dict.fromkeys((*counted, *more), 1)


async def test_no_chore_scans_a_table(db: Database) -> None:
    planned, of_few = Planned(db), Planned(db)
    later = (HOUR, 23 * HOUR, 9 * DAY, 100 * DAY, 500 * DAY, 1200 * DAY)
    for at in (NOW + one for one in later):
        for chore in all_chores(a_vault(), os.urandom):
            noted = of_few if chore.name in _OF_FEW else planned
            for _ in range(3):
                await noted.write(lambda conn, chore=chore, at=at: chore.work(conn, at))  # type: ignore[misc]

    assert planned.scans(*_KNOWN) == of_few.scans(*_KNOWN) == set()
    assert planned.sorts() == set()
    assert await db.read(lambda conn: conn.scalar(select(participants.c.user_id))) is None
    for index in (
        "ix_sessions_unnoticed",
        "ix_leases_active_reserved_until",
        "ix_shown_numbers_due",
        "ix_idempotency_keys_claimed_at",
        "ix_calls_offered_at_call_id",
    ):
        assert any(index in step for step in planned.steps), index


async def test_days_that_are_rolled_up_are_not_read_again(db: Database) -> None:
    """However many rows a day has."""
    first = analytics_upkeep.first_hour_kept(NOW)
    await db.write(lambda conn: analytics_upkeep.roll_up(conn, NOW))

    def widen(conn: Connection) -> None:
        rows = [
            _hour(HOURS_A_DAY * day) | {"trunk": f"t-{n}"}
            for day in range(1, 41)
            for n in range(100)
        ]
        conn.execute(insert(traffic), rows)

    def look(conn: Connection) -> int:
        return cost(conn, lambda conn: analytics_upkeep.roll_up(conn, NOW))

    days = select(traffic.c.hour).where(traffic.c.hour < first).distinct()
    assert len(await db.read(lambda conn: conn.scalars(days).all())) == 2
    few = await db.write(look)
    await db.write(widen)
    assert await db.write(look) < few + 40 * 10, "a look at each day, and not at its hundred rows"
    late = _hour(30) | {"trunk": "late"}
    await db.write(lambda conn: conn.execute(insert(traffic), late))
    assert await db.write(lambda conn: analytics_upkeep.roll_up(conn, NOW)) == 1
    again = select(traffic.c.hour).where(traffic.c.trunk == "late")
    assert await db.read(lambda conn: conn.scalar(again)) == first - 2 * HOURS_A_DAY


async def test_each_piece_of_a_rotation_costs_a_piece(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "ROWS", 8)
    sealed = [one.name for one in sealed_columns()]
    phones = sealed.index("participants.phone_sealed")

    def begin(conn: Connection) -> int:
        begun = rotation.begin(conn, 1, NOW)  # the key that all is sealed with: nothing is written
        for state in (State.SWITCHED, State.DRAINING, State.SEALING):
            rotation.enter(conn, begun, state, NOW)
            last = rotation.last(conn)
            assert last is not None
            begun = last
        return begun.id

    def work(conn: Connection) -> object:
        return rotation.step(conn, a_vault(), which)

    which, costs = await db.write(begin), list[int]()
    while True:
        now = await db.read(rotation.last)
        assert now is not None
        if rotation.pass_is_over(now):
            break
        if now.at_column == phones and now.after is not None:
            costs.append(await db.write(lambda conn: cost(conn, work)))
        else:
            await db.write(work)

    assert len(costs) == 5, "forty phones"
    assert max(costs[:4]) <= 1.2 * min(costs[:4])
