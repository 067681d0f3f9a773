"""Listing numbers: each shows a place of its own, which goes on reaching it until it is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from masking import listing
from masking.errors import (
    ListingNumberOver,
    NothingToShow,
    PhoneIsProxy,
    PhoneMissing,
    TtlOutOfRange,
    UnknownListingNumber,
    UnknownPool,
)
from masking.listing import ListingNumber, Rotation
from masking.model import NumberState, Phone
from masking.rules import ListingRules, NumberRules
from storage import Database, listings, numbers
from storage.listing_rows import shown_row
from storage.schema import numbers as number_table
from storage.schema import outbox, shown_numbers
from storage.vault import Vault
from tests.support.listings import (
    a_listing,
    a_pool,
    a_seller,
    created,
    dialled,
    got,
    rotated,
    shop,
)
from tests.support.statements import statements
from tests.support.storage import DAY, NOW, opened, proxies

HOUR = timedelta(hours=1)
SHARED = ListingRules(shared=True, extension_length=3)


def always(n: int) -> Callable[[int], bytes]:
    """Entropy that is `n`, whoever asks."""
    return lambda size: n.to_bytes(size, "big")


def place_of(number: ListingNumber) -> tuple[str, str]:
    assert number.shown is not None
    return number.shown.number.e164, number.shown.extension


async def change(
    db: Database, vault: Vault, one: ListingNumber, now: datetime = NOW, **of: object
) -> None:
    wanted = listings.Change(**of)  # type: ignore[arg-type]
    await db.write(
        lambda conn: listings.change(conn, vault, one.id, wanted, now=now, entropy=os.urandom)
    )


async def rotate_due(db: Database, vault: Vault, now: datetime = NOW, at_most: int = 100) -> int:
    return await db.write(
        lambda conn: listings.rotate_due(conn, vault, now, os.urandom, at_most=at_most)
    )


async def shown_flags(db: Database) -> dict[str, bool]:
    query = select(number_table.c.e164, number_table.c.shown)
    return {row.e164: row.shown for row in await db.read(lambda conn: conn.execute(query).all())}


async def notices(db: Database) -> list[tuple[str, str]]:
    query = select(outbox.c.kind, outbox.c.data).order_by(outbox.c.key)
    return [(row.kind, row.data) for row in await db.read(lambda conn: conn.execute(query).all())]


async def test_a_listing_number_is_read_back_as_it_was_created(db: Database, vault: Vault) -> None:
    await shop(db, vault)

    made = await created(db, vault, a_listing(rotation=Rotation(DAY, 50)))

    assert await got(db, vault, made) == made
    assert made.expires_at == NOW + 30 * DAY
    assert place_of(made)[0] in proxies(3)
    assert place_of(made)[1] == ""
    assert made.rotation == Rotation(DAY, 50)


async def test_rotation_is_as_the_pools_rules_have_it_unless_it_is_said(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, rules=ListingRules(rotate_after=DAY, rotate_after_callers=9))

    assert (await created(db, vault)).rotation == Rotation(DAY, 9)
    assert (await created(db, vault, a_listing(2, rotation=Rotation()))).rotation == Rotation()


async def test_no_two_listings_show_one_place(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=4)

    made = [await created(db, vault, a_listing(n)) for n in range(4)]

    assert {place_of(one)[0] for one in made} == set(proxies(4))
    with pytest.raises(NothingToShow):
        await created(db, vault, a_listing(5))


async def test_a_refused_one_leaves_nothing(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=1)
    only = await created(db, vault)

    with pytest.raises(NothingToShow):
        await created(db, vault, a_listing(2))
    page = await db.read(lambda conn: listings.page(conn, vault))
    assert page.items == (only,)


async def test_what_may_not_be_is_refused(db: Database, vault: Vault) -> None:
    with pytest.raises(UnknownPool):
        await created(db, vault)
    await shop(db, vault)
    mute = replace(a_seller(), phone=None)
    with pytest.raises(PhoneMissing):
        await created(db, vault, a_listing(seller=mute))
    with pytest.raises(PhoneIsProxy):
        await created(db, vault, a_listing(seller=replace(mute, phone=proxies(1)[0])))
    with pytest.raises(TtlOutOfRange):
        await created(db, vault, a_listing(ttl=timedelta(seconds=59)))


async def test_a_pool_that_shares_tells_listings_apart_by_digits(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2, rules=SHARED)

    made = [await created(db, vault, a_listing(n)) for n in range(60)]

    places = [place_of(one) for one in made]
    assert len(set(places)) == 60
    assert {len(digits) for _, digits in places} == {3}
    for one in made:
        assert await dialled(db, vault, one) == one


async def test_a_second_number_is_opened_only_when_the_first_fills_up(
    db: Database, vault: Vault
) -> None:
    """Pairs keep the numbers that listings do not need."""
    await shop(db, vault, size=2, rules=SHARED)
    for n in range(3):
        await created(db, vault, a_listing(n), entropy=always(n))
    assert sorted((await shown_flags(db)).values()) == [False, True]

    for n in range(3, 200):
        await created(db, vault, a_listing(n))
    assert sorted((await shown_flags(db)).values()) == [True, True]


async def test_a_shared_pool_is_used_to_its_last_place(db: Database, vault: Vault) -> None:
    """Also where random digits hardly ever find it."""
    await shop(db, vault, size=1, rules=SHARED)
    first = await created(db, vault)
    assert first.shown is not None
    left = {"007", "500", "999"} - {first.shown.extension}
    taken = [f"{n:03}" for n in range(1000) if f"{n:03}" not in {*left, first.shown.extension}]
    await db.write(lambda conn: take(conn, first, taken))

    made = [await created(db, vault, a_listing(n)) for n in range(2, 2 + len(left))]

    assert {place_of(one)[1] for one in made} == left
    with pytest.raises(NothingToShow):
        await created(db, vault, a_listing(20))


def take(conn: Connection, number: ListingNumber, digits: list[str]) -> None:
    """Have `number` show its proxy number with all these digits too."""
    assert number.shown is not None
    row = shown_row(number, 0, number.shown, None)
    turns = [row | {"extension": one, "turn": turn} for turn, one in enumerate(digits, 1)]
    conn.execute(insert(shown_numbers), turns)


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


async def test_expiry_title_and_rotation_can_be_changed(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    made = await created(db, vault, a_listing(ttl=HOUR))

    await change(db, vault, made, expires_at=NOW + 2 * DAY, title="Sold soon")
    await change(db, vault, made, rotation=Rotation(DAY))

    found = await got(db, vault, made)
    assert found.expires_at == NOW + 2 * DAY
    assert found.listing.title == "Sold soon"
    assert found.rotation == Rotation(DAY)
    assert found.shown == made.shown
    assert await rotate_due(db, vault, NOW + DAY) == 1, "counted from when it was shown"
    with pytest.raises(TtlOutOfRange):
        await change(db, vault, made, expires_at=NOW + 366 * DAY)


async def test_a_longer_life_keeps_the_place_from_others(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=1)
    made = await created(db, vault, a_listing(ttl=HOUR))
    await change(db, vault, made, expires_at=NOW + DAY)

    with pytest.raises(NothingToShow):
        await created(db, vault, a_listing(2), now=NOW + 2 * HOUR)
    again = await created(db, vault, a_listing(2), now=NOW + DAY)
    assert place_of(again) == place_of(made)


async def test_what_is_over_is_not_changed(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    made = await created(db, vault, a_listing(ttl=HOUR))

    with pytest.raises(ListingNumberOver):
        await change(db, vault, made, NOW + HOUR, title="late")
    await db.write(lambda conn: listings.close(conn, made.id, NOW))
    with pytest.raises(ListingNumberOver):
        await change(db, vault, made, rotate=True)
    closed = await got(db, vault, made)
    await db.write(lambda conn: listings.close(conn, made.id, NOW + 1 * HOUR))
    assert await got(db, vault, made) == closed
    with pytest.raises(UnknownListingNumber):
        await db.write(lambda conn: listings.close(conn, "lst_nobody", NOW))


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


async def test_pairs_get_numbers_that_no_listing_shows_while_there_are_any(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=3)
    shown = [place_of(await created(db, vault, a_listing(n)))[0] for n in (1, 2)]

    session = await opened(db, vault)
    assert {lease.number.e164 for lease in session.leases}.isdisjoint(shown)
    crowded = await opened(db, vault)
    assert {lease.number.e164 for lease in crowded.leases} <= set(shown)


async def test_a_listing_shows_a_number_of_its_sellers_city_where_one_is_free(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=5)
    petersburg = [Phone(f"+7812321000{n}") for n in range(2)]
    await db.write(lambda conn: numbers.add_numbers(conn, "default", "carrier-a", petersburg, NOW))
    local = replace(a_seller(), phone=Phone("+78123335577"))

    made = [await created(db, vault, a_listing(n, seller=local)) for n in range(3)]

    assert {place_of(one)[0] for one in made[:2]} == set(petersburg)
    assert place_of(made[2])[0] in proxies(5)


async def test_geo_can_be_switched_off(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=40, numbers_are=NumberRules(geo=False))
    petersburg = Phone("+78123210001")
    await db.write(
        lambda conn: numbers.add_numbers(conn, "default", "carrier-a", [petersburg], NOW)
    )
    local = replace(a_seller(), phone=Phone("+78123335577"))
    first = [place_of(await created(db, vault, a_listing(seller=local), entropy=bytes))]
    assert first != [(petersburg, "")]


async def test_pages_are_by_listing_and_by_user_the_newest_first(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9)
    made = [
        await created(db, vault, a_listing(n, seller=a_seller(n % 2)), now=NOW + n * HOUR)
        for n in range(6)
    ]

    mine = await db.read(lambda conn: listings.page(conn, vault, user_id="seller-1", limit=2))
    rest = await db.read(
        lambda conn: listings.page(conn, vault, user_id="seller-1", cursor=mine.next_cursor)
    )
    assert (*mine.items, *rest.items) == (made[5], made[3], made[1])
    one = await db.read(lambda conn: listings.page(conn, vault, listing_id="L-4"))
    assert one.items == (made[4],)


async def test_a_number_that_is_shown_is_not_removed_one_that_was_shown_is(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=1)
    made = await created(db, vault, a_listing(ttl=HOUR))
    number = Phone(place_of(made)[0])

    def remove(conn: Connection) -> bool:
        return numbers.remove(conn, number, NOW + 2 * HOUR)

    assert not await db.write(lambda conn: numbers.remove(conn, number, NOW))
    assert await db.write(remove)
    assert await db.read(lambda conn: numbers.get(conn, number)) is None
    assert (await got(db, vault, made)).shown is None


async def test_whether_digits_are_needed_is_known_of_a_number(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=1)
    plain = await created(db, vault)
    assert plain.shown is not None
    number = plain.shown.number.id
    assert not await db.read(lambda conn: listings.any_extension(conn, number))

    await db.write(lambda conn: listings.close(conn, plain.id, NOW))
    await db.write(lambda conn: numbers.put_pool(conn, a_pool(SHARED), NOW))
    shared = await created(db, vault, a_listing(2))
    assert shared.shown is not None
    assert shared.shown.number.id == number
    assert await db.read(lambda conn: listings.any_extension(conn, number))


async def test_a_call_is_looked_up_with_one_statement(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    made = await created(db, vault)
    shown = made.shown
    assert shown is not None

    def ask(conn: Connection) -> list[str]:
        with statements(conn) as seen:
            listings.shown_at_number(conn, vault, shown.number.id, shown.extension)
        return seen

    assert len(await db.read(ask)) == 1
