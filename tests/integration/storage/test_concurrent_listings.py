"""Creators, rotators, closers and callers of listings at once: each place stays one listing's."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

from sqlalchemy import Connection, func, select

from masking.errors import ListingNumberOver, NothingToShow
from masking.listing import Link, ListingNumber, Rotation
from masking.rules import ListingRules
from storage import Database, listings, open_database
from storage.database import Limits
from storage.schema import caller_days, leases, sessions, shown_numbers
from tests.support.listings import a_caller, a_listing, created, got, linked, rotated, shop
from tests.support.storage import NOW, a_vault

VAULT = a_vault()


async def created_or_refused(db: Database, n: int) -> ListingNumber | None:
    try:
        return await created(db, VAULT, a_listing(n))
    except NothingToShow:
        return None


def places(conn: Connection) -> Counter[tuple[int, str]]:
    query = select(shown_numbers.c.number_id, shown_numbers.c.extension)
    rows = conn.execute(query.where(shown_numbers.c.active))
    return Counter((row.number_id, row.extension) for row in rows)


async def test_creators_show_every_number_of_a_pool_and_no_more(url: str) -> None:
    size, wanted = 20, 30
    databases = [open_database(url, Limits(connections=6)) for _ in range(2)]
    try:
        await shop(databases[0], VAULT, size)
        made = await asyncio.gather(
            *(created_or_refused(databases[n % 2], n) for n in range(wanted))
        )
        taken = await databases[0].read(places)
    finally:
        for database in databases:
            await database.close()

    assert sum(one is not None for one in made) == size, "refused while a number was left"
    assert len(taken) == size
    assert set(taken.values()) == {1}


async def test_a_caller_who_calls_by_two_numbers_at_once_has_one_link(url: str) -> None:
    databases = [open_database(url, Limits(connections=6)) for _ in range(2)]
    db = databases[0]
    try:
        await shop(db, VAULT, 12)
        before = await created(db, VAULT)
        after = await rotated(db, VAULT, before)
        calls = [
            linked(databases[n % 2], VAULT, number, a_caller(n % 3))
            for n, number in enumerate([before, after] * 6)
        ]
        found = await asyncio.gather(*calls)
        count = await db.read(lambda conn: conn.execute(select(func.count(sessions.c.id))).scalar())
    finally:
        for database in databases:
            await database.close()

    there = [one for one in found if isinstance(one, Link)]
    assert len(there) == 12
    assert len({one.session.id for one in there}) == 3 == count
    assert sum(one.opened for one in there) == 3


async def test_the_days_limit_holds_for_calls_at_once(url: str) -> None:
    db = open_database(url, Limits(connections=6))
    try:
        await shop(db, VAULT, 30, ListingRules(links_a_day=4))
        numbers = [await created(db, VAULT, a_listing(n)) for n in range(10)]
        found = await asyncio.gather(*(linked(db, VAULT, one) for one in numbers))
        query = select(caller_days.c.new_links)
        counted = await db.read(lambda conn: conn.execute(query).scalars().all())
    finally:
        await db.close()

    assert sum(isinstance(one, Link) for one in found) == 4
    assert counted == [4]


async def test_whatever_happens_at_once_every_place_and_every_lease_is_of_one(url: str) -> None:
    databases = [open_database(url, Limits(connections=8)) for _ in range(2)]
    db = databases[0]
    dice = random.Random(7)
    try:
        await shop(db, VAULT, 14, ListingRules(links_a_day=100))
        numbers = [
            await created(db, VAULT, a_listing(n, rotation=Rotation(after_callers=2)))
            for n in range(6)
        ]
        # The first listing stays and so do its links, whoever takes the pool's last places.
        before = [await linked(db, VAULT, numbers[0], a_caller(n)) for n in range(2)]

        async def act(n: int) -> None:
            ours, one = databases[n % 2], numbers[dice.randrange(len(numbers))]
            try:
                match dice.randrange(8):
                    case 0:
                        await rotated(ours, VAULT, one)
                    case 1:
                        await created(ours, VAULT, a_listing(100 + n))
                    case 2 if n > 100 and one is not numbers[0]:
                        await ours.write(lambda conn: listings.close(conn, one.id, NOW))
                    case 3:
                        await ours.write(
                            lambda conn: listings.rotate_due(conn, VAULT, NOW, os.urandom)
                        )
                    case _:
                        now = await got(ours, VAULT, one)
                        await linked(ours, VAULT, now, a_caller(dice.randrange(5)))
            except (NothingToShow, ListingNumberOver):
                pass

        async with asyncio.timeout(100):
            await asyncio.gather(*(act(n) for n in range(150)))
        taken = await db.read(places)
        held = await db.read(
            lambda conn: Counter(
                conn.execute(
                    select(leases.c.phone_index, leases.c.number_id).where(leases.c.active)
                ).all()
            )
        )
        pairs = await db.read(
            lambda conn: Counter(
                conn.execute(
                    select(sessions.c.listing_id, leases.c.phone_index)
                    .join_from(sessions, leases, leases.c.session_id == sessions.c.id)
                    .where(leases.c.position == 0, leases.c.slot == 0)
                ).all()
            )
        )
    finally:
        for database in databases:
            await database.close()

    assert set(taken.values()) == {1}
    assert all(isinstance(one, Link) for one in before)
    assert len(held) >= len(before)
    assert set(held.values()) == {1}
    assert set(pairs.values()) == {1}, "one link of each caller with each listing"
