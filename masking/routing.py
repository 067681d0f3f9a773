"""The routing decision: an offer and what is known about it make a plan or a refusal.

`decide` is total: whatever text a caller or a carrier put into the offer, it answers and never
raises. It trusts no fact that it can check itself; where the facts do not belong to the offer it
refuses, because ringing the wrong person is the worst this product can do.

Causes (ITU-T Q.850) of refusals, chosen for what the carrier's switch does with them:

- 1, unallocated: unknown proxy number, and a caller who has no lease on it. Alike on purpose:
  strangers who dial at random learn nothing of which numbers are in use.
- 21, call rejected: withheld caller, blocked pair. Final; no other route is tried.
- 22, number changed (SIP 410): cooling lease, closed or expired session. Was in service, is no
  longer, will not be.
- 20, subscriber absent (SIP 480): the callee cannot be reached through what the session permits.
- 34, no circuit (SIP 503) and 38, network out of order (SIP 500): trunk full, no trunk. Ours to
  mend; the carrier may try another route.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, assert_never

from masking.e164 import parse_sip, spell
from masking.errors import InvalidPhone
from masking.model import (
    ChannelPolicy,
    Language,
    Lease,
    LeaseState,
    Participant,
    Phone,
    Pool,
    ProxyNumber,
    Session,
    SessionState,
)
from masking.plan import (
    Announcement,
    Attempt,
    Channel,
    Decision,
    Offer,
    Plan,
    Refusal,
    RefusalReason,
    Step,
)
from masking.trunks import Trunk

MAX_STEPS = 6  # of a plan: so many channel variables does the dialplan read

REFUSALS = MappingProxyType(
    {
        RefusalReason.UNKNOWN_NUMBER: (Announcement.NOT_IN_SERVICE, 1),
        RefusalReason.UNKNOWN_CALLER: (Announcement.NOT_IN_SERVICE, 1),
        RefusalReason.WITHHELD_CALLER: (Announcement.WITHHELD, 21),
        RefusalReason.COOLING: (Announcement.NO_LONGER_SERVES, 22),
        RefusalReason.SESSION_CLOSED: (Announcement.NO_LONGER_SERVES, 22),
        RefusalReason.SESSION_EXPIRED: (Announcement.NO_LONGER_SERVES, 22),
        RefusalReason.BLOCKED: (Announcement.BLOCKED, 21),
        RefusalReason.TRUNK_FULL: (Announcement.BUSY_LINES, 34),
        RefusalReason.NO_TRUNK: (Announcement.UNAVAILABLE, 38),
        RefusalReason.CALLEE_UNREACHABLE: (Announcement.UNAVAILABLE, 20),
        RefusalReason.NO_CONTROLLER: (Announcement.TRY_AGAIN, 41),
    }
)
"""What the caller hears and with which cause the leg ends, for each reason."""


class Loads(Protocol):
    """What `decide` asks about the load of trunks; `masking.load.TrunkLoads` is one."""

    def can_take(self, trunk: Trunk, now: datetime, channels: int = 1) -> bool:
        """Whether `trunk` has room for so many more channels at `now`."""
        ...


@dataclass(frozen=True, slots=True)
class Identified:
    """Who called what, as E.164; None for what could not be read. `repr` never shows the caller."""

    number: Phone | None
    caller: Phone | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """All that is known about an offer when it is decided."""

    number: ProxyNumber | None = None  # None: none of ours
    pool: Pool | None = None  # of the number
    lease: Lease | None = None  # the caller's on the number: live, else the last one
    session: Session | None = None  # of the lease, with both participants' phones and leases
    blocked: bool = False  # one of the two has blocked the other
    trunks: tuple[Trunk, ...] = ()  # all of them; the order is of no account


def identify(offer: Offer, trunk: Trunk) -> Identified:
    """Read the offer's numbers as `trunk`, on which it came, spells them. Never raises."""
    caller = None if offer.caller is None else _read(offer.caller, trunk)
    return Identified(_read(offer.called, trunk), caller)


def trunk_of(offer: Offer, trunks: tuple[Trunk, ...]) -> Trunk | None:
    """The trunk on which the offer came, if it is known and may bring calls."""
    for trunk in trunks:
        if trunk.name == offer.trunk:
            return trunk if trunk.enabled and trunk.inbound else None
    return None


