"""What a look-up says of a device that calls, and of the one to be reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from masking.caps import NOTHING_TAKEN, Taken
from masking.known import AppCaller, Callee, LookUp, RoutingFacts
from masking.model import Participant, Phone, Pool, Role, Session
from masking.rules import CapRules, PoolRules
from masking.switches import DEFAULT_SWITCHES, Account, QuietHours, Switches
from storage import Database, app_users, apps, blocks, call_tallies, numbers, reaching, routing
from storage.apps import NewCredential
from storage.call_tallies import CountedCall
from storage.routing import Dialling
from storage.vault import Vault
from tests.support.statements import queries
from tests.support.storage import (
    ANNA,
    BUYER,
    NOW,
    PETR,
    SELLER,
    TRUNK,
    a_draft,
    a_person,
    opened,
    stocked,
)

DEVICE = "app_" + "1" * 26
UNTIL = NOW + timedelta(hours=12)
QUIET = Switches(Account.COMPANY, True, (QuietHours.of("22:00", "08:00"),), "Asia/Vladivostok")


async def device(
    db: Database, user_id: str, username: str = DEVICE, expires_at: datetime = UNTIL
) -> None:
    new = NewCredential(username, user_id, b"", username.encode(), None, "sip", NOW, expires_at)
    await db.write(lambda conn: apps.create(conn, new))


async def from_app(db: Database, vault: Vault, session: str, name: str = DEVICE) -> RoutingFacts:
    return await db.read(lambda conn: reaching.app_facts(conn, vault, name, session))


async def dialled(db: Database, vault: Vault, session: Session, caller: Phone) -> RoutingFacts:
    """What is known where a participant dials their number."""
    (lease,) = [
        lease for lease in session.leases if session.participant(lease.role).phone == caller
    ]
    dialling = Dialling(lease.number.e164, caller, TRUNK.name)
    return await db.look_up(lambda conn: routing.facts(conn, vault, dialling))


async def ready(db: Database, vault: Vault) -> Session:
    """A session, after one of other people who take no calls in the app, and beside a pool."""
    await stocked(db, vault)
    others = a_draft(a_person(Role.BUYER, 1), a_person(Role.SELLER, 1), conversation="chat-1")
    await opened(db, vault, others)

    def work(conn: Connection) -> None:
        numbers.put_pool(conn, Pool("other"), NOW)
        for one in others.participants:
            app_users.put(conn, one.user_id, Switches(in_app_calls=False), ["L-42"], NOW)

    await db.write(work)
    return await opened(db, vault)


async def test_a_participants_device_finds_its_session(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await device(db, BUYER.user_id)

    found = await from_app(db, vault, session.id)

    assert found.via_app is not None
    assert (found.via_app.session, found.via_app.role) == (session, Role.BUYER)
    assert (found.via_app.until, found.via_app.blocked) == (UNTIL, False)
    assert found.callee == Callee(session.id, Role.SELLER, SELLER.user_id)
    assert found.pool is not None
    assert found.pool.name == session.pool
    other = await from_app(db, vault, session.id, "app_" + "0" * 26)
    assert other == RoutingFacts(), "another device is nobody, whoever else has one"


async def test_either_of_the_two_may_call_from_a_device(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await device(db, SELLER.user_id)
    await db.write(lambda conn: app_users.put(conn, BUYER.user_id, QUIET, [], NOW))

    found = await from_app(db, vault, session.id)
    assert found.via_app == AppCaller(session, Role.SELLER, UNTIL)
    assert found.callee is not None
    assert (found.callee.role, found.callee.switches) == (Role.BUYER, QUIET)


async def test_a_strangers_device_finds_what_it_finds_of_no_session(
    db: Database, vault: Vault
) -> None:
    session = await ready(db, vault)
    await device(db, "somebody else")

    assert await from_app(db, vault, session.id) == RoutingFacts()
    assert await from_app(db, vault, "ses_" + "0" * 26) == RoutingFacts()
    assert await from_app(db, vault, session.id, "app_" + "0" * 26) == RoutingFacts()


async def test_a_revoked_device_finds_nothing(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await device(db, BUYER.user_id)
    await db.write(lambda conn: apps.revoke(conn, BUYER.user_id, DEVICE, NOW))

    assert await from_app(db, vault, session.id) == RoutingFacts()


async def test_a_block_is_seen_whichever_of_the_two_made_it(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await device(db, BUYER.user_id)
    await db.write(lambda conn: blocks.block(conn, SELLER.user_id, BUYER.user_id, None, NOW))

    found = await from_app(db, vault, session.id)
    assert found.via_app is not None
    assert found.via_app.blocked


async def test_what_the_callee_chose_comes_with_the_one_look_up(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await device(db, SELLER.user_id)
    listing = session.listing
    assert listing is not None

    def choose(conn: Connection) -> None:
        app_users.put(conn, SELLER.user_id, QUIET, [listing.id], NOW)

    await db.write(choose)
    lease = session.lease(Role.BUYER)
    assert lease is not None
    dialling = Dialling(lease.number.e164, ANNA, TRUNK.name)

    def work(conn: Connection) -> tuple[RoutingFacts, list[str]]:
        with queries(conn) as seen:
            return routing.facts(conn, vault, dialling), seen

    found, seen = await db.look_up(work)
    assert len(seen) == 1
    assert found.callee == Callee(
        session.id,
        Role.SELLER,
        SELLER.user_id,
        switches=QUIET,
        opted_in=True,
        zone=ZoneInfo("Asia/Vladivostok"),
        app_until=UNTIL,
    )


async def test_the_callers_choice_is_not_the_callees(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await db.write(lambda conn: app_users.put(conn, BUYER.user_id, QUIET, [], NOW))
    await device(db, BUYER.user_id)

    found = await from_app(db, vault, session.id)
    assert found.callee is not None
    assert (found.callee.switches, found.callee.zone) == (DEFAULT_SWITCHES, UTC)
    for caller, chosen in ((ANNA, DEFAULT_SWITCHES), (PETR, QUIET)):
        by_phone = await dialled(db, vault, session, caller)
        assert by_phone.callee is not None
        assert by_phone.callee.switches == chosen


async def test_where_there_are_caps_it_is_looked_up_what_was_taken(
    db: Database, vault: Vault
) -> None:
    session = await ready(db, vault)
    capped = Pool(session.pool, rules=PoolRules(caps=CapRules(pair_an_hour=3)))
    await db.write(lambda conn: numbers.put_pool(conn, capped, NOW))
    await device(db, BUYER.user_id)

    found = await from_app(db, vault, session.id)
    assert (found.callee, found.pool and found.pool.rules.caps) == (None, capped.rules.caps)
    wanted = LookUp(session, Role.BUYER)
    callee = await db.read(lambda conn: reaching.look_up(conn, wanted, capped, NOW))
    assert callee == Callee(session.id, Role.SELLER, SELLER.user_id, taken=NOTHING_TAKEN)


async def test_each_side_has_taken_what_it_took_itself(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    capped = Pool(session.pool, rules=PoolRules(caps=CapRules(2, 3, 4)))
    at = NOW - timedelta(minutes=1)
    people = (BUYER.user_id, SELLER.user_id)
    rang = [CountedCall(session.id, 0, *people, at, at, answered=False)] * 2
    elsewhere = CountedCall("ses_other", 0, BUYER.user_id, "u-3", at, at, answered=True)
    await db.write(lambda conn: call_tallies.count(conn, [*rang, elsewhere]))

    def taken(conn: Connection, caller: Role, pool: Pool) -> Taken:
        return reaching.look_up(conn, LookUp(session, caller), pool, NOW).taken

    assert await db.read(lambda conn: taken(conn, Role.BUYER, capped)) == Taken(2, 2, 3)
    assert await db.read(lambda conn: taken(conn, Role.SELLER, capped)) == NOTHING_TAKEN
    uncapped = Pool(session.pool)
    assert await db.read(lambda conn: taken(conn, Role.BUYER, uncapped)) == NOTHING_TAKEN


async def test_what_is_looked_up_is_the_callees_own_choice(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await db.write(lambda conn: app_users.put(conn, SELLER.user_id, QUIET, [], NOW))

    def switches(conn: Connection, caller: Role) -> Switches:
        return reaching.look_up(conn, LookUp(session, caller), Pool(session.pool), NOW).switches

    assert await db.read(lambda conn: switches(conn, Role.BUYER)) == QUIET
    assert await db.read(lambda conn: switches(conn, Role.SELLER)) == DEFAULT_SWITCHES


async def test_of_one_who_is_not_stored_nothing_was_chosen(db: Database, vault: Vault) -> None:
    session = replace(await ready(db, vault), id="ses_none")
    wanted = LookUp(session, Role.BUYER)

    found = await db.read(lambda conn: reaching.look_up(conn, wanted, Pool(session.pool), NOW))
    assert found == Callee("ses_none", Role.SELLER, SELLER.user_id)


@pytest.mark.parametrize(
    "chosen",
    [
        Switches(in_app_calls=False),
        Switches(in_app_calls=True),
        Switches(Account.COMPANY),
        replace(QUIET, account=Account.PRIVATE, in_app_calls=None),
        DEFAULT_SWITCHES,
    ],
)
async def test_every_choice_is_told_as_it_was_made(
    db: Database, vault: Vault, chosen: Switches
) -> None:
    session = await ready(db, vault)
    await db.write(lambda conn: app_users.put(conn, SELLER.user_id, chosen, [], NOW))

    found = await dialled(db, vault, session, ANNA)
    assert found.callee is not None
    assert found.callee.switches == chosen
    assert found.callee.switches.account is chosen.account
    assert found.callee.zone == (ZoneInfo(chosen.timezone) if chosen.timezone else UTC)


@pytest.mark.parametrize(("user", "listing"), [(SELLER, "L-43"), (BUYER, "L-42")])
async def test_only_the_callees_own_choice_of_this_listing_opts_in(
    db: Database, vault: Vault, user: Participant, listing: str
) -> None:
    session = await ready(db, vault)
    company = Switches(Account.COMPANY)

    def choose(conn: Connection) -> None:
        app_users.put(conn, SELLER.user_id, company, [], NOW)
        app_users.put(conn, user.user_id, company, [listing], NOW)

    await db.write(choose)
    wanted = LookUp(session, Role.BUYER)
    at_once = await dialled(db, vault, session, ANNA)
    later = await db.read(lambda conn: reaching.look_up(conn, wanted, Pool(session.pool), NOW))
    assert at_once.callee is not None
    assert (at_once.callee.opted_in, later.opted_in) == (False, False)


@pytest.mark.parametrize("zone", ["Nowhere/At_All", "../UTC", "Europe"])
async def test_a_zone_that_this_machine_does_not_know_is_utc(
    db: Database, vault: Vault, zone: str
) -> None:
    session = await ready(db, vault)
    lost = replace(QUIET, timezone=zone)
    await db.write(lambda conn: app_users.put(conn, SELLER.user_id, lost, [], NOW))

    found = await dialled(db, vault, session, ANNA)
    assert found.callee is not None
    assert (found.callee.switches, found.callee.zone) == (lost, UTC)


@pytest.mark.parametrize(
    ("role", "callee"), [(Role.BUYER, SELLER), (Role.SELLER, BUYER)], ids=["buyer", "seller"]
)
async def test_a_call_that_was_asked_for_is_of_the_one_and_reaches_the_other(
    db: Database, vault: Vault, role: Role, callee: Participant
) -> None:
    session = await ready(db, vault)
    await db.write(lambda conn: app_users.put(conn, callee.user_id, QUIET, [], NOW))

    def clicked(conn: Connection, wanted: str, role: Role) -> tuple[RoutingFacts, list[str]]:
        with queries(conn) as seen:
            return reaching.clicked_facts(conn, vault, wanted, role), seen

    found, seen = await db.look_up(lambda conn: clicked(conn, session.id, role))
    assert len(seen) == 1
    assert found.via_app == AppCaller(session, role, None)
    assert found.pool is not None
    assert found.pool.name == session.pool
    assert found.callee == Callee(
        session.id, callee.role, callee.user_id, switches=QUIET, zone=ZoneInfo("Asia/Vladivostok")
    )
    for wanted, nobody in (("ses_none", role), (session.id, Role.COURIER)):
        assert (await db.look_up(lambda conn: clicked(conn, wanted, nobody)))[0] == RoutingFacts()  # noqa: B023 (awaited at once)


async def test_a_block_forbids_what_was_asked_for_too(db: Database, vault: Vault) -> None:
    session = await ready(db, vault)
    await db.write(lambda conn: blocks.block(conn, SELLER.user_id, BUYER.user_id, None, NOW))

    for role in (Role.BUYER, Role.SELLER):
        found = await db.read(lambda conn: reaching.clicked_facts(conn, vault, session.id, role))  # noqa: B023 (awaited at once)
        assert found.via_app is not None
        assert found.via_app.blocked
    both = await db.read(lambda conn: reaching.in_session(conn, vault, session.id))
    assert [one.blocked for one in both] == [True, True]


async def test_both_sides_of_a_session_are_told_apart(db: Database, vault: Vault) -> None:
    draft: Any = a_draft()
    await stocked(db, vault)
    session = await opened(db, vault, draft)

    found = await db.read(lambda conn: reaching.in_session(conn, vault, session.id))
    assert [one.callee.user_id for one in found] == [BUYER.user_id, SELLER.user_id]
    assert [(one.session, one.pool.name, one.blocked) for one in found] == [
        (session, session.pool, False)
    ] * 2
    assert await db.read(lambda conn: reaching.in_session(conn, vault, "ses_none")) == ()
