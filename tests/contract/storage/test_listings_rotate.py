"""Listings that show one number after another: when, whose place is next, and what is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from masking import listing
from masking.errors import NothingToShow
from masking.listing import Rotation
from masking.model import NumberState, Phone
from masking.rules import ListingRules
from storage import Database, listings, numbers
from storage.vault import Vault
from tests.contract.storage.shown import (
    HOUR,
    callers_of,
    notices,
    place_of,
    rotate_due,
    shown_flags,
)
from tests.support.listings import a_caller, a_listing, created, dialled, got, link, rotated, shop
from tests.support.storage import DAY, NOW, proxies


async def test_rotation_is_as_the_pools_rules_have_it_unless_it_is_said(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, rules=ListingRules(rotate_after=DAY, rotate_after_callers=9))

    assert (await created(db, vault)).rotation == Rotation(DAY, 9)
    assert (await created(db, vault, a_listing(2, rotation=Rotation()))).rotation == Rotation()


async def test_the_place_of_a_listing_that_is_over_is_shown_again_the_longest_free_first(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=3)
    short, closed, long = (
        await created(db, vault, a_listing(1, ttl=HOUR)),
        await created(db, vault, a_listing(2)),
        await created(db, vault, a_listing(3)),
    )
    await db.write(lambda conn: listings.close(conn, closed.id, NOW + 2 * HOUR))
    later = NOW + 3 * HOUR

    again = [await created(db, vault, a_listing(n), now=later) for n in (4, 5)]

    assert [place_of(one) for one in again] == [place_of(short), place_of(closed)]
    assert await dialled(db, vault, short) == again[0]
    with pytest.raises(NothingToShow):
        await created(db, vault, a_listing(6), now=later)
    assert place_of(await got(db, vault, long)) == place_of(long)


async def test_a_number_shown_before_goes_on_reaching_its_listing_until_another_wants_it(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2)
    before = await created(db, vault)
    after = await rotated(db, vault, before, NOW + HOUR)
    assert place_of(after) != place_of(before)

    found = await dialled(db, vault, before)
    assert found is not None
    assert found.shown is not None
    assert (found.id, found.shown.hidden_at) == (before.id, NOW + HOUR)
    assert listing.reached(found, 30 * DAY, NOW + DAY)
    assert not listing.reached(found, 30 * DAY, NOW + HOUR + 30 * DAY)

    other = await created(db, vault, a_listing(2), now=NOW + DAY)
    assert place_of(other) == place_of(before)
    assert await dialled(db, vault, before) == other
    assert await dialled(db, vault, after) == after


async def test_rotating_when_nothing_else_can_be_shown_is_refused_and_changes_nothing(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=1)
    made = await created(db, vault)

    with pytest.raises(NothingToShow):
        await rotated(db, vault, made)
    assert await got(db, vault, made) == made
    assert await notices(db) == []


async def test_a_rotation_is_told_to_the_platform_once_and_without_a_phone(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2)
    made = await created(db, vault)

    after = await rotated(db, vault, made)

    ((kind, data),) = await notices(db)
    assert kind == "listing.rotated"
    assert place_of(made)[0] in data
    assert place_of(after)[0] in data
    assert made.callee.phone is not None
    assert made.callee.phone[1:] not in data


async def test_numbers_rotate_when_they_were_shown_long_enough(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=4)
    due = await created(db, vault, a_listing(1, rotation=Rotation(DAY)))
    slow = await created(db, vault, a_listing(2, rotation=Rotation(2 * DAY)))
    never = await created(db, vault, a_listing(3))

    assert await rotate_due(db, vault, NOW + DAY - timedelta(milliseconds=1)) == 0
    assert await rotate_due(db, vault, NOW + DAY) == 1
    assert await rotate_due(db, vault, NOW + DAY) == 0

    assert place_of(await got(db, vault, due)) != place_of(due)
    assert await got(db, vault, slow) == slow
    assert await got(db, vault, never) == never


async def test_a_due_rotation_for_which_there_is_no_number_is_tried_again_an_hour_later(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=1)
    made = await created(db, vault, a_listing(rotation=Rotation(DAY)))

    assert await rotate_due(db, vault, NOW + DAY) == 0
    assert await got(db, vault, made) == made
    await db.write(
        lambda conn: numbers.add_numbers(conn, "default", "carrier-a", proxies(2), NOW + DAY)
    )
    assert await rotate_due(db, vault, NOW + DAY) == 0
    assert await rotate_due(db, vault, NOW + DAY + HOUR) == 1


async def test_what_is_over_does_not_rotate(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=3)
    expired = await created(db, vault, a_listing(1, ttl=HOUR, rotation=Rotation(2 * HOUR)))
    closed = await created(db, vault, a_listing(2, rotation=Rotation(2 * HOUR)))
    await db.write(lambda conn: listings.close(conn, closed.id, NOW + HOUR))

    assert await rotate_due(db, vault, NOW + DAY) == 0
    assert place_of(await got(db, vault, expired)) == place_of(expired)
    assert await rotate_due(db, vault, NOW + 2 * DAY) == 0


async def test_listings_leave_a_number_that_drains(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=2)
    made = await created(db, vault)
    drained = Phone(place_of(made)[0])
    await db.write(lambda conn: numbers.set_state(conn, drained, NumberState.DRAINING, NOW))

    assert await rotate_due(db, vault, NOW + HOUR) == 1
    after = await got(db, vault, made)
    assert place_of(after) != place_of(made)
    assert await rotate_due(db, vault, NOW + HOUR) == 0
    with pytest.raises(NothingToShow):  # what drains is shown to nobody, free or not
        await created(db, vault, a_listing(2), now=NOW + 2 * HOUR)


async def test_places_that_rested_are_let_go_and_their_numbers_given_back_to_pairs(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2, rules=ListingRules(rest=DAY))
    made = await created(db, vault)
    await rotated(db, vault, made, NOW + HOUR)

    async def sweep(now: datetime) -> int:
        return await db.write(lambda conn: listings.sweep(conn, now))

    assert await sweep(NOW + HOUR + DAY - timedelta(milliseconds=1)) == 0
    assert (await shown_flags(db))[place_of(made)[0]]
    assert await sweep(NOW + HOUR + DAY) == 1
    assert await dialled(db, vault, made) is None
    assert not (await shown_flags(db))[place_of(made)[0]]
    assert await sweep(NOW + HOUR + DAY) == 0


async def test_a_number_rotates_when_it_brought_enough_callers(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=9)
    number = await created(db, vault, a_listing(rotation=Rotation(after_callers=3)))

    for n in range(2):
        await link(db, vault, number, a_caller(n))
        await link(db, vault, number, a_caller(n))  # no new caller
    assert place_of(await got(db, vault, number)) == place_of(number)
    await link(db, vault, number, a_caller(3))

    after = await got(db, vault, number)
    assert place_of(after) != place_of(number)
    assert await callers_of(db, number) == [3, 0]


async def test_a_full_number_with_no_successor_is_shown_on_until_there_is_one(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2)
    number = await created(db, vault, a_listing(rotation=Rotation(after_callers=1)))
    other = await created(db, vault, a_listing(2, ttl=2 * HOUR))

    await link(db, vault, number)
    assert place_of(await got(db, vault, number)) == place_of(number)

    assert await rotate_due(db, vault, NOW + HOUR) == 0
    assert await rotate_due(db, vault, NOW + 2 * HOUR) == 1
    assert place_of(await got(db, vault, number)) == place_of(other)
