"""What else is known of an offer: several leases, PINs, wrong ones, what the number shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from masking.known import CountWrong, Tries
from masking.listing import ListingDraft
from masking.model import Language, Listing, Phone, Pool, ProxyNumber, Role, Session
from masking.plan import Asked, Question
from masking.routing import RoutingFacts
from masking.rules import (
    Exhausted,
    NumberRules,
    PoolRules,
    PoolSecrets,
    Stranger,
    StrangerRules,
)
from storage import Database, listings, numbers, routing, sessions, strangers, tallies
from storage.pool_rules import keep_secrets
from storage.routing import Dialling
from storage.schema import leases
from storage.vault import Vault
from tests.contract.storage.shown import SHARED, always
from tests.support.statements import queries
from tests.support.storage import (
    ANNA,
    DAY,
    NOW,
    TRUNK,
    a_draft,
    a_person,
    opened,
    proxies,
    stocked,
)

STRANGER = Phone("+79031112233")
DESK = Phone("+74957654321")
NUMBER = proxies(1)[0]


async def pooled(db: Database, vault: Vault, rules: StrangerRules, size: int = 1) -> None:
    await stocked(db, vault, size=size)
    pool = Pool("default", language=Language.EN, rules=PoolRules(strangers=rules))

    def work(conn: Connection) -> None:
        numbers.put_pool(conn, pool, NOW)
        keep_secrets(conn, vault, "default", PoolSecrets(static=DESK))

    await db.write(work)


async def begun(db: Database, vault: Vault) -> Session:
    """A session in a pool with PINs."""
    return await db.write(
        lambda conn: sessions.open_session(
            conn, vault, a_draft(), now=NOW, session_id="ses_1", rotation=0, secret=bytes(32)
        )
    )


async def facts(
    db: Database,
    vault: Vault,
    caller: Phone | None = STRANGER,
    asked: Asked | None = None,
    digits: str | None = None,
) -> RoutingFacts:
    dialling = Dialling(NUMBER, caller, TRUNK.name, asked, digits)
    return await db.read(lambda conn: routing.facts(conn, vault, dialling))


async def number(db: Database) -> ProxyNumber:
    found = await db.read(lambda conn: numbers.get(conn, NUMBER))
    assert found is not None
    return found


def with_pin(conn: Connection, session_id: str, pin: str) -> None:
    mine = (leases.c.session_id == session_id) & (leases.c.position == 0)
    conn.execute(update(leases).where(mine).values(pin=pin))


SHARING = NumberRules(exhausted=Exhausted.EXTENSION)
PIN = Asked(Question.PIN)
PINS = StrangerRules(Stranger.PIN, Stranger.PIN)


async def test_a_pin_is_known_by_number_while_its_lease_is_active(
    db: Database, vault: Vault
) -> None:
    await pooled(db, vault, PINS, size=2)
    session = await begun(db, vault)
    await db.write(lambda conn: with_pin(conn, session.id, "415926"))

    match = (await facts(db, vault, asked=PIN, digits="415926")).by_pin

    assert match is not None
    assert (match.session.id, match.lease.role, match.lease.pin) == (
        session.id,
        Role.BUYER,
        "415926",
    )
    assert (await facts(db, vault, asked=PIN, digits="415927")).by_pin is None
    assert (await facts(db, vault, asked=PIN, digits="")).by_pin is None
    assert (await facts(db, vault, None, Asked(Question.EXTENSION), "415926")).by_pin is None
    assert (await facts(db, vault)).by_pin is None, "nobody typed it"
    other = Dialling(proxies(2)[1], STRANGER, TRUNK.name, PIN, "415926")
    assert (await db.read(lambda conn: routing.facts(conn, vault, other))).by_pin is None
    await db.write(lambda conn: sessions.close(conn, session.id, NOW))
    await db.write(lambda conn: conn.execute(update(leases).values(active=False)))
    assert (await facts(db, vault, asked=PIN, digits="415926")).by_pin is None


async def test_a_pin_is_not_even_looked_up_where_the_pool_asks_for_none(
    db: Database, vault: Vault
) -> None:
    await pooled(db, vault, StrangerRules())
    session = await opened(db, vault)
    await db.write(lambda conn: with_pin(conn, session.id, "415926"))

    assert (await facts(db, vault, asked=PIN, digits="415926")).by_pin is None


async def count(
    db: Database, vault: Vault, caller: Phone | None, now: datetime, until: datetime | None = None
) -> int:
    """Count one wrong PIN as a decision does: read, add one, write."""
    known = await number(db)
    dialling = Dialling(NUMBER, caller, TRUNK.name, PIN, "000000")

    def work(conn: Connection) -> int:
        index = None if caller is None else vault.index(caller)
        who = strangers.caller_index(vault, index, TRUNK.name)
        before = routing.facts(conn, vault, dialling, locking=now).tries
        deed = CountWrong(before.failed + 1, until)
        strangers.count_wrong(conn, known, who, deed, now)
        return deed.failed

    return await db.write(work)


async def test_wrong_pins_are_counted_by_caller_and_for_withheld_ones_by_trunk(
    db: Database, vault: Vault
) -> None:
    await pooled(db, vault, PINS)
    until = NOW + timedelta(minutes=15)

    assert await count(db, vault, STRANGER, NOW) == 1
    assert await count(db, vault, STRANGER, NOW, until) == 2
    assert await count(db, vault, None, NOW) == 1

    assert (await facts(db, vault)).tries == Tries(2, NOW, until)
    assert (await facts(db, vault, DESK)).tries == Tries()
    assert (await facts(db, vault, None)).tries == Tries(1, NOW, None)
    elsewhere = Dialling(NUMBER, None, "carrier-z")
    assert (await db.read(lambda conn: routing.facts(conn, vault, elsewhere))).tries == Tries()


async def test_wrong_pins_typed_at_once_are_all_counted(db: Database, vault: Vault) -> None:
    await pooled(db, vault, PINS)

    counted = await asyncio.gather(*(count(db, vault, STRANGER, NOW) for _ in range(6)))

    assert sorted(counted) == [1, 2, 3, 4, 5, 6]


async def test_the_right_pin_and_time_forget_the_wrong_ones(db: Database, vault: Vault) -> None:
    await pooled(db, vault, PINS)
    known, index = await number(db), vault.index(STRANGER)
    await count(db, vault, STRANGER, NOW)

    await db.write(lambda conn: strangers.forget_wrong(conn, known, index))
    assert (await facts(db, vault)).tries == Tries()
    await count(db, vault, STRANGER, NOW)
    await db.write(lambda conn: tallies.sweep_tries(conn, NOW + 2 * DAY))
    assert (await facts(db, vault)).tries == Tries()


async def test_the_fixed_destination_is_opened_only_for_those_whom_it_is_for(
    db: Database, vault: Vault
) -> None:
    await pooled(db, vault, StrangerRules(unknown=Stranger.STATIC))

    assert (await facts(db, vault)).static == DESK
    assert (await facts(db, vault, None)).static is None


async def test_several_leases_on_a_number_are_all_known(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=1)
    sharing = Pool("default", rules=PoolRules(SHARING))
    await db.write(lambda conn: numbers.put_pool(conn, sharing, NOW))
    first = await begun(db, vault)

    def second(conn: Connection) -> str:
        # As a pool that shares numbers does: the same phone and number, told apart by digits.
        mine = (leases.c.session_id == first.id) & (leases.c.position == 0)
        conn.execute(update(leases).where(mine).values(extension="345"))
        draft = a_draft(seller=a_person(Role.SELLER, 5))
        opened = sessions.open_session(
            conn, vault, draft, now=NOW, session_id="ses_2", rotation=1, secret=bytes(32)
        )
        theirs = (leases.c.session_id == opened.id) & (leases.c.position == 0)
        conn.execute(update(leases).where(theirs).values(extension=""))
        return opened.id

    other = await db.write(second)

    held = (await facts(db, vault, ANNA)).held
    assert {(one.session.id, one.lease.extension) for one in held} == {
        (first.id, "345"),
        (other, ""),
    }


async def test_a_lease_with_an_extension_is_not_taken_for_the_plain_number(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    session = await opened(db, vault)
    mine = (leases.c.session_id == session.id) & (leases.c.position == 0)
    await db.write(lambda conn: conn.execute(update(leases).where(mine).values(extension="345")))

    found = await facts(db, vault, ANNA)

    assert [one.lease.extension for one in found.held] == ["345"]
    assert found.callee is None, "who it is shows when digits were typed"


async def test_a_pin_is_looked_up_of_one_who_holds_a_lease_by_now(
    db: Database, vault: Vault
) -> None:
    await pooled(db, vault, PINS, size=2)
    session = await begun(db, vault)
    await db.write(lambda conn: with_pin(conn, session.id, "415926"))

    found = await facts(db, vault, ANNA, PIN, "415926")

    assert found.by_pin is not None
    assert (found.by_pin.session.id, found.longest_pin) == (session.id, 6)


async def test_listings_share_a_number_until_they_end_or_for_ever_without_a_time(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    sharing = Pool("default", rules=PoolRules(listings=SHARED))
    await db.write(lambda conn: numbers.put_pool(conn, sharing, NOW))
    draft = ListingDraft(Listing("L-7"), a_person(Role.SELLER, 7), "default", DAY)
    await db.write(
        lambda conn: listings.create(conn, vault, draft, new_id="lst_1", now=NOW, entropy=always(7))
    )

    dialling = Dialling(NUMBER, STRANGER, TRUNK.name)
    over = await db.read(lambda conn: routing.facts(conn, vault, dialling, now=NOW + 2 * DAY))

    assert not over.shares
    assert (await facts(db, vault)).shares


async def test_what_a_number_shows_is_known_by_the_digits_typed(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=1)
    draft = ListingDraft(Listing("L-7"), a_person(Role.SELLER, 7), "default", DAY)
    shown = await db.write(
        lambda conn: listings.create(
            conn, vault, draft, new_id="lst_1", now=NOW, entropy=lambda n: b"e" * n
        )
    )

    found = await facts(db, vault)

    assert found.shown is not None
    assert (found.shown.id, found.shares) == (shown.id, False)
    assert (await facts(db, vault, asked=Asked(Question.EXTENSION), digits="9")).shown is None
    known = replace(Asked(Question.WHICH), extension="")
    assert (await facts(db, vault, asked=known, digits="2")).shown is not None


async def test_a_callers_lease_on_a_number_that_shows_a_listing_is_not_plain(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    session = await opened(db, vault)
    draft = ListingDraft(Listing("L-7"), a_person(Role.SELLER, 7), "default", DAY)
    await db.write(
        lambda conn: listings.create(
            conn, vault, draft, new_id="lst_1", now=NOW, entropy=lambda n: b"e" * n
        )
    )

    found = await facts(db, vault, ANNA)

    assert [one.session for one in found.held] == [session]
    assert found.shown is not None


async def test_a_stranger_costs_a_handful_of_statements(db: Database, vault: Vault) -> None:
    await pooled(db, vault, PINS)
    dialling = Dialling(NUMBER, STRANGER, TRUNK.name)

    def work(conn: Connection) -> list[str]:
        with queries(conn) as seen:
            routing.facts(conn, vault, dialling)
        return seen

    assert len(await db.read(work)) <= 8