def decide(offer: Offer, facts: RoutingFacts, loads: Loads, now: datetime) -> Decision:
    """Carry the offer on, or refuse it.

    `loads` does not count this offer yet: it needs a channel on its own trunk and one on each trunk
    that it may go out on. Never raises.
    """
    pool = facts.pool or Pool(facts.number.pool if facts.number else "")
    trunk_in = trunk_of(offer, facts.trunks)
    if trunk_in is None:
        return _refusal(RefusalReason.NO_TRUNK, pool.language)
    who = identify(offer, trunk_in)
    number = facts.number
    if number is None or number.e164 != who.number:
        return _refusal(RefusalReason.UNKNOWN_NUMBER, pool.language)
    if who.caller is None:
        return _refusal(RefusalReason.WITHHELD_CALLER, pool.language, number)
    lease, session = _own(facts.lease, facts.session, number, who.caller)
    if lease is None or session is None:
        return _refusal(RefusalReason.UNKNOWN_CALLER, pool.language, number)
    reason = _obstacle(lease, session, now)
    if reason is None and facts.blocked:
        reason = RefusalReason.BLOCKED
    if reason is None and not loads.can_take(trunk_in, now):
        reason = RefusalReason.TRUNK_FULL
    if reason is not None:
        return _refusal(reason, pool.language, number, lease)
    return _plan(_Call(number, lease, session, pool, trunk_in), facts.trunks, loads, now)


@dataclass(frozen=True, slots=True)
class _Call:
    number: ProxyNumber
    lease: Lease
    session: Session
    pool: Pool
    trunk_in: Trunk


def _plan(call: _Call, trunks: tuple[Trunk, ...], loads: Loads, now: datetime) -> Decision:
    callee = call.session.other(call.lease.role)
    out = call.session.lease(callee.role)
    attempts: list[Attempt] = []
    reason = RefusalReason.CALLEE_UNREACHABLE
    match call.session.channel_policy:
        case ChannelPolicy.APP_THEN_GSM | ChannelPolicy.GSM_ONLY:
            if callee.phone is not None and out is not None and out.state(now) is LeaseState.LIVE:
                usable = tuple(_outbound(out.number, trunks))
                free = [t for t in usable if loads.can_take(t, now, 1 + (t == call.trunk_in))]
                reason = RefusalReason.TRUNK_FULL if usable else RefusalReason.NO_TRUNK
                if free:
                    attempts.append(_gsm(callee.phone, out.number, free, call.pool))
        case ChannelPolicy.APP_ONLY:
            pass  # there are no app endpoints yet
        case never:
            assert_never(never)
    if not attempts:
        return _refusal(reason, call.pool.language, call.number, call.lease)
    return Plan(
        session_id=call.session.id,
        caller=call.lease.role,
        callee=callee.role,
        number_in=call.number.e164,
        number_out=None if out is None else out.number.e164,
        attempts=tuple(attempts),
        language=call.pool.language,
        max_call_s=call.pool.max_call_s,
    )


def _gsm(phone: Phone, shown: ProxyNumber, trunks: list[Trunk], pool: Pool) -> Attempt:
    steps = tuple(
        Step(trunk.name, spell(phone, trunk), spell(shown.e164, trunk))
        for trunk in trunks[:MAX_STEPS]
    )
    return Attempt(Channel.GSM, steps, pool.ring_s)


def _outbound(shown: ProxyNumber, trunks: tuple[Trunk, ...]) -> Iterator[Trunk]:
    """The trunks that may carry the call out, in order.

    First the one that the shown number belongs to: its carrier knows the number as ours; others may
    refuse a caller ID that is not theirs.
    """
    usable = (trunk for trunk in trunks if trunk.enabled and trunk.outbound)
    yield from sorted(usable, key=lambda t: (t.name != shown.trunk, t.priority, t.name))


def _own(
    lease: Lease | None, session: Session | None, number: ProxyNumber, caller: Phone
) -> tuple[Lease | None, Session | None]:
    """The lease and its session, if they are of this very caller on this very number."""
    if lease is None or session is None:
        return None, None
    holder = _holder(lease, session)
    if holder is None or holder.phone != caller or lease.number.id != number.id:
        return None, None
    return lease, session


def _holder(lease: Lease, session: Session) -> Participant | None:
    if lease.session_id != session.id:
        return None
    return next((one for one in session.participants if one.role is lease.role), None)


def _obstacle(lease: Lease, session: Session, now: datetime) -> RefusalReason | None:
    """Why the lease no longer carries calls: `cooling` while it is reserved, then how it ended."""
    if lease.state(now) is LeaseState.COOLING:
        return RefusalReason.COOLING
    match session.state(now):
        case SessionState.CLOSED:
            return RefusalReason.SESSION_CLOSED
        case SessionState.EXPIRED:
            return RefusalReason.SESSION_EXPIRED
        case SessionState.OPEN:
            return None if lease.state(now) is LeaseState.LIVE else RefusalReason.SESSION_EXPIRED
        case never:
            assert_never(never)


def _refusal(
    reason: RefusalReason,
    language: Language,
    number: ProxyNumber | None = None,
    lease: Lease | None = None,
) -> Refusal:
    announcement, cause = REFUSALS[reason]
    return Refusal(
        reason=reason,
        announcement=announcement,
        cause=cause,
        language=language,
        session_id=lease.session_id if lease else None,
        caller=lease.role if lease else None,
        number_in=number.e164 if number else None,
    )


def _read(raw: str, trunk: Trunk) -> Phone | None:
    try:
        return parse_sip(raw, trunk)
    except InvalidPhone:
        return None
