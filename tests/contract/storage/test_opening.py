"""Opening sessions by a pool's rules: which number, in what turn, from which pool."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from masking.allocation import Wish
from masking.errors import MaskingError, NumberHeld, PoolExhausted
from masking.lifecycle import SessionDraft
from masking.model import Participant, Phone, Role
from masking.rules import NumberRules, Sticky
from storage import Database, numbers, sessions
from storage.schema import leases
from storage.vault import Vault
from tests.contract.storage.opening import (
    HOUR,
    got,
    number_of,
    open_in,
    opened,
    seller_meets,
    why_of,
    with_rules,
)
from tests.support.statements import statements
from tests.support.storage import NOW, SELLER, TRUNK, a_draft, a_person, proxies


async def test_a_choice_is_read_back_with_its_reasons(db: Database) -> None:
    await with_rules(db, NumberRules())

    session = await opened(db)

    assert await got(db, session) == session
    assert why_of(session) == {"by": "rotation"}


async def test_numbers_near_the_callee_come_first(db: Database) -> None:
    await with_rules(db, NumberRules(), 3)
    petersburg = [Phone("+78121110001"), Phone("+78121110002")]
    await with_rules(db, NumberRules(), e164s=petersburg, name="default2")
    await db.write(
        lambda conn: numbers.add_numbers(conn, "default", TRUNK.name, [Phone("+78123330001")], NOW)
    )
    buyer = replace(a_person(Role.BUYER, 1), phone=Phone("+78121234567"))

    session = await opened(db, a_draft(buyer, SELLER))

    assert number_of(session) == "+78123330001"
    assert why_of(session) == {"by": "area", "area": "+7812", "of": "callee"}
    assert why_of(session, Role.BUYER)["of"] in {"callee", "caller"}


class TestTurns:
    """Longest rest first, for each participant."""

    async def test_each_goes_round_by_themselves(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 4)

        turns = []
        for n in range(12):
            session = await opened(db, seller_meets(n), now=NOW + n * HOUR, rotation=3 * n)
            await db.write(lambda conn, s=session, n=n: sessions.close(conn, s.id, NOW + n * HOUR))  # type: ignore[misc]
            if n % 4 == 3:  # nothing of theirs cools any more
                await db.write(
                    lambda conn: conn.execute(leases.update().values(reserved_until=NOW))
                )
            turns.append(number_of(session))

        assert turns == [*turns[:4]] * 3
        assert set(turns) == set(proxies(4))


class TestSeveralPools:
    """Tried in the order in which they are named."""

    WEST = (Phone("+74952220001"), Phone("+74952220002"))

    def both(self, n: int, **changes: object) -> SessionDraft:
        return seller_meets(n, more_pools=("west",), **changes)

    async def test_the_next_one_serves_where_one_has_no_number(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 1)
        await with_rules(db, NumberRules(max_sessions=1), name="west", e164s=self.WEST)

        there = [await opened(db, self.both(n)) for n in range(2)]

        assert [session.pool for session in there] == ["default", "west"]
        with pytest.raises(PoolExhausted) as refused:
            await opened(db, self.both(3))
        assert refused.value.pool == "default", "the first refusal is told"

    async def test_a_number_is_looked_for_in_all_of_them(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 1)
        await with_rules(db, NumberRules(), name="west", e164s=self.WEST)
        draft = self.both(1, wishes=(Wish(), Wish(self.WEST[1])))

        session = await opened(db, draft)

        assert (session.pool, number_of(session)) == ("west", self.WEST[1])
        with pytest.raises(NumberHeld):
            await opened(db, replace(draft, participants=(a_person(Role.BUYER, 2), SELLER)))


async def test_who_nears_the_end_of_the_pool_is_noted(db: Database) -> None:
    await with_rules(db, NumberRules(), 4)
    for n in range(3):
        await opened(db, seller_meets(n))

    from storage import pressure  # noqa: PLC0415

    (found,) = await db.read(lambda conn: pressure.most_pressed(conn, "default", 9))
    assert (found.user_id, found.held) == (SELLER.user_id, 3)


async def test_a_usual_session_takes_four_statements(db: Database, vault: Vault) -> None:
    await with_rules(db, NumberRules(), 40)
    await opened(db, seller_meets(0))

    def work(conn: Connection) -> list[str]:
        with statements(conn) as seen:
            open_in(conn, seller_meets(1))
        return seen

    assert len(await db.write(work)) == 4


async def test_every_refusal_says_no_phone(db: Database) -> None:
    await with_rules(db, NumberRules(max_sessions=1, sticky=Sticky.STRICT), 1)
    session = await opened(db)
    people: tuple[Participant, ...] = session.participants
    refusals: list[MaskingError] = []
    for draft in (a_draft(), seller_meets(5, wishes=(Wish(), Wish(Phone("+74957654321"))))):
        with pytest.raises(MaskingError) as refused:
            await opened(db, draft)
        refusals.append(refused.value)

    for refusal in refusals:
        for who in people:
            assert str(who.phone)[-7:] not in str(refusal) + repr(refusal)
