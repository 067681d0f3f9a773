"""Opening sessions where the pool is exhausted: who gives way, and who is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from cdr import staging
from masking.allocation import Wish
from masking.errors import NumberHeld, PoolExhausted, SessionLimit
from masking.lifecycle import RECYCLED
from masking.model import LeaseState, Phone, Role, Session
from masking.rules import Exhausted, NumberRules
from storage import Database, not_idle, sessions
from storage.schema import outbox
from storage.sessions import CallsUnknown
from tests.contract.storage.opening import (
    HOUR,
    closed,
    got,
    kept,
    number_of,
    opened,
    seller_meets,
    why_of,
    with_rules,
)
from tests.support.storage import DAY, NOW, a_draft, a_person


async def staged(db: Database, call_id: str, session: Session, state: str) -> None:
    """A call of the session on a node of which nothing more is heard."""
    row = {
        "call_id": call_id,
        "node": "nfedcba987654",
        "events": {"linked_id": call_id, "rows": []},
        "seen_at": NOW,
        "offered_at": NOW,
        "state": state,
        "session_id": session.id,
        "caller_role": "buyer",
        "callee_role": "seller",
        "trunk_in": "carrier-a",
        "trunk_out": None,
    }
    await db.write(lambda conn: staging.put(conn, [row]))


class TestLimit:
    """So many sessions of one participant in a pool."""

    async def test_live_ones_count_and_those_of_other_pools_do_not(self, db: Database) -> None:
        await with_rules(db, NumberRules(max_sessions=2), 9)
        west = [Phone("+74952220001")]
        await with_rules(db, NumberRules(), name="west", e164s=west)
        await opened(db, seller_meets(0, pool="west"))
        there = [await opened(db, seller_meets(n)) for n in (1, 2)]
        before = await kept(db)

        with pytest.raises(SessionLimit) as refused:
            await opened(db, seller_meets(3))
        assert refused.value.role is Role.SELLER
        assert await kept(db) == before
        await closed(db, there[0])
        assert len((await opened(db, seller_meets(4))).leases) == 2


class TestRecycling:
    """Whoever holds every number gets the place of the session of theirs that was idle longest."""

    RULES = NumberRules(exhausted=Exhausted.RECYCLE_IDLE, recycle_after=3 * HOUR)

    async def full(self, db: Database, size: int = 2) -> list[Session]:
        """A seller who holds every number, the first for longest."""
        await with_rules(db, self.RULES, size)
        return [
            await opened(db, seller_meets(n), now=NOW + n * timedelta(minutes=1))
            for n in range(size)
        ]

    async def test_it_is_closed_and_its_place_is_free_at_once(self, db: Database) -> None:
        old, other = await self.full(db)
        now = NOW + 4 * HOUR

        new = await opened(db, seller_meets(8), now=now)

        gone = await got(db, old)
        assert number_of(new) == number_of(old)
        assert why_of(new) == {"by": "recycled", "of": old.id}
        assert (gone.closed_at, gone.closed_why) == (now, RECYCLED)
        theirs, others = gone.lease(Role.SELLER), gone.lease(Role.BUYER)
        assert theirs is not None
        assert others is not None
        assert theirs.state(now) is LeaseState.FREE
        assert others.state(now) is LeaseState.COOLING
        assert others.reserved_until == now + 7 * DAY
        assert await got(db, other) == other

    async def test_the_platform_is_told_once(self, db: Database) -> None:
        old, _ = await self.full(db)
        before = await kept(db)

        new = await opened(db, seller_meets(8), now=NOW + 4 * HOUR)

        query = select(outbox).where(outbox.c.kind == "session.closed")
        (row,) = await db.read(lambda conn: conn.execute(query).all())
        assert row.key == f"session.closed:{old.id}"
        assert row.conversation_id == old.conversation_id
        assert '"why":"recycled"' in row.data
        assert new.id in row.data
        assert (await kept(db))[2] >= before[2] + 1

    async def test_a_call_makes_a_session_young_again(self, db: Database) -> None:
        old, other = await self.full(db)
        ended = NOW + 2 * HOUR
        await db.write(lambda conn: sessions.call_ended(conn, old.id, ended, False))

        new = await opened(db, seller_meets(8), now=NOW + 4 * HOUR)

        assert why_of(new)["of"] == other.id

    async def test_a_session_that_was_not_idle_long_enough_is_never_touched(
        self, db: Database
    ) -> None:
        old, _ = await self.full(db)
        before = await kept(db)
        soon = NOW + 3 * HOUR - timedelta(milliseconds=1)

        with pytest.raises(PoolExhausted):
            await opened(db, seller_meets(8), now=soon)

        assert await kept(db) == before
        assert await got(db, old) == old

    async def test_nor_one_with_a_call_up(self, db: Database) -> None:
        old, other = await self.full(db)
        now = NOW + 4 * HOUR

        with pytest.raises(CallsUnknown):
            await opened(db, seller_meets(8), now=now, busy=None)
        with pytest.raises(PoolExhausted):
            await opened(db, seller_meets(8), now=now, busy=frozenset({old.id, other.id}))
        new = await opened(db, seller_meets(8), now=now, busy=frozenset({old.id}))

        assert why_of(new)["of"] == other.id

    @pytest.mark.parametrize("state", ["offered", "ringing", "up"])
    async def test_nor_one_with_a_call_on_another_node(self, db: Database, state: str) -> None:
        old, other = await self.full(db)
        now = NOW + 4 * HOUR
        await staged(db, "cal_1", old, state)

        new = await opened(db, seller_meets(8), now=now)
        assert why_of(new)["of"] == other.id
        await staged(db, "cal_2", new, state)
        with pytest.raises(PoolExhausted):
            await opened(db, seller_meets(9), now=now + 4 * HOUR)
        assert await got(db, old) == old

        await db.write(lambda conn: staging.remove(conn, ["cal_1"]))
        last = await opened(db, seller_meets(9), now=now + 4 * HOUR)
        assert why_of(last)["of"] == old.id

    async def test_nor_one_whose_node_said_itself_that_a_call_came(self, db: Database) -> None:
        old, other = await self.full(db)
        came = NOW + 4 * HOUR

        pools = await db.read(not_idle.recycling)
        await db.write(
            lambda conn: not_idle.note(conn, {old.id, other.id, "ses_unknown"}, pools, came)
        )

        assert pools == {"default"}
        with pytest.raises(PoolExhausted):
            await opened(db, seller_meets(8), now=came + 3 * HOUR - timedelta(milliseconds=1))
        ended = came + HOUR
        await db.write(lambda conn: sessions.call_ended(conn, old.id, ended, True))
        await db.write(lambda conn: not_idle.note(conn, {old.id}, pools, came))  # of late
        assert (await got(db, old)).last_call_at == ended
        assert why_of(await opened(db, seller_meets(8), now=came + 3 * HOUR))["of"] == other.id

    async def test_where_nobody_gives_way_nothing_is_noted(self, db: Database) -> None:
        await with_rules(db, NumberRules())
        session = await opened(db, seller_meets(0))

        pools = await db.read(not_idle.recycling)
        await db.write(lambda conn: not_idle.note(conn, {session.id}, pools, NOW + HOUR))

        assert pools == frozenset()
        assert (await got(db, session)).last_call_at is None

    async def test_nor_one_that_cools(self, db: Database) -> None:
        for session in await self.full(db):
            await closed(db, session, NOW + HOUR)

        with pytest.raises(PoolExhausted):
            await opened(db, seller_meets(8), now=NOW + 5 * HOUR)

    async def test_nobody_elses_session_is_touched(self, db: Database) -> None:
        theirs = await self.full(db, 1)
        await opened(db, a_draft(a_person(Role.BUYER, 5), a_person(Role.SELLER, 5)))

        new = await opened(db, seller_meets(6), now=NOW + 4 * HOUR)

        assert why_of(new)["of"] == theirs[0].id

    async def test_both_sides_take_over_and_one_session_gives_way_only_once(
        self, db: Database
    ) -> None:
        await with_rules(db, self.RULES, 1)
        between = await opened(db)
        now = NOW + 4 * HOUR

        with pytest.raises(PoolExhausted) as refused:  # it frees the buyer's place only
            await opened(db, now=now)
        assert refused.value.role is Role.SELLER
        assert await got(db, between) == between, "the buyer's half of it was undone"

        await closed(db, between, now)
        later = now + 8 * DAY
        buyer, seller = between.participants
        first = await opened(db, a_draft(buyer, a_person(Role.SELLER, 3)), now=later)
        second = await opened(db, a_draft(a_person(Role.BUYER, 3), seller), now=later)
        new = await opened(db, now=later + 4 * HOUR)

        assert why_of(new, Role.BUYER)["of"] == first.id
        assert why_of(new, Role.SELLER)["of"] == second.id

    async def test_a_number_that_was_asked_for_is_not_taken_over(self, db: Database) -> None:
        old, _ = await self.full(db)
        draft = seller_meets(8, wishes=(Wish(), Wish(number_of(old))))

        with pytest.raises(NumberHeld):
            await opened(db, draft, now=NOW + 4 * HOUR)
