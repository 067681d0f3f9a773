"""Who is near a pool's end: watched in time, told of once, forgotten when it is over."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from masking.model import NumberState, Phone, Pool, Role
from masking.rules import NumberRules, PoolRules
from storage import Database, headroom, numbers, pressure, sessions
from storage.headroom import HeadRoom
from storage.schema import outbox
from storage.vault import Vault
from tests.support.storage import (
    DAY,
    NOW,
    SELLER,
    a_draft,
    a_person,
    opened,
    proxies,
    stocked,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
POOL = Pool("default", rules=PoolRules(numbers=NumberRules(low_percent=20)))


async def notices(db: Database) -> list[dict[str, Any]]:
    """What is owed to the platform of pools that are low, in its order."""

    def work(conn: Connection) -> list[Any]:
        query = select(outbox.c.data).where(outbox.c.kind == "pool.low").order_by(outbox.c.at)
        return list(conn.execute(query).scalars())

    return [json.loads(data) for data in await db.read(work)]


async def note(db: Database, held: int, size: int = 10, at: datetime = NOW) -> None:
    await db.write(lambda conn: pressure.note(conn, POOL, b"i", "u-2", held, size, at))


async def watched(db: Database) -> tuple[pressure.Pressed, ...]:
    return await db.read(lambda conn: pressure.most_pressed(conn, "default", 10))


async def look(db: Database, at: datetime = NOW) -> HeadRoom:
    found = await db.read(lambda conn: headroom.of_pool(conn, "default", at))
    assert found is not None
    return found


async def recount(db: Database, at: datetime) -> int:
    return await db.write(lambda conn: pressure.recount(conn, at))


async def test_who_holds_less_than_half_is_not_watched(db: Database) -> None:
    await note(db, 4)
    assert await watched(db) == ()

    await note(db, 5)
    assert [one.held for one in await watched(db)] == [5]


async def test_a_low_pool_is_told_of_once_and_before_anyone_is_refused(db: Database) -> None:
    for held in range(5, 11):
        await note(db, held, at=NOW + held * MINUTE)

    assert await notices(db) == [
        {"pool": "default", "user_id": "u-2", "held": 8, "size": 10, "left": 2}
    ]


async def test_the_high_water_mark_stays_when_the_tide_goes_out(db: Database) -> None:
    await note(db, 7, at=NOW)
    await note(db, 9, at=NOW + HOUR)
    await note(db, 6, at=NOW + 2 * HOUR)

    highest = await db.read(lambda conn: pressure.highest(conn, "default"))

    assert highest is not None
    assert (highest.held, highest.high, highest.high_at) == (6, 9, NOW + HOUR)


async def test_a_pool_that_is_never_low_by_its_rule_says_nothing(db: Database) -> None:
    never = Pool("default", rules=PoolRules(numbers=NumberRules(low_percent=0)))

    await db.write(lambda conn: pressure.note(conn, never, b"i", "u-2", 10, 10, NOW))

    assert await notices(db) == []


async def dealer(
    db: Database, vault: Vault, sessions_of_theirs: int, at: datetime = NOW
) -> list[str]:
    """One seller with so many sessions, each with another buyer and ten minutes apart."""
    made = []
    for n in range(sessions_of_theirs):
        draft = a_draft(a_person(Role.BUYER, n), SELLER, ttl=DAY)
        made.append(await opened(db, vault, draft, now=at + n * 10 * MINUTE, rotation=n))
    return [session.id for session in made]


async def test_opening_sessions_watches_and_warns(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=5, cool_down=DAY)

    await dealer(db, vault, 4)

    assert [(one.user_id, one.held) for one in await watched(db)] == [("u-2", 4)]
    assert [told["held"] for told in await notices(db)] == [4]


async def test_a_warning_goes_when_places_are_free_and_comes_again_when_they_fill(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=5, cool_down=timedelta(0))
    first, second, *_ = await dealer(db, vault, 4)
    for one in (first, second):
        await db.write(lambda conn, one=one: sessions.close(conn, one, NOW + HOUR))  # type: ignore[misc]

    assert await recount(db, NOW + HOUR) == 1
    assert [(one.held, one.warned_at) for one in await watched(db)] == [(2, None)]

    await dealer(db, vault, 2, NOW + 2 * HOUR)
    assert len(await notices(db)) == 2


async def test_between_low_and_relaxed_nothing_is_said_again(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=20, cool_down=timedelta(0))
    first, *_ = await dealer(db, vault, 16)
    assert len(await notices(db)) == 1
    later = NOW + 4 * HOUR
    await db.write(lambda conn: sessions.close(conn, first, later))

    await recount(db, later)
    await dealer(db, vault, 1, later + MINUTE)

    assert [one.held for one in await watched(db)] == [16]
    assert len(await notices(db)) == 1, "15 of 20 is above low but not relaxed"


async def test_what_was_just_counted_is_left_alone(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=5, cool_down=DAY)
    await dealer(db, vault, 4)

    assert await recount(db, NOW + 31 * MINUTE) == 0


async def test_a_pool_that_shrinks_under_somebody_is_told_of(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=8, cool_down=DAY)
    await dealer(db, vault, 4)
    assert await notices(db) == []
    held = {
        lease.number.e164
        for session in (
            await db.read(lambda conn: sessions.page(conn, vault, user_id="u-2", now=NOW))
        ).items
        for lease in session.leases
        if lease.role is Role.SELLER
    }
    for e164 in [one for one in proxies(8) if one not in held][:3]:
        await drain(db, e164)

    await recount(db, NOW + DAY / 2)

    assert [(told["held"], told["size"]) for told in await notices(db)] == [(4, 5)]


async def drain(db: Database, e164: Phone) -> None:
    await db.write(lambda conn: numbers.set_state(conn, e164, NumberState.DRAINING, NOW))


async def test_a_survey_finds_who_holds_most_though_it_is_little(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=50, cool_down=DAY)
    await dealer(db, vault, 3)
    assert await watched(db) == ()

    found = await db.read(lambda conn: pressure.survey(conn, at_most=1))
    await db.write(lambda conn: pressure.watch(conn, found, NOW + HOUR))

    assert [(one.user_id, one.held) for one in await watched(db)] == [("u-2", 3)]


async def test_who_holds_nothing_any_more_is_forgotten_behind_the_first(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=2, cool_down=timedelta(0))
    people = pressure.SHOWN + 15

    def noted(conn: Connection) -> None:
        for n in range(people):
            pressure.note(conn, POOL, bytes([n]), f"u-{n:02}", 1, 2, NOW)

    await db.write(noted)
    assert await recount(db, NOW + DAY) == people

    left = await db.read(lambda conn: pressure.most_pressed(conn, "default", 100))
    assert len(left) == pressure.SHOWN


async def test_head_room_is_counted_from_the_leases_at_that_moment(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=6, cool_down=DAY)
    first, *_ = await dealer(db, vault, 4)
    await db.write(lambda conn: sessions.close(conn, first, NOW + HOUR))

    cooling = await look(db, NOW + 2 * HOUR)
    over = await look(db, NOW + DAY + HOUR)

    assert (cooling.size, [room.held for room in cooling.rooms]) == (6, [4])
    assert [room.held for room in over.rooms] == [3], "the first has cooled down"
    assert [room.high for room in over.rooms] == [4]


async def test_the_forecast_knows_when_each_number_is_free_again(
    db: Database, vault: Vault
) -> None:
    """Six a day, each held for two days: twelve at once, so ten are not enough."""
    await stocked(db, vault, size=10, cool_down=DAY)
    for n in range(6):
        draft = a_draft(a_person(Role.BUYER, n), SELLER, ttl=DAY)
        await opened(db, vault, draft, now=NOW + n * 4 * HOUR, rotation=n)
    now = NOW + DAY

    (room,) = (await look(db, now)).rooms

    assert (room.held, room.pace.a_day, room.forecast.level) == (6, 6.0, 12.0)
    assert room.forecast.at == now + DAY * 4 / 6, "four more, at six a day"


async def test_there_is_no_head_room_of_a_pool_that_is_not_there(db: Database) -> None:
    assert await db.read(lambda conn: headroom.of_pool(conn, "none", NOW)) is None


async def test_metrics_show_each_pool_with_its_size_and_the_most_held(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=5, cool_down=DAY)
    await dealer(db, vault, 4)

    assert await db.read(headroom.gauges) == (headroom.Gauge("default", 5, 4),)
