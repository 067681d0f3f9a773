"""Opening sessions by a pool's rules: which number, who gives way, what is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import Connection, func, select

from masking.allocation import Wish
from masking.digits import SECRET_BYTES
from masking.errors import (
    MaskingError,
    NoCommonParticipant,
    NumberHeld,
    NumberUnavailable,
    PoolExhausted,
    SessionLimit,
    StickyUnavailable,
    UnknownSession,
)
from masking.ids import session_id
from masking.lifecycle import RECYCLED, SessionDraft
from masking.model import LeaseState, NumberState, Participant, Phone, Pool, Role, Session
from masking.rules import (
    Exhausted,
    NumberRules,
    PinRules,
    PoolRules,
    Sticky,
    Stranger,
    StrangerRules,
)
from storage import Database, numbers, sessions
from storage.schema import leases, outbox
from storage.schema import sessions as session_table
from storage.sessions import CallsUnknown
from storage.vault import Vault
from tests.support.statements import statements
from tests.support.storage import (
    DAY,
    NOW,
    SELLER,
    TRUNK,
    a_draft,
    a_person,
    a_vault,
    leases_of,
    proxies,
    stocked,
)

HOUR = timedelta(hours=1)
_serial = count()


async def with_rules(
    db: Database,
    rules: NumberRules | PoolRules,
    size: int = 3,
    *,
    name: str = "default",
    e164s: Sequence[Phone] = (),
) -> None:
    """The pool `name` with these rules; of the default one, with so many numbers."""
    if name == "default":
        await stocked(db, a_vault(), size)
    all_rules = rules if isinstance(rules, PoolRules) else PoolRules(numbers=rules)

    def work(conn: Connection) -> None:
        numbers.put_pool(conn, Pool(name, rules=all_rules), NOW)
        if e164s:
            numbers.add_numbers(conn, name, TRUNK.name, e164s, NOW)

    await db.write(work)


def open_in(
    conn: Connection,
    draft: SessionDraft,
    *,
    now: datetime = NOW,
    rotation: int = 0,
    busy: frozenset[str] | None = frozenset(),
) -> Session:
    serial = next(_serial)
    return sessions.open_session(
        conn,
        a_vault(),
        draft,
        now=now,
        session_id=session_id(now, serial.to_bytes(10, "big")),
        rotation=rotation,
        secret=(serial + 1).to_bytes(SECRET_BYTES, "big"),
        busy=busy,
    )


async def opened(
    db: Database,
    draft: SessionDraft | None = None,
    *,
    now: datetime = NOW,
    rotation: int = 0,
    busy: frozenset[str] | None = frozenset(),
) -> Session:
    wanted = draft or a_draft()
    return await db.write(lambda conn: open_in(conn, wanted, now=now, rotation=rotation, busy=busy))


async def got(db: Database, session: Session) -> Session:
    found = await db.read(lambda conn: sessions.get(conn, a_vault(), session.id))
    assert found is not None
    return found


async def closed(db: Database, session: Session, at: datetime = NOW) -> None:
    await db.write(lambda conn: sessions.close(conn, session.id, at))


async def kept(db: Database) -> tuple[int, int, int]:
    """How many sessions, active leases and notices there are."""

    def work(conn: Connection) -> tuple[int, int, int]:
        counted = [
            conn.execute(select(func.count()).select_from(query)).scalar_one()
            for query in (
                session_table,
                select(leases).where(leases.c.active).subquery(),
                outbox,
            )
        ]
        return counted[0], counted[1], counted[2]

    return await db.read(work)


def seller_meets(n: int, **changes: object) -> SessionDraft:
    """The usual seller with another buyer each time."""
    return replace(a_draft(a_person(Role.BUYER, n), SELLER), **changes)  # type: ignore[arg-type]


def number_of(session: Session, role: Role = Role.SELLER) -> Phone:
    lease = session.lease(role)
    assert lease is not None
    return lease.number.e164


def why_of(session: Session, role: Role = Role.SELLER) -> dict[str, str]:
    lease = session.lease(role)
    assert lease is not None
    return dict(lease.why)


async def test_a_choice_is_read_back_with_its_reasons(db: Database) -> None:
    await with_rules(db, NumberRules())

    session = await opened(db)

    assert await got(db, session) == session
    assert why_of(session) == {"by": "rotation"}


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


async def with_rules_again(db: Database, rules: NumberRules) -> None:
    pool = Pool("default", rules=PoolRules(numbers=rules))
    await db.write(lambda conn: numbers.put_pool(conn, pool, NOW))


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


class TestExtensions:
    """A number is shared out by digits typed after it."""

    RULES = NumberRules(exhausted=Exhausted.EXTENSION, extension_length=3)

    async def test_a_participant_holds_more_than_the_pool_has_and_each_place_once(
        self, db: Database
    ) -> None:
        await with_rules(db, self.RULES, 2)

        there = [await opened(db, seller_meets(n)) for n in range(12)]

        places = [(number_of(one), one.leases[1].extension) for one in there]
        assert len(set(places)) == 12
        assert sorted(extension == "" for _, extension in places) == [False] * 10 + [True] * 2
        assert {len(extension) for _, extension in places} == {0, 3}
        assert {one.leases[0].extension for one in there} == {""}, "buyers need none"
        assert [await got(db, one) for one in there] == there

    async def test_ended_places_are_used_again(self, db: Database) -> None:
        await with_rules(db, self.RULES, 1)
        plain, digits = [await opened(db, seller_meets(n)) for n in range(2)]
        await closed(db, plain)
        later = NOW + 8 * DAY

        again = await opened(db, seller_meets(3), now=later)

        assert (again.leases[1].extension, digits.leases[1].extension[:1]) != ("", "")
        assert again.leases[1].extension == ""


class TestPins:
    """Whoever calls from another phone says who they are."""

    @staticmethod
    def rules(
        length: int = 6,
        *,
        unknown: Stranger = Stranger.ANNOUNCE,
        withheld: Stranger = Stranger.ANNOUNCE,
    ) -> PoolRules:
        pin = PinRules(length=length)
        return PoolRules(strangers=StrangerRules(unknown=unknown, withheld=withheld, pin=pin))

    @pytest.mark.parametrize("of", ["unknown", "withheld"])
    async def test_each_lease_has_one_where_the_pool_asks_for_it(
        self, db: Database, of: str
    ) -> None:
        asked, not_asked = Stranger.PIN, Stranger.ANNOUNCE
        unknown, withheld = (asked, not_asked) if of == "unknown" else (not_asked, asked)
        await with_rules(db, self.rules(unknown=unknown, withheld=withheld))

        session = await opened(db)

        pins = [lease.pin for lease in session.leases]
        assert all(pin is not None and len(pin) == 6 and pin.isdigit() for pin in pins)
        assert pins[0] != pins[1]
        assert await got(db, session) == session
        assert all(str(pin) not in repr(session) for pin in pins)

    async def test_elsewhere_there_is_none(self, db: Database) -> None:
        await with_rules(db, self.rules(unknown=Stranger.STATIC))

        assert [lease.pin for lease in (await opened(db)).leases] == [None, None]

    async def test_no_two_on_a_number_are_alike(
        self, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await with_rules(db, self.rules(4, unknown=Stranger.PIN), 1)
        drawn = iter([f"{n // 3:04}" for n in range(10_000)])  # each three times over
        monkeypatch.setattr("masking.digits.Digits.draw", lambda _self, _length: next(drawn))

        there = [
            await opened(db, a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n)))
            for n in range(20)
        ]

        pins = [lease.pin for session in there for lease in session.leases]
        assert len(set(pins)) == 40


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
