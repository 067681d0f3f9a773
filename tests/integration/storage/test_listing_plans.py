"""What listing numbers ask goes through indexes, however many of them there are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from masking.listing import ListingNumber, Rotation
from masking.rules import ListingRules
from storage import Database, listings, open_database
from storage.links import Opening, open_link
from tests.integration.storage.test_query_plans import plan_of
from tests.support.listings import CALLER, a_caller, a_listing, created, link, shop
from tests.support.storage import DAY, NOW, a_vault

# Tables that upkeep reads whole now and then; what a statement gathered of two phones.
_SMALL = ("pools", "numbers", "by_phone LEFT-JOIN")


@pytest.fixture(params=[False, True], ids=["plain", "shared"])
async def db(request: pytest.FixtureRequest, migrated_sqlite: str) -> AsyncIterator[Database]:
    database = open_database(migrated_sqlite)
    rules = ListingRules(shared=request.param, extension_length=3)
    await shop(database, a_vault(), 30, rules)
    for n in range(20):
        number = await created(database, a_vault(), a_listing(n, rotation=Rotation(DAY, 3)))
        await link(database, a_vault(), number, a_caller(n))
    yield database
    await database.close()


def scans(steps: list[str]) -> list[str]:
    """The steps that read a whole table or index."""
    whole = [step for step in steps if step.startswith("SCAN") and "CONSTANT ROW" not in step]
    return [step for step in whole if not step.startswith(tuple(f"SCAN {t}" for t in _SMALL))]


async def planned(db: Database, work: Callable[[Connection], object]) -> list[str]:
    return await db.write(lambda conn: plan_of(conn, work))


async def test_a_place_is_looked_up_by_its_index(db: Database) -> None:
    steps = await planned(db, lambda conn: listings.shown_at_number(conn, a_vault(), 1, ""))

    assert scans(steps) == []
    assert any("uq_shown_numbers_active" in step for step in steps)
    rest = ListingRules().rest
    digits = await planned(db, lambda conn: listings.any_extension(conn, 1, rest, NOW))
    assert scans(digits) == []


async def test_creating_scans_nothing(db: Database) -> None:
    def create(conn: Connection) -> object:
        return listings.create(
            conn, a_vault(), a_listing(99), new_id="lst_x", now=NOW, entropy=os.urandom
        )

    assert scans(await planned(db, create)) == []


async def test_taking_a_place_that_is_free_again_scans_nothing(db: Database) -> None:
    later = NOW + timedelta(days=60)  # every listing has expired
    for n in range(10):
        await created(db, a_vault(), a_listing(100 + n), now=later)

    def create(conn: Connection) -> object:
        return listings.create(
            conn, a_vault(), a_listing(999), new_id="lst_y", now=later, entropy=os.urandom
        )

    assert scans(await planned(db, create)) == []


async def test_opening_a_link_scans_nothing(db: Database) -> None:
    number: ListingNumber = await created(db, a_vault(), a_listing(99, rotation=Rotation(None, 1)))

    def open_one(conn: Connection) -> object:
        return open_link(conn, a_vault(), number, CALLER, Opening("ses_x", 7, os.urandom), NOW)

    assert scans(await planned(db, open_one)) == []


@pytest.mark.parametrize("days", [2, 60])
async def test_upkeep_scans_only_what_is_small(db: Database, days: int) -> None:
    later = NOW + timedelta(days=days)

    def rotate(conn: Connection) -> object:
        return listings.rotate_due(conn, a_vault(), later, os.urandom, at_most=5)

    assert scans(await planned(db, rotate)) == []
    assert scans(await planned(db, lambda conn: listings.sweep(conn, later))) == []


async def test_lists_are_found_by_index(db: Database) -> None:
    by_listing = await planned(db, lambda conn: listings.page(conn, None, listing_id="L-3"))
    by_user = await planned(db, lambda conn: listings.page(conn, None, user_id="seller-3"))

    for steps in (by_listing, by_user):
        assert scans(steps) == []
        assert not any("TEMP B-TREE" in step for step in steps), "sorted by the index"
