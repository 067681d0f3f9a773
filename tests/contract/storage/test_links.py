"""Links: who calls a listing for the first time gets a session with its seller, and keeps it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sqlalchemy import select

from masking.listing import Link, LinkRefusal
from masking.model import Lease, LeaseState, Participant, Role, TtlFrom
from masking.rules import ListingRules, NumberRules, Sticky
from storage import Database, blocks, listings, sessions
from storage.schema import caller_days, leases, outbox
from storage.session_rows import OWN
from storage.vault import Vault
from tests.contract.storage.shown import HOUR, callers_of, place_of
from tests.support.listings import (
    CALLER,
    a_caller,
    a_listing,
    a_seller,
    created,
    dialled,
    link,
    linked,
    rotated,
    shop,
)
from tests.support.storage import DAY, NOW, a_draft, opened, proxies


def place(lease: Lease) -> tuple[str, str]:
    return lease.number.e164, lease.extension


async def places_of(db: Database, vault: Vault) -> set[tuple[int, str, int]]:
    """What the caller holds: number, extension, slot."""
    query = select(leases.c.number_id, leases.c.extension, leases.c.slot)
    query = query.where(leases.c.phone_index == vault.index(CALLER), leases.c.active)
    rows = await db.read(lambda conn: conn.execute(query).all())
    return {(row.number_id, row.extension, row.slot) for row in rows}


async def test_a_new_caller_gets_a_lease_on_the_very_number_dialled(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=3)
    number = await created(db, vault)

    found = await link(db, vault, number)

    assert found.opened
    assert place(found.lease) == place_of(number)
    session = found.session
    assert await db.read(lambda conn: sessions.get(conn, vault, session.id)) == session
    caller, callee = session.participants
    assert (caller.role, caller.phone, callee) == (Role.BUYER, CALLER, number.callee)
    assert session.listing == number.listing
    assert session.listing_number_id == number.id
    assert (session.ttl_from, session.ttl) == (TtlFrom.LAST_CALL, 30 * DAY)
    sellers = session.lease(Role.SELLER)
    assert sellers is not None
    assert place(sellers) != place_of(number), "pairs get numbers that no listing shows"


async def test_an_extension_dialled_is_the_extension_held(db: Database, vault: Vault) -> None:
    await shop(db, vault, rules=ListingRules(shared=True))
    numbers = [await created(db, vault, a_listing(n)) for n in range(3)]

    found = [await link(db, vault, number) for number in numbers]

    assert [place(one.lease) for one in found] == [place_of(number) for number in numbers]
    assert len({one.session.id for one in found}) == 3


async def test_the_callers_name_is_a_pseudonym_that_stays_and_tells_nothing(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9)
    first = await link(db, vault, await created(db, vault))
    second = await link(db, vault, await created(db, vault, a_listing(2)))
    other = await link(db, vault, await created(db, vault, a_listing(3)), a_caller(1))

    names = [one.session.participants[0].user_id for one in (first, second, other)]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("caller:")
    assert CALLER[1:] not in names[0]


async def test_calling_again_is_the_same_link(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    number = await created(db, vault)
    first = await link(db, vault, number)

    again = await link(db, vault, number, now=NOW + HOUR)

    assert (again.session, again.lease.number) == (first.session, first.lease.number)
    assert not again.opened
    assert await callers_of(db, number) == [1]


async def test_two_calls_of_a_new_caller_at_once_make_one_link(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=4)
    number = await created(db, vault)

    found = await asyncio.gather(*(link(db, vault, number) for _ in range(6)))

    assert len({one.session.id for one in found}) == 1
    assert sum(one.opened for one in found) == 1
    assert await callers_of(db, number) == [1]
    counted = await db.read(
        lambda conn: conn.execute(select(caller_days.c.new_links)).scalars().all()
    )
    assert counted == [1]


async def test_the_seller_is_told_apart_callers_by_number(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=6)
    number = await created(db, vault)

    found = [await link(db, vault, number, a_caller(n)) for n in range(4)]

    seen = [one.session.lease(Role.SELLER) for one in found]
    assert len({place(lease) for lease in seen if lease}) == 4


async def test_a_caller_keeps_the_conversation_when_the_listing_shows_another_number(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=5)
    before = await created(db, vault)
    first = await link(db, vault, before)
    after = await rotated(db, vault, before)

    again = await link(db, vault, after)

    assert again.session.id == first.session.id
    assert not again.opened
    assert place(again.lease) == place_of(after)
    held = await places_of(db, vault)
    assert {(number, slot) for number, _, slot in held} == {
        (first.lease.number.id, OWN),
        (again.lease.number.id, OWN + 1),
    }
    assert await link(db, vault, after) == again, "and it is not leased twice"
    assert await callers_of(db, before) == [1, 0]


async def test_every_place_of_a_link_ends_with_its_session(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=5)
    before = await created(db, vault)
    first = await link(db, vault, before)
    await link(db, vault, await rotated(db, vault, before))

    await db.write(lambda conn: sessions.close(conn, first.session.id, NOW + HOUR))

    query = select(leases.c.expires_at).where(leases.c.phone_index == vault.index(CALLER))
    ends = await db.read(lambda conn: conn.execute(query).scalars().all())
    assert ends == [NOW + HOUR, NOW + HOUR]


async def test_a_buyer_whom_the_platform_knows_keeps_the_conversation_of_the_pair(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=5)
    number = await created(db, vault)
    buyer = replace(a_draft().participants[0], phone=CALLER)
    draft = replace(a_draft(buyer, number.callee), listing=number.listing)
    session = await opened(db, vault, draft)

    found = await link(db, vault, number)

    assert found.session == session
    assert place(found.lease) == place_of(number)


async def test_another_seller_or_another_listing_is_another_link(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9)
    seller = a_seller(7)
    one = await created(db, vault, a_listing(1, seller=seller))
    two = await created(db, vault, a_listing(2, seller=seller))
    heir = await created(db, vault, a_listing(1, seller=a_seller(8)))
    moved = replace(seller, phone=a_caller(999))
    same = await created(db, vault, a_listing(1, seller=moved))

    found = [await link(db, vault, number) for number in (one, two, heir, same)]

    assert len({each.session.id for each in found}) == 4
    assert {each.session.participants[1].phone for each in found} == {
        seller.phone,
        heir.callee.phone,
        moved.phone,
    }


async def test_a_place_that_means_another_seller_is_not_taken_from_the_caller(
    db: Database, vault: Vault
) -> None:
    """He holds it toward A; it shows B by now. Asked, he chose B: both must go on being reached."""
    await shop(db, vault, size=3)
    first = await created(db, vault, a_listing(1, ttl=HOUR))
    toward_a = await link(db, vault, first)
    while True:
        second = await created(db, vault, a_listing(2), now=NOW + 2 * HOUR)
        if place_of(second) == place_of(first):
            break
        await created(db, vault, a_listing(3), now=NOW + 2 * HOUR)

    toward_b = await link(db, vault, second, now=NOW + 2 * HOUR)

    assert toward_b.session.participants[1] == second.callee
    assert place(toward_b.lease) != place_of(second)
    assert toward_b.lease == toward_b.session.lease(Role.BUYER)
    still = await db.read(lambda conn: sessions.get(conn, vault, toward_a.session.id))
    assert still == toward_a.session
    again = await link(db, vault, second, now=NOW + 3 * HOUR)
    assert (again.session, again.lease) == (toward_b.session, toward_b.lease)


async def test_a_cooling_place_gives_way_to_the_listing_that_its_holder_chose(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=1, rules=ListingRules())
    first = await created(db, vault, a_listing(1, ttl=HOUR))
    toward_a = await link(db, vault, first)
    await db.write(lambda conn: sessions.close(conn, toward_a.session.id, NOW + HOUR))
    second = await created(db, vault, a_listing(2), now=NOW + 2 * HOUR)
    assert place_of(second) == place_of(first)

    toward_b = await link(db, vault, second, now=NOW + 3 * HOUR)

    assert place(toward_b.lease) == place_of(second)
    assert toward_b.lease.state(NOW + 3 * HOUR) is LeaseState.LIVE
    assert len(await places_of(db, vault)) == 1


async def test_whoever_called_enough_listings_today_calls_on_tomorrow(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9, rules=ListingRules(links_a_day=2))
    numbers = [await created(db, vault, a_listing(n)) for n in range(4)]
    known = await link(db, vault, numbers[0])
    await link(db, vault, numbers[1])

    assert await linked(db, vault, numbers[2]) is LinkRefusal.TOO_MANY
    assert (await link(db, vault, numbers[0])).session == known.session
    assert isinstance(await linked(db, vault, numbers[2], a_caller(1)), Link)
    assert isinstance(await linked(db, vault, numbers[2], now=NOW + DAY), Link)


async def test_a_refusal_changes_nothing(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=9, rules=ListingRules(links_a_day=1))
    number = await created(db, vault)
    await link(db, vault, number, a_caller(1))

    assert number.callee.phone is not None
    assert await linked(db, vault, number, number.callee.phone) is LinkRefusal.OWN_LISTING
    assert await linked(db, vault, number, proxies(2)[1]) is LinkRefusal.PROXY_CALLER
    for now in (number.expires_at, number.expires_at + DAY):
        assert await linked(db, vault, number, now=now) is LinkRefusal.OVER
    user = f"caller:{vault.pseudonym(CALLER)}"
    await db.write(lambda conn: blocks.block(conn, number.callee.user_id, user, None, NOW))
    assert await linked(db, vault, number) is LinkRefusal.BLOCKED
    await db.write(lambda conn: listings.close(conn, number.id, NOW))
    assert await linked(db, vault, number) is LinkRefusal.OVER

    assert await callers_of(db, number) == [1]
    assert await places_of(db, vault) == set()


async def test_a_pool_with_nothing_for_the_seller_to_see_refuses(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2)
    number = await created(db, vault)
    for n in range(2):
        await link(db, vault, number, a_caller(n))

    assert await linked(db, vault, number) is LinkRefusal.EXHAUSTED
    assert await callers_of(db, number) == [2]
    assert await places_of(db, vault) == set()


async def test_a_seller_with_all_the_sessions_they_may_have_is_not_rung(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9, numbers_are=NumberRules(max_sessions=1))
    number = await created(db, vault)
    await link(db, vault, number, a_caller(1))

    assert await linked(db, vault, number) is LinkRefusal.EXHAUSTED


async def test_where_a_pair_has_its_own_numbers_or_none_a_caller_who_has_them_already_is_told(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9, numbers_are=NumberRules(sticky=Sticky.STRICT))
    number = await created(db, vault)
    await opened(db, vault, a_draft(a_caller_known(), number.callee))

    assert await linked(db, vault, number) is LinkRefusal.EXHAUSTED


def a_caller_known() -> Participant:
    """The caller, as the platform knows them from another conversation."""
    return Participant(Role.BUYER, "u-known", CALLER)


async def test_a_place_given_to_another_listing_meanwhile_leads_nobody_astray(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=2)
    looked_up = await created(db, vault)
    await rotated(db, vault, looked_up)
    other = await created(db, vault, a_listing(2), now=NOW + HOUR)
    assert place_of(other) == place_of(looked_up)

    assert await linked(db, vault, looked_up, now=NOW + HOUR) is LinkRefusal.OVER


async def test_a_resting_place_still_brings_callers(db: Database, vault: Vault) -> None:
    await shop(db, vault, size=4)
    number = await created(db, vault)
    await rotated(db, vault, number)
    resting = await dialled(db, vault, number)
    assert resting is not None

    found = await link(db, vault, resting, now=NOW + DAY)

    assert place(found.lease) == place_of(number)
    assert await callers_of(db, number) == [1, 0]


async def test_a_conversation_without_a_name_is_held_under_the_sessions_id(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault, size=9)
    held = await link(db, vault, await created(db, vault))
    named = await linked(
        db, vault, await created(db, vault, a_listing(2)), conversation_id="chat-7"
    )

    assert isinstance(named, Link)
    assert held.session.conversation_held
    assert held.session.conversation_id == held.session.id
    assert not named.session.conversation_held
    assert named.session.conversation_id == "chat-7"


async def test_the_platform_is_told_of_a_new_link_once_and_without_a_phone(
    db: Database, vault: Vault
) -> None:
    await shop(db, vault)
    number = await created(db, vault)
    found = await link(db, vault, number)
    await link(db, vault, number)

    rows = await db.read(lambda conn: conn.execute(select(outbox)).all())
    ((row),) = [row for row in rows if row.kind == "session.opened"]
    assert row.conversation_id == found.session.conversation_id
    assert found.session.id in row.data
    assert number.id in row.data
    assert number.callee.phone is not None
    for phone in (CALLER, number.callee.phone):
        assert phone[1:] not in row.data


async def test_links_of_a_listing_that_is_over_go_on(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    number = await created(db, vault, a_listing(ttl=HOUR))
    found = await link(db, vault, number)
    await db.write(lambda conn: listings.close(conn, number.id, NOW + HOUR / 2))

    later = await db.read(lambda conn: sessions.get(conn, vault, found.session.id))
    assert later == found.session
    assert later.expires_at == NOW + 30 * DAY
