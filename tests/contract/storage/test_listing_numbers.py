"""Listing numbers: each shows a place of its own, which goes on reaching it until it is wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, update

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
from masking.model import Phone
from masking.rules import NumberRules
from storage import Database, listings, numbers
from storage.listing_rows import shown_row
from storage.schema import shown_numbers
from storage.vault import Vault
from tests.contract.storage.shown import (
    HOUR,
    MS,
    SHARED,
    always,
    change,
    place_of,
    rotate_due,
    shown_flags,
)
from tests.support.listings import a_listing, a_pool, a_seller, created, dialled, got, rotated, shop
from tests.support.statements import statements
from tests.support.storage import DAY, NOW, opened, proxies


async def test_a_listing_number_is_read_back_as_it_was_created(db: Database, vault: Vault) -> None:
    await shop(db, vault)

    made = await created(db, vault, a_listing(rotation=Rotation(DAY, 50)))

    assert await got(db, vault, made) == made
    assert made.expires_at == NOW + 30 * DAY
    assert place_of(made)[0] in proxies(3)
    assert place_of(made)[1] == ""
    assert made.rotation == Rotation(DAY, 50)


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
        await created(db, vault, a_listing(ttl=timedelta(milliseconds=999)))


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
    assert not await needs_digits(db, number, NOW)

    await db.write(lambda conn: listings.close(conn, plain.id, NOW))
    await db.write(lambda conn: numbers.put_pool(conn, a_pool(SHARED), NOW))
    shared = await created(db, vault, a_listing(2))
    assert shared.shown is not None
    assert shared.shown.number.id == number
    assert await needs_digits(db, number, NOW)


async def test_digits_are_needed_no_more_when_they_lead_nowhere(db: Database, vault: Vault) -> None:
    """Its place is kept as long as nobody wants it, but no caller is asked for what is over."""
    await shop(db, vault, size=1, rules=SHARED)
    ending = await created(db, vault, a_listing(1, ttl=DAY))
    assert ending.shown is not None
    number = ending.shown.number.id
    assert await needs_digits(db, number, ending.expires_at - MS)
    assert not await needs_digits(db, number, ending.expires_at)

    closed = await created(db, vault, a_listing(2))
    await db.write(lambda conn: listings.close(conn, closed.id, NOW + 2 * DAY))
    assert not await needs_digits(db, number, NOW + 2 * DAY)


async def test_digits_that_are_shown_no_more_are_needed_while_they_rest(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=1, rules=SHARED)
    made = await created(db, vault, a_listing(1, ttl=300 * DAY))
    await rotated(db, vault, made)
    await db.write(put_away_the_place_shown)
    assert made.shown is not None
    number = made.shown.number.id

    assert await needs_digits(db, number, NOW + SHARED.rest - MS)
    assert not await needs_digits(db, number, NOW + SHARED.rest)


def put_away_the_place_shown(conn: Connection) -> None:
    """As if the listing showed a place on another number."""
    conn.execute(update(shown_numbers).where(shown_numbers.c.turn == 1).values(active=False))


async def needs_digits(db: Database, number: int, now: datetime) -> bool:
    return await db.read(lambda conn: listings.any_extension(conn, number, SHARED.rest, now))


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
