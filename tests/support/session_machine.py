"""A random life of sessions, played against any keeper of them and judged by the `Ledger`.

Time moves only when the machine moves it. People are few and numbers fewer, so that every collision
there can be happens soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from masking.errors import MaskingError, PhoneMissing, PoolExhausted, SamePhone
from masking.lifecycle import SessionDraft
from masking.load import TrunkLoads
from masking.model import ChannelPolicy, Participant, Phone, Pool, Role, SessionState
from masking.plan import Decision, Offer
from masking.routing import decide
from masking.trunks import Trunk
from tests.support.model import Ledger, Sessions

POOL = "default"
NUMBERS = tuple(Phone(f"+7495111000{n}") for n in range(1, 4))
TRUNKS = (Trunk("carrier-a", "127.0.0.2"), Trunk("carrier-b", "127.0.0.3"))
START = datetime(2026, 11, 2, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and mostly a phone."""

    user_id: str
    phone: Phone | None


PEOPLE = (
    *(Person(f"u-{n}", Phone(f"+7916000000{n}")) for n in range(1, 5)),
    Person("u-5", Phone("+79160000001")),  # a second account on somebody's phone
    Person("u-6", None),  # has the app only
)
PHONES = tuple(dict.fromkeys(one.phone for one in PEOPLE if one.phone is not None))
MOMENTS = (timedelta(milliseconds=1), timedelta(seconds=1), timedelta(seconds=59))
SPANS = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7))

_people = st.lists(
    st.sampled_from(PEOPLE), min_size=2, max_size=2, unique_by=lambda one: one.user_id
)
_roles = st.permutations(tuple(Role)).map(lambda order: order[:2])
_policies = st.sampled_from((ChannelPolicy.APP_THEN_GSM, *ChannelPolicy))


class SessionMachine(RuleBasedStateMachine):
    """Subclass it with a `make` of your own and take its TestCase."""

    sessions: Bundle[str] = Bundle("sessions")

    def make(self, pool: Pool, numbers: Sequence[Phone]) -> Sessions:
        """A fresh keeper with the pool and its numbers, which belong to trunk ``carrier-a``."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.keeper: Sessions | None = None
        self.ledger = Ledger(timedelta(0))
        self.numbers: tuple[Phone, ...] = ()

    @initialize(
        cool_down=st.sampled_from((timedelta(0), timedelta(hours=1), timedelta(days=7))),
        size=st.integers(1, len(NUMBERS)),
    )
    def begin(self, cool_down: timedelta, size: int) -> None:
        self.numbers = NUMBERS[:size]
        self.keeper = self.make(Pool(POOL, cool_down=cool_down), self.numbers)
        self.ledger = Ledger(cool_down)

    @rule(
        target=sessions,
        people=_people,
        roles=_roles,
        ttl=st.sampled_from(SPANS),
        policy=_policies,
    )
    def open(
        self,
        people: list[Person],
        roles: list[Role],
        ttl: timedelta,
        policy: ChannelPolicy,
    ) -> str:
        draft = SessionDraft(
            conversation_id="chat-1",
            participants=tuple(
                Participant(role, one.user_id, one.phone)
                for role, one in zip(roles, people, strict=True)
            ),
            pool=POOL,
            ttl=ttl,
            channel_policy=policy,
        )
        expected = self._refused(people, policy)
        if expected is not None:
            with pytest.raises(expected):
                self._keeper().open(draft, self.now)
            return ""
        held = [self.ledger.held(one.phone, self.now) for one in people]
        session = self._keeper().open(draft, self.now)
        for one, role, theirs in zip(people, roles, held, strict=True):
            lease = session.lease(role)
            assert (lease is None) == (one.phone is None)
            assert lease is None or lease.number.e164 in set(self.numbers) - theirs
        assert session.expires_at == self.now + ttl
        assert self._keeper().get(session.id) == session, "not what was stored"
        self.ledger.opened(session)
        return session.id

    @rule(session=sessions)
    def close(self, session: str) -> None:
        if session:
            was_live = self.ledger.is_live(session, self.now)
            self._keeper().close(session, self.now)
            if was_live:
                self.ledger.ended(session, self.now)
            assert self._keeper().get(session).state(self.now) is not SessionState.OPEN

    @rule(session=sessions, span=st.sampled_from(SPANS))
    def extend(self, session: str, span: timedelta) -> None:
        if session and self.ledger.is_live(session, self.now):
            self._keeper().extend(session, self.now + span, self.now)
            self.ledger.ended(session, self.now + span)
        elif session:
            before = self._keeper().get(session)
            with pytest.raises(MaskingError) as refused:
                self._keeper().extend(session, self.now + span, self.now)
            assert refused.value.error_id in {"session_closed", "session_expired"}
            assert self._keeper().get(session) == before, "a refused extension left a trace"

    @rule(people=_people)
    def block(self, people: list[Person]) -> None:
        self._keeper().block(people[0].user_id, people[1].user_id, self.now)
        self.ledger.block(people[0].user_id, people[1].user_id)

    @rule(people=_people)
    def unblock(self, people: list[Person]) -> None:
        self._keeper().unblock(people[0].user_id, people[1].user_id)
        self.ledger.unblock(people[0].user_id, people[1].user_id)

    @rule(span=st.sampled_from((*MOMENTS, *SPANS)))
    def wait(self, span: timedelta) -> None:
        self.now += span

    @rule(number=st.sampled_from(NUMBERS), caller=st.sampled_from(PHONES))
    def call(self, number: Phone, caller: Phone) -> None:
        decision = self._decide(number, caller)
        if number in self.numbers:
            self.ledger.judge(decision, number, caller, self.now)
        else:
            assert decision.reason == "unknown_number"  # type: ignore[union-attr]

    @invariant()
    def no_two_leases_share_number_and_phone(self) -> None:
        self.ledger.check(self.now)

    @invariant()
    def whoever_has_a_live_lease_reaches_the_other_side(self) -> None:
        for promise in self.ledger.bound(self.now):
            decision = self._decide(promise.number, promise.phone)
            self.ledger.judge(decision, promise.number, promise.phone, self.now)

    def teardown(self) -> None:
        if self.keeper is not None:
            self.keeper.dispose()

    def _refused(self, people: list[Person], policy: ChannelPolicy) -> type[MaskingError] | None:
        """What opening a session has to raise: exhausted only if one holds the whole pool."""
        phones = [one.phone for one in people]
        if phones[0] == phones[1]:
            return SamePhone
        if None in phones and policy is ChannelPolicy.GSM_ONLY:
            return PhoneMissing
        if any(self.ledger.held(phone, self.now) == set(self.numbers) for phone in phones):
            return PoolExhausted
        return None

    def _decide(self, number: Phone, caller: Phone) -> Decision:
        offer = Offer("cal_1", "n1", "PJSIP/x", TRUNKS[0].name, number, caller, self.now)
        facts = self._keeper().facts(number, caller, self.now)
        return decide(offer, replace(facts, trunks=TRUNKS), TrunkLoads(), self.now)

    def _keeper(self) -> Sessions:
        assert self.keeper is not None
        return self.keeper
