"""What a look-up says of an offer: whose lease it is, and whom it reaches."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, update

from masking.known import Held
from masking.listing import ListingDraft
from masking.model import Listing, Phone, Pool, Role, Session
from masking.plan import Asked, Question
from masking.routing import RoutingFacts
from masking.trunks import Trunk
from storage import Database, blocks, listings, numbers, routing, sessions
from storage.routing import Dialling
from storage.schema import shown_numbers
from storage.vault import Vault
from tests.contract.storage.shown import always
from tests.support.statements import queries, statements
from tests.support.storage import (
    ANNA,
    BUYER,
    DAY,
    NOW,
    PETR,
    SELLER,
    TRUNK,
    a_draft,
    a_person,
    as_routed,
    opened,
    proxies,
    stocked,
)

STRANGER = Phone("+79031112233")


async def facts(
    db: Database,
    vault: Vault,
    number: Phone,
    caller: Phone | None = ANNA,
    asked: Asked | None = None,
    trunks: tuple[Trunk, ...] = (),
) -> RoutingFacts:
    dialling = Dialling(number, caller, TRUNK.name, asked)
    return await db.read(lambda conn: routing.facts(conn, vault, dialling, trunks=trunks))


async def test_a_caller_is_found_with_the_whole_session(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = as_routed(await opened(db, vault))

    for role, phone in ((Role.BUYER, ANNA), (Role.SELLER, PETR)):
        lease = session.lease(role)
        assert lease is not None
        found = await facts(db, vault, lease.number.e164, phone)
        assert found.number == lease.number
        assert found.held == (Held(lease, session, phone),)
        assert found.pool is not None
        assert found.pool.name == "default"


async def test_each_caller_of_a_shared_number_reaches_their_own_session(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1)
    drafts = [a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)) for n in range(5)]
    there = [as_routed(await opened(db, vault, draft)) for draft in drafts]

    for session in there:
        for participant in session.participants:
            found = await facts(db, vault, proxies(1)[0], participant.phone)
            (held,) = found.held
            assert held.session == session
            assert held.lease == session.lease(participant.role)


@pytest.mark.parametrize("caller", [STRANGER, None])
async def test_of_strangers_only_the_number_is_known(
    db: Database, vault: Vault, caller: Phone | None
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    number = session.leases[0].number

    found = await facts(db, vault, number.e164, caller)

    assert found.number == number
    assert (found.held, found.over) == ((), None)


async def test_a_number_that_is_none_of_ours_has_no_facts(db: Database, vault: Vault) -> None:
    await stocked(db, vault)

    assert await facts(db, vault, Phone("+74950000000")) == RoutingFacts()


@pytest.mark.parametrize(
    ("asked", "digits", "extension"),
    [
        (None, "345", ""),
        (Asked(Question.PIN), "345678", ""),
        (Asked(Question.EXTENSION), "345", "345"),
        (Asked(Question.EXTENSION), None, ""),
        (Asked(Question.WHICH, extension="345"), "1", "345"),
        (Asked(Question.LISTING, extension="345"), "1", "345"),
    ],
)
def test_the_place_is_what_was_typed_after_the_number(
    asked: Asked | None, digits: str | None, extension: str
) -> None:
    assert Dialling(proxies(1)[0], ANNA, TRUNK.name, asked, digits).extension == extension


def test_neither_the_caller_nor_what_they_typed_is_shown() -> None:
    shown = repr(Dialling(proxies(1)[0], ANNA, TRUNK.name, Asked(Question.PIN), "345678"))

    assert ANNA[1:] not in shown
    assert "345678" not in shown


async def test_the_trunks_are_told_on_whoever_calls(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    number = (await opened(db, vault)).leases[0].number.e164

    for wanted, caller in ((number, ANNA), (number, STRANGER), (Phone("+74950000000"), ANNA)):
        assert (await facts(db, vault, wanted, caller, trunks=(TRUNK,))).trunks == (TRUNK,)


async def test_a_lease_that_is_over_is_still_known_until_another_takes_its_place(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault, size=1, cool_down=timedelta(0))
    first = await opened(db, vault)
    number = first.leases[0].number.e164
    await db.write(lambda conn: sessions.close(conn, first.id, NOW))
    assert (await facts(db, vault, number)).over is not None
    second = await opened(db, vault, now=NOW + timedelta(seconds=1))
    assert [one.session for one in (await facts(db, vault, number)).held] == [as_routed(second)]
    assert (await facts(db, vault, number, asked=Asked(Question.PIN))).over is None
    await db.write(lambda conn: sessions.close(conn, second.id, NOW + timedelta(seconds=2)))

    found = await facts(db, vault, number)

    assert found.over is not None
    assert found.over.session.id == second.id, "the last one, not the first"
    assert found.over.lease.role is Role.BUYER


@pytest.mark.parametrize(
    ("who", "whom", "blocked"),
    [("u-1", "u-2", True), ("u-2", "u-1", True), ("u-2", "u-9", False), ("u-9", "u-1", False)],
)
async def test_a_block_counts_in_both_directions_of_the_pair_only(
    db: Database, vault: Vault, who: str, whom: str, blocked: bool
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    await db.write(lambda conn: blocks.block(conn, who, whom, "spam", NOW))

    for participant, lease in zip(session.participants, session.leases, strict=True):
        found = await facts(db, vault, lease.number.e164, participant.phone)
        assert [one.blocked for one in found.held] == [blocked]


async def test_who_has_no_phone_is_found_through_the_other(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault, a_draft(BUYER, replace(SELLER, phone=None)))

    found = await facts(db, vault, session.leases[0].number.e164, ANNA)

    assert [one.session for one in found.held] == [as_routed(session)]


async def test_a_lease_counts_on_its_own_number_only(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    lease = session.lease(Role.BUYER)
    assert lease is not None

    for other in set(proxies(3)) - {lease.number.e164}:
        found = await facts(db, vault, other)
        assert found.number is not None
        assert (found.number.e164, found.held, found.over) == (other, (), None)


async def listings_around(db: Database, vault: Vault, session: Session) -> None:
    """Another pool, whose numbers listings show; one of them showed the session's once."""
    mine = shown_numbers.c.listing_number_id == "lst_0"
    once = {"number_id": session.leases[0].number.id, "active": False}

    def work(conn: Connection) -> None:
        numbers.put_pool(conn, Pool("shop"), NOW)
        numbers.add_numbers(conn, "shop", TRUNK.name, proxies(9)[-2:], NOW)
        for n in range(2):
            draft = ListingDraft(Listing(f"L-{n}"), a_person(Role.SELLER, n), "shop", DAY)
            listings.create(conn, vault, draft, new_id=f"lst_{n}", now=NOW, entropy=always(n))
        conn.execute(update(shown_numbers).where(mine).values(once))

    await db.write(work)


async def test_a_call_to_carry_on_costs_one_statement_whatever_else_there_is(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    await opened(db, vault, a_draft(a_person(Role.BUYER, 1), a_person(Role.SELLER, 1)))
    await listings_around(db, vault, session)

    def work(conn: Connection) -> list[str]:
        with queries(conn) as seen:
            number = session.leases[0].number.e164
            routing.facts(conn, vault, Dialling(number, ANNA, TRUNK.name))
        return seen

    assert len(await db.look_up(work)) == 1


async def test_opening_a_session_costs_four_statements(db: Database, vault: Vault) -> None:
    await stocked(db, vault, size=9)  # nobody holds so much of it that it is watched
    await opened(db, vault)  # the pool's numbers are in memory now

    def work(conn: Connection) -> list[str]:
        with statements(conn) as seen:
            sessions.open_session(
                conn, vault, a_draft(), now=NOW + DAY / 4, session_id="ses_x", rotation=1
            )
        return seen

    assert len(await db.write(work)) == 4
