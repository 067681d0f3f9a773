"""Opening sessions with the numbers that a pair had, or that were asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from masking.allocation import Wish
from masking.errors import (
    NoCommonParticipant,
    NumberHeld,
    NumberUnavailable,
    PoolExhausted,
    StickyUnavailable,
    UnknownSession,
)
from masking.lifecycle import SessionDraft
from masking.model import NumberState, Phone, Role
from masking.rules import NumberRules, Sticky
from storage import Database, numbers
from tests.contract.storage.opening import (
    HOUR,
    closed,
    kept,
    number_of,
    opened,
    seller_meets,
    why_of,
    with_rules,
    with_rules_again,
)
from tests.support.storage import DAY, NOW, SELLER, TRUNK, a_draft, a_person, leases_of, proxies


class TestSticky:
    """A pair meets again."""

    async def test_by_its_earlier_numbers_in_whatever_roles(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 9)
        first = await opened(db, rotation=5)
        await closed(db, first)
        later = NOW + 8 * DAY
        turned = a_draft(
            replace(first.participants[1], role=Role.COURIER),
            replace(first.participants[0], role=Role.SUPPORT),
        )

        again = await opened(db, turned, now=later)

        assert number_of(again, Role.COURIER) == number_of(first, Role.SELLER)
        assert number_of(again, Role.SUPPORT) == number_of(first, Role.BUYER)
        assert why_of(again, Role.COURIER) == {"by": "sticky"}

    async def test_by_the_last_of_them(self, db: Database) -> None:
        await with_rules(db, NumberRules(sticky=Sticky.AVOID), 9)
        for n in (1, 2):
            await closed(db, await opened(db, rotation=n))
        last = await opened(db, now=NOW + HOUR, rotation=7)
        await closed(db, last, NOW + HOUR)
        await with_rules_again(db, NumberRules())

        assert number_of(await opened(db, now=NOW + 9 * DAY)) == number_of(last)

    async def test_only_within_the_pool(self, db: Database) -> None:
        await with_rules(db, NumberRules(sticky=Sticky.STRICT), 2)
        west = [Phone("+74952220001")]
        await with_rules(db, NumberRules(sticky=Sticky.STRICT), name="west", e164s=west)
        await opened(db, replace(a_draft(), pool="west"))

        assert number_of(await opened(db)) in proxies(2)

    async def test_strictly_or_not_at_all(self, db: Database) -> None:
        await with_rules(db, NumberRules(sticky=Sticky.STRICT))
        first = await opened(db)
        before = await kept(db)

        with pytest.raises(StickyUnavailable) as refused:
            await opened(db)  # the numbers of the first are taken by it

        assert refused.value.role is Role.BUYER
        assert await kept(db) == before
        await closed(db, first)
        assert number_of(await opened(db, now=NOW + 8 * DAY)) == number_of(first)

    async def test_a_participant_without_a_phone_makes_no_pair(self, db: Database) -> None:
        await with_rules(db, NumberRules(sticky=Sticky.STRICT))
        draft = a_draft(replace(a_person(Role.BUYER, 1), phone=None), SELLER)

        assert number_of(await opened(db, draft)) != number_of(await opened(db, draft))


class TestAskedFor:
    """A number by name, and a team's."""

    RESERVED = Phone("+74959990001")

    async def reserve(self, db: Database) -> None:
        def work(conn: Connection) -> None:
            numbers.add_numbers(conn, "default", TRUNK.name, [self.RESERVED], NOW)
            numbers.set_state(conn, self.RESERVED, NumberState.RESERVED, NOW)

        await db.write(work)

    def asking(self, number: Phone, n: int = 1) -> SessionDraft:
        return seller_meets(n, wishes=(Wish(), Wish(number)))

    async def test_a_reserved_number_is_given_to_whoever_asks_and_to_nobody_else(
        self, db: Database
    ) -> None:
        await with_rules(db, NumberRules(), 2)
        await self.reserve(db)
        asked = await opened(db, self.asking(self.RESERVED))
        for n in (2, 3):
            assert number_of(await opened(db, seller_meets(n))) != self.RESERVED

        with pytest.raises(PoolExhausted):
            await opened(db, seller_meets(4))
        assert number_of(asked) == self.RESERVED
        assert why_of(asked) == {"by": "asked"}

    async def test_what_cannot_be_given_is_refused_and_nothing_is_kept(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 2)
        there = await opened(db, seller_meets(1))
        before = await kept(db)

        with pytest.raises(NumberHeld):
            await opened(db, self.asking(number_of(there), 2))
        with pytest.raises(NumberUnavailable):
            await opened(db, self.asking(Phone("+74957654321"), 2))
        assert await kept(db) == before

    async def test_one_participant_keeps_one_number_for_a_whole_team(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 5)
        first = await opened(db, seller_meets(1), rotation=3)
        known_by = number_of(first, Role.BUYER)  # what the buyer dials: the seller, to them
        courier = replace(a_person(Role.BUYER, 7), role=Role.COURIER)
        draft = replace(a_draft(SELLER, courier), same_number_as=first.id)

        second = await opened(db, draft)

        assert number_of(second, Role.COURIER) == known_by
        assert why_of(second, Role.COURIER) == {"by": "team"}
        assert number_of(second, Role.SELLER) != number_of(first, Role.SELLER)
        with pytest.raises(NumberHeld) as refused:
            await opened(db, draft)
        assert refused.value.field == "same_number_as"

    async def test_a_team_shares_exactly_one(self, db: Database) -> None:
        await with_rules(db, NumberRules(), 5)
        first = await opened(db)

        for draft in (a_draft(), a_draft(a_person(Role.BUYER, 8), a_person(Role.SELLER, 8))):
            with pytest.raises(NoCommonParticipant):
                await opened(db, replace(draft, same_number_as=first.id))
        with pytest.raises(UnknownSession):
            await opened(db, replace(a_draft(), same_number_as="ses_nobody"))

    async def test_a_cooling_lease_of_ones_own_gives_way_to_the_number_dialled(
        self, db: Database
    ) -> None:
        await with_rules(db, NumberRules(), 1)
        before = await opened(db, seller_meets(1))
        wish = Wish(proxies(1)[0], over_cooling=True, of_any_state=True)
        draft = replace(
            a_draft(before.participants[0], a_person(Role.SELLER, 9)), wishes=(wish, Wish())
        )
        with pytest.raises(NumberHeld):
            await opened(db, draft)
        await closed(db, before)

        after = await opened(db, draft)

        assert number_of(after, Role.BUYER) == proxies(1)[0]
        assert len(set(leases_of([after]))) == 2
