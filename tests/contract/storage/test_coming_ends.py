"""The platform is told of a session's coming end: in time, once, and again if the end moves."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from masking.model import Pool, Role
from masking.rules import EndingRules, PoolRules
from storage import Database, coming_ends, numbers, open_database, sessions
from storage.schema import outbox
from storage.vault import Vault
from tests.support.storage import DAY, NOW, a_draft, a_person, opened, stocked

HOUR = timedelta(hours=1)


async def told(db: Database) -> list[tuple[str | None, dict[str, Any]]]:
    """Conversation and data of what is owed."""

    def work(conn: Connection) -> list[Any]:
        query = select(outbox.c.conversation_id, outbox.c.data)
        query = query.where(outbox.c.kind == "session.ending").order_by(outbox.c.sequence)
        return list(conn.execute(query))

    return [(row.conversation_id, json.loads(row.data)) for row in await db.read(work)]


async def look(db: Database, at: datetime, at_most: int = 500) -> int:
    return await db.write(lambda conn: coming_ends.tell(conn, at, at_most=at_most))


async def test_a_day_before_its_end_the_platform_is_told_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, a_draft(ttl=3 * DAY))

    assert await look(db, NOW + 2 * DAY - HOUR) == 0
    assert await look(db, NOW + 2 * DAY) == 1
    assert await look(db, NOW + 2 * DAY + HOUR) == 0

    assert await told(db) == [
        (
            "chat-81",
            {
                "session_id": session.id,
                "expires_at": "2026-11-05T09:00:00.000Z",
                "listing_id": "L-42",
                "participants": {"buyer": "u-1", "seller": "u-2"},
            },
        )
    ]


@pytest.mark.parametrize("ttl", [HOUR, DAY])
async def test_a_session_no_longer_than_the_notice_needs_none(
    db: Database, vault: Vault, ttl: timedelta
) -> None:
    await stocked(db, vault)
    await opened(db, vault, a_draft(ttl=ttl))

    await look(db, NOW + HOUR / 2)

    assert await told(db) == []
    assert await look(db, NOW + HOUR / 2) == 0, "and is not looked at again"


async def test_an_end_that_is_put_off_is_told_of_again(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, a_draft(ttl=3 * DAY))
    await look(db, NOW + 2 * DAY)

    later = NOW + 9 * DAY
    await db.write(lambda conn: sessions.extend(conn, session.id, later, NOW + 2 * DAY + HOUR))
    assert await look(db, NOW + 3 * DAY) == 0
    await look(db, NOW + 8 * DAY)

    assert [data["expires_at"] for _, data in await told(db)] == [
        "2026-11-05T09:00:00.000Z",
        "2026-11-11T09:00:00.000Z",
    ]


async def test_what_is_closed_or_over_has_no_coming_end(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    closed = await opened(db, vault, a_draft(ttl=3 * DAY))
    await opened(db, vault, a_draft(a_person(Role.BUYER, 1), a_person(Role.SELLER, 1), ttl=3 * DAY))
    await db.write(lambda conn: sessions.close(conn, closed.id, NOW + DAY))

    assert await look(db, NOW + 3 * DAY) == 0
    assert await told(db) == []


async def test_how_long_before_is_the_pools_rule(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    await opened(db, vault, a_draft(ttl=3 * DAY))
    rules = PoolRules(ending=EndingRules(notice=timedelta(0)))
    await db.write(lambda conn: numbers.put_pool(conn, Pool("default", rules=rules), NOW))
    assert await look(db, NOW + 3 * DAY - HOUR) == 0

    rules = PoolRules(ending=EndingRules(notice=2 * HOUR))
    await db.write(lambda conn: numbers.put_pool(conn, Pool("default", rules=rules), NOW))
    assert await look(db, NOW + 3 * DAY - HOUR) == 1


async def test_processes_share_the_work_and_tell_each_end_once(
    db: Database, vault: Vault, url: str
) -> None:
    await stocked(db, vault, size=30)
    for n in range(25):
        people = a_person(Role.BUYER, n), a_person(Role.SELLER, n)
        await opened(db, vault, a_draft(*people, ttl=3 * DAY))
    other = open_database(url)

    async def until_done(database: Database) -> int:
        looked = 0
        while found := await look(database, NOW + 2 * DAY, at_most=3):
            assert found <= 3
            looked += found
        return looked

    try:
        looked = await asyncio.gather(until_done(db), until_done(other))
    finally:
        await other.close()

    while await look(db, NOW + 2 * DAY):  # those that the other had locked at the last look
        pass
    ids = [data["session_id"] for _, data in await told(db)]
    assert len(ids) == len(set(ids)) == 25
    assert sum(looked) <= 25
