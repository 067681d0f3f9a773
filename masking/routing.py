"""The routing decision: an offer and what is known about it make a plan, a refusal or a question.

`decide` is total: whatever text a caller or a carrier put into the offer, it answers and never
raises. It trusts no fact that it can check itself; where the facts do not belong to the offer it
refuses, because ringing the wrong person is the worst this product can do.

Causes (ITU-T Q.850) of refusals, chosen for what the carrier's switch does with them:

- 1, unallocated: unknown proxy number, and a caller who has no lease on it. Alike on purpose:
  strangers who dial at random learn nothing of which numbers are in use.
- 21, call rejected: withheld caller, blocked pair, wrong digits. Final; no other route is tried.
- 22, number changed (SIP 410): cooling lease, closed or expired session. Was in service, is no
  longer, will not be.
- 20, subscriber absent (SIP 480): the callee cannot be reached through what the session permits.
- 34, no circuit (SIP 503) and 38, network out of order (SIP 500): trunk full, no trunk. Ours to
  mend; the carrier may try another route.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, assert_never

from masking.dialled import meaning, plain
from masking.e164 import parse_sip, spell
from masking.errors import InvalidPhone
from masking.known import (
    Answer,
    AskPlatform,
    Deed,
    Enquiry,
    Held,
    OpenLink,
    RoutingFacts,
    Told,
)
from masking.listing import LinkRefusal
from masking.meanings import Ask, Dialled, Divert, Meaning, Reach, Tell
from masking.model import (
    ChannelPolicy,
    LeaseState,
    Phone,
    Pool,
    ProxyNumber,
)
from masking.plan import (
    Announcement,
    Attempt,
    Channel,
    Decision,
    Heard,
    Offer,
    Plan,
    Prompt,
    Refusal,
    RefusalReason,
    Step,
)
from masking.trunks import Trunk

__all__ = [
    "MAX_STEPS",
    "REFUSALS",
    "Identified",
    "Loads",
    "RoutingFacts",
    "Ruling",
    "decide",
    "identify",
    "rule",
    "trunk_of",
]

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
        RefusalReason.WRONG_PIN: (Announcement.GAVE_UP_ASKING, 21),
        RefusalReason.PIN_LOCKED: (Announcement.LOCKED_OUT, 21),
        RefusalReason.WRONG_EXTENSION: (Announcement.GAVE_UP_ASKING, 21),
        RefusalReason.NOTHING_CHOSEN: (Announcement.GAVE_UP_ASKING, 21),
        RefusalReason.TOO_MANY_LISTINGS: (Announcement.BLOCKED, 21),
        RefusalReason.POOL_EXHAUSTED: (Announcement.BUSY_LINES, 34),
        RefusalReason.PLATFORM_REFUSED: (Announcement.NOT_IN_SERVICE, 21),
        RefusalReason.PLATFORM_SILENT: (Announcement.TRY_AGAIN, 41),
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
class Ruling:
    """A decision, and what has to be written for it to be true."""

    decision: Decision
    deeds: tuple[Deed, ...] = ()


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
    """Carry the offer on, refuse it, or ask the caller: as `rule`, where nobody else can be asked.

    The platform counts as silent, and no listing has room for a new caller. Never raises.
    """
    while True:
        found = rule(offer, facts, loads, now)
        match found:
            case Ruling():
                return found.decision
            case AskPlatform():
                facts = replace(facts, told=Told(Answer.SILENT))
            case OpenLink():
                facts = replace(facts, link=LinkRefusal.EXHAUSTED)
            case never:
                assert_never(never)


def rule(offer: Offer, facts: RoutingFacts, loads: Loads, now: datetime) -> Ruling | Enquiry:
    """Decide, or say what has to be found out first.

    `loads` does not count this offer yet: it needs a channel on its own trunk and one on each trunk
    that it may go out on. Each enquiry is made once: what came of it stands in the facts when this
    is called again. Never raises.
    """
    pool = facts.pool or Pool(facts.number.pool if facts.number else "")
    trunk_in = trunk_of(offer, facts.trunks)
    if trunk_in is None:
        return Ruling(_refusal(Tell(RefusalReason.NO_TRUNK), pool))
    who = identify(offer, trunk_in)
    number = facts.number
    if number is None or number.e164 != who.number:
        return Ruling(_refusal(Tell(RefusalReason.UNKNOWN_NUMBER), pool))
    wanted = Dialled(number, who.caller, offer.asked, offer.digits)
    call = _Call(number, who.caller, pool, trunk_in, facts.trunks, loads, now)
    held = plain(wanted, facts, now)
    if held is not None:
        return Ruling(_reach(call, held, None))
    return _carry_out(call, meaning(wanted, facts, now))


@dataclass(frozen=True, slots=True)
class _Call:
    number: ProxyNumber
    caller: Phone | None
    pool: Pool
    trunk_in: Trunk
    trunks: tuple[Trunk, ...]
    loads: Loads
    now: datetime


def _carry_out(call: _Call, found: Meaning) -> Ruling | Enquiry:
    match found:
        case Reach():
            decision = _reach(call, found.held, found.heard)
            with_plan = found.with_plan if isinstance(decision, Plan) else ()
            return Ruling(decision, (*found.deeds, *with_plan))
        case Divert():
            return Ruling(_divert(call, found.to))
        case Tell():
            return Ruling(_refusal(found, call.pool, call.number), found.deeds)
        case Ask():
            return Ruling(_prompt(call, found), found.deeds)
        case AskPlatform() | OpenLink():
            return found
        case never:
            assert_never(never)


def _prompt(call: _Call, ask: Ask) -> Prompt:
    return Prompt(
        asked=ask.asked,
        digits_min=ask.digits_min,
        digits_max=ask.digits_max,
        attempts=ask.attempts,
        language=call.pool.language,
        number_in=call.number.e164,
        session_id=ask.asked.session_id or None,
        heard=ask.heard,
    )


def _divert(call: _Call, to: Phone) -> Decision:
    """To a fixed destination, which sees the number that was dialled."""
    reason, free = _ways_out(call, call.number)
    if to == call.caller or not free:
        why = RefusalReason.CALLEE_UNREACHABLE if to == call.caller else reason
        return _refusal(Tell(why), call.pool, call.number)
    return Plan(
        session_id=None,
        caller=None,
        callee=None,
        number_in=call.number.e164,
        number_out=call.number.e164,
        attempts=(_gsm(to, call.number, free, call.pool),),
        language=call.pool.language,
        max_call_s=call.pool.max_call_s,
        warn_before_s=call.pool.rules.ending.warn_before_s,
    )


def _ways_out(call: _Call, shown: ProxyNumber) -> tuple[RefusalReason, list[Trunk]]:
    """The trunks with room, in order; and why there are none, where there are none."""
    if not call.loads.can_take(call.trunk_in, call.now):
        return RefusalReason.TRUNK_FULL, []
    usable = tuple(_outbound(shown, call.trunks))
    free = [
        trunk
        for trunk in usable
        if call.loads.can_take(trunk, call.now, 1 + (trunk == call.trunk_in))
    ]
    return (RefusalReason.TRUNK_FULL if usable else RefusalReason.NO_TRUNK), free


def _reach(call: _Call, held: Held, heard: Heard | None) -> Decision:
    """Ring the other side of the session, or say why not."""
    lease, session, pool = held.lease, held.session, call.pool

    def refused(reason: RefusalReason) -> Refusal:
        return _refusal(Tell(reason, held, heard), pool, call.number)

    if held.blocked:
        return refused(RefusalReason.BLOCKED)
    if not call.loads.can_take(call.trunk_in, call.now):
        return refused(RefusalReason.TRUNK_FULL)
    callee = session.other(lease.role)
    out = session.lease(callee.role)
    attempts: list[Attempt] = []
    reason = RefusalReason.CALLEE_UNREACHABLE
    match session.channel_policy:
        case ChannelPolicy.APP_THEN_GSM | ChannelPolicy.GSM_ONLY:
            if (
                callee.phone is not None
                and callee.phone != call.caller
                and out is not None
                and out.state(call.now) is LeaseState.LIVE
            ):
                reason, free = _ways_out(call, out.number)
                if free:
                    attempts.append(_gsm(callee.phone, out.number, free, pool))
        case ChannelPolicy.APP_ONLY:
            pass  # there are no app endpoints yet
        case never:
            assert_never(never)
    if not attempts:
        return refused(reason)
    return Plan(
        session_id=session.id,
        caller=lease.role,
        callee=callee.role,
        number_in=call.number.e164,
        number_out=None if out is None else out.number.e164,
        attempts=tuple(attempts),
        language=pool.language,
        max_call_s=pool.max_call_s,
        warn_before_s=pool.rules.ending.warn_before_s,
        heard=heard,
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


def _refusal(tell: Tell, pool: Pool, number: ProxyNumber | None = None) -> Refusal:
    announcement, cause = REFUSALS[tell.reason]
    lease = None if tell.held is None else tell.held.lease
    return Refusal(
        reason=tell.reason,
        announcement=announcement,
        cause=cause,
        language=pool.language,
        session_id=lease.session_id if lease else None,
        caller=lease.role if lease else None,
        number_in=number.e164 if number else None,
        heard=tell.heard,
    )


def _read(raw: str, trunk: Trunk) -> Phone | None:
    try:
        return parse_sip(raw, trunk)
    except InvalidPhone:
        return None
