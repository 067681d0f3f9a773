"""Pools and proxy numbers: added once, in order, and nowhere twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking.errors import CoolDownOutOfRange, NumberTaken, UnknownNumber, UnknownTrunk
from masking.model import Language, NumberState, Phone, Pool
from storage import Database, numbers, trunks
from storage.numbers import Added, PoolSize
from storage.vault import Vault
from tests.support.storage import NOW, TRUNK, proxies, stocked


async def add(db: Database, *e164s: Phone, pool: str = "default") -> Added:
    return await db.write(
        lambda conn: numbers.add_numbers(conn, pool, TRUNK.name, list(e164s), NOW)
    )


async def all_of(db: Database, **filters: object) -> list[str]:
    found = await db.read(lambda conn: numbers.page(conn, **filters))  # type: ignore[arg-type]
    return [number.e164 for number in found.items]


async def test_numbers_are_added_once_and_counted(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=2)
    one, two, three, four = proxies(4)

    assert await add(db, two, three, three) == Added(added=1, already=1)
    assert await add(db, four, one) == Added(added=1, already=1)
    assert await add(db) == Added(added=0, already=0)
    assert await all_of(db) == [one, two, three, four]


async def test_thousands_are_added_at_once(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=0)

    assert await add(db, *proxies(1201)) == Added(added=1201, already=0)
    assert await db.read(lambda conn: numbers.size(conn, "default")) == PoolSize(1201, 0)


async def test_adding_numbers_makes_the_pool(db: Database, vault: Vault) -> None:
    await db.write(lambda conn: trunks.add(conn, vault, TRUNK, NOW))

    await add(db, *proxies(1), pool="new")

    assert await db.read(lambda conn: numbers.pool(conn, "new")) == Pool("new")


async def test_a_number_of_another_pool_or_trunk_is_not_taken_over(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    other = replace(TRUNK, name="carrier-b")
    await db.write(lambda conn: trunks.add(conn, vault, other, NOW))
    one, two = proxies(2)

    with pytest.raises(NumberTaken) as refused:
        await add(db, two, one, pool="other")
    assert refused.value.field == "numbers[1]", "among thousands it is told which"
    with pytest.raises(NumberTaken):
        await db.write(
            lambda conn: numbers.add_numbers(conn, "default", other.name, [two, one], NOW)
        )
    assert await all_of(db) == [one], "none of them was added"
    assert await db.read(lambda conn: numbers.pool(conn, "other")) is None


async def test_a_number_needs_a_trunk(db: Database) -> None:
    with pytest.raises(UnknownTrunk):
        await add(db, *proxies(1))


async def test_a_number_is_drained_and_taken_back(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=2)
    one, two = proxies(2)

    await db.write(lambda conn: numbers.set_state(conn, one, NumberState.DRAINING, NOW))
    assert await all_of(db, state=NumberState.ACTIVE) == [two]
    assert await db.read(lambda conn: numbers.size(conn, "default")) == PoolSize(1, 1)
    await db.write(lambda conn: numbers.set_state(conn, one, NumberState.ACTIVE, NOW))
    assert await all_of(db, state=NumberState.ACTIVE) == [one, two]

    with pytest.raises(UnknownNumber):
        await db.write(
            lambda conn: numbers.set_state(conn, Phone("+74950000000"), NumberState.DRAINING, NOW)
        )


async def test_a_pool_is_kept_and_changed(db: Database) -> None:
    pool = Pool("vip", timedelta(days=30), Language.EN, 25, 1800)
    changed = replace(pool, cool_down=timedelta(0), language=Language.RU)

    await db.write(lambda conn: numbers.put_pool(conn, pool, NOW))
    assert await db.read(lambda conn: numbers.pool(conn, "vip")) == pool
    await db.write(lambda conn: numbers.put_pool(conn, changed, NOW))
    await db.write(lambda conn: numbers.put_pool(conn, Pool("basic"), NOW))

    assert await db.read(numbers.pools) == (Pool("basic"), changed)
    assert await db.read(lambda conn: numbers.pool(conn, "none")) is None


async def test_numbers_come_in_pages(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=7)
    seen: list[str] = []
    cursor = None
    for extra in (Phone("+74952220001"), Phone("+74952220002"), Phone("+74952220003")):
        found = await db.read(lambda conn, at=cursor: numbers.page(conn, limit=3, cursor=at))  # type: ignore[misc]
        seen += [number.e164 for number in found.items]
        cursor = found.next_cursor
        await add(db, extra)

    assert seen == [*proxies(7), Phone("+74952220001"), Phone("+74952220002")]


async def test_a_pool_cools_down_for_ninety_days_at_most(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=0)
    endless = Pool("default", cool_down=timedelta(days=91))

    with pytest.raises(CoolDownOutOfRange):
        await db.write(lambda conn: numbers.put_pool(conn, endless, NOW))
