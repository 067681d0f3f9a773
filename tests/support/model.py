"""What sessions have to do, twice: `MemorySessions` does it, `Ledger` knows what was due.

`MemorySessions` keeps everything in dictionaries and leaves every decision to the functions of
`masking`; the SQL repositories stand beside it behind the same Protocol. `Ledger` is the oracle: a
plain list of who was promised what, which shares no code with either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from masking import lifecycle
from masking.allocation import Place, Side, choose
from masking.digits import Digits
from masking.errors import UnknownSession
from masking.ids import session_id
from masking.known import Held
from masking.lifecycle import SessionDraft
from masking.model import (
    Lease,
    LeaseState,
    Participant,
    Phone,
    Pool,
    ProxyNumber,
    Session,
)
from masking.plan import Decision, Plan, Refusal, RefusalReason
from masking.routing import RoutingFacts
from masking.stock import Stock


class Sessions(Protocol):
    """A keeper of sessions with one pool, already filled. Raises what `masking.errors` says."""

    def open(self, draft: SessionDraft, now: datetime) -> Session: ...

    def extend(self, session_id: str, expires_at: datetime, now: datetime) -> None: ...

    def close(self, session_id: str, now: datetime) -> None: ...

    def get(self, session_id: str) -> Session: ...

    def block(self, user_id: str, blocked_user_id: str, now: datetime) -> None: ...

    def unblock(self, user_id: str, blocked_user_id: str) -> None: ...

    def facts(self, number: Phone, caller: Phone, now: datetime) -> RoutingFacts:
        """What is known of a call from `caller` to `number`; its trunks are filled in elsewhere."""
        ...

    def dispose(self) -> None:
        """Let go of everything."""
        ...


class MemorySessions:
    """Sessions in dictionaries."""

    def __init__(self, pool: Pool, numbers: Sequence[ProxyNumber]) -> None:
        self._pool = pool
        self._numbers = tuple(numbers)
        self._stock = Stock(pool.name, self._numbers)
        self._sessions: dict[str, Session] = {}
        self._by_phone: defaultdict[Phone, list[str]] = defaultdict(list)
        self._blocks: set[tuple[str, str]] = set()
        self._rotation = 0

    def open(self, draft: SessionDraft, now: datetime) -> Session:
        first, second = lifecycle.check(draft)
        places = [self._place(first, second, now), self._place(second, first, now)]
        entropy = self._rotation.to_bytes(10, "big")
        opened = lifecycle.begin(
            draft, self._pool, places, session_id=session_id(now, entropy), now=now
        )
        self._rotation += 1
        self._sessions[opened.id] = opened
        for participant in opened.participants:
            if participant.phone is not None:
                self._by_phone[participant.phone].append(opened.id)
        return opened

    def extend(self, session_id: str, expires_at: datetime, now: datetime) -> None:
        self._sessions[session_id] = lifecycle.extend(
            self.get(session_id), expires_at, cool_down=self._pool.cool_down, now=now
        )

    def close(self, session_id: str, now: datetime) -> None:
        self._sessions[session_id] = lifecycle.close(
            self.get(session_id), cool_down=self._pool.cool_down, now=now
        )

    def get(self, session_id: str) -> Session:
        try:
            return self._sessions[session_id]
        except KeyError:
            raise UnknownSession from None

    def block(self, user_id: str, blocked_user_id: str, now: datetime) -> None:
        self._blocks.add((user_id, blocked_user_id))

    def unblock(self, user_id: str, blocked_user_id: str) -> None:
        self._blocks.discard((user_id, blocked_user_id))

    def facts(self, number: Phone, caller: Phone, now: datetime) -> RoutingFacts:
        known = next((one for one in self._numbers if one.e164 == number), None)
        if known is None:
            return RoutingFacts()
        mine = [lease for lease in self._leases(caller) if lease.number.id == known.id]
        if not mine:
            return RoutingFacts(number=known, pool=self._pool)
        last = max(mine, key=lambda lease: lease.reserved_until)
        session = self._sessions[last.session_id]
        first, second = (one.user_id for one in session.participants)
        blocked = bool(self._blocks & {(first, second), (second, first)})
        held = Held(last, session, caller, blocked)
        return RoutingFacts(number=known, pool=self._pool, held=(held,))

    def dispose(self) -> None:
        self._sessions.clear()

    def _place(self, me: Participant, you: Participant, now: datetime) -> Place | None:
        if me.phone is None:
            return None
        held = {
            lease.number.id: {"": lease.state(now) is LeaseState.LIVE}
            for lease in self._leases(me.phone)
            if lease.state(now) is not LeaseState.FREE
        }
        side = Side(me.role, me.phone, you.phone, held)
        rules = self._pool.rules.numbers
        return choose(self._stock, side, rules, self._rotation, Digits(b""))

    def _leases(self, phone: Phone) -> list[Lease]:
        return [
            lease
            for session in map(self.get, self._by_phone[phone])
            for lease in session.leases
            if session.participant(lease.role).phone == phone
        ]


@dataclass(frozen=True, slots=True)
class Promise:
    """Whoever calls `number` from `phone` reaches `other`, until then."""

    session: str
    number: Phone
    phone: Phone
    user: str
    other: Phone | None
    other_user: str
    other_number: Phone | None
    in_app_only: bool
    live_until: datetime
    bound_until: datetime


class Ledger:
    """What was promised, and what follows from it."""

    def __init__(self, cool_down: timedelta) -> None:
        self._cool_down = cool_down
        self._promises: list[Promise] = []
        self._said: set[tuple[str, str]] = set()

    def opened(self, session: Session) -> None:
        """Note what `session` promises to each of its participants."""
        for me, you in (session.participants, session.participants[::-1]):
            lease, other = session.lease(me.role), session.lease(you.role)
            assert (lease is None) == (me.phone is None)
            if lease is None or me.phone is None:
                continue
            self._promises.append(
                Promise(
                    session=session.id,
                    number=lease.number.e164,
                    phone=me.phone,
                    user=me.user_id,
                    other=you.phone,
                    other_user=you.user_id,
                    other_number=other.number.e164 if other else None,
                    in_app_only=session.channel_policy.value == "app_only",
                    live_until=session.expires_at,
                    bound_until=session.expires_at + self._cool_down,
                )
            )

    def ended(self, session_id: str, at: datetime) -> None:
        """The session's leases carry calls until `at`: it was extended, shortened or closed."""
        self._promises = [
            replace(one, live_until=at, bound_until=at + self._cool_down)
            if one.session == session_id
            else one
            for one in self._promises
        ]

    def block(self, user_id: str, blocked_user_id: str) -> None:
        self._said.add((user_id, blocked_user_id))

    def unblock(self, user_id: str, blocked_user_id: str) -> None:
        self._said.discard((user_id, blocked_user_id))

    def is_live(self, session_id: str, now: datetime) -> bool:
        return any(one.session == session_id and now < one.live_until for one in self._promises)

    def held(self, phone: Phone | None, now: datetime) -> frozenset[Phone]:
        """The numbers that `phone` cannot be given now."""
        return frozenset(
            one.number for one in self._promises if one.phone == phone and now < one.bound_until
        )

    def bound(self, now: datetime) -> list[Promise]:
        """The promises that are live or cooling."""
        return [one for one in self._promises if now < one.bound_until]

    def check(self, now: datetime) -> None:
        """No two live or cooling leases share (proxy number, phone)."""
        pairs = [(one.number, one.phone) for one in self.bound(now)]
        assert len(pairs) == len(set(pairs)), "two leases share a number and a phone"

    def judge(self, decision: Decision, number: Phone, caller: Phone, now: datetime) -> None:
        """Fail unless `decision` is what a call from `caller` to `number` was promised."""
        mine = [one for one in self._promises if (one.number, one.phone) == (number, caller)]
        bound = [one for one in mine if now < one.bound_until]
        if not bound:
            over = {RefusalReason.SESSION_CLOSED, RefusalReason.SESSION_EXPIRED} if mine else set()
            self._refused(decision, {RefusalReason.UNKNOWN_CALLER} | over)
            return
        (promise,) = bound
        if promise.live_until <= now:
            self._refused(decision, {RefusalReason.COOLING})
        elif self._said & {
            (promise.user, promise.other_user),
            (promise.other_user, promise.user),
        }:
            self._refused(decision, {RefusalReason.BLOCKED})
        elif promise.other is None or promise.in_app_only:
            self._refused(decision, {RefusalReason.CALLEE_UNREACHABLE})
        else:
            assert isinstance(decision, Plan)
            (attempt,) = decision.attempts
            assert {step.dial for step in attempt.steps} == {promise.other}, "the wrong person"
            assert {step.caller_id for step in attempt.steps} == {promise.other_number}
            assert decision.number_in == number
            assert decision.number_out == promise.other_number
            assert decision.session_id == promise.session

    @staticmethod
    def _refused(decision: Decision, reasons: set[RefusalReason]) -> None:
        assert isinstance(decision, Refusal), "nobody was to be rung"
        assert decision.reason in reasons
