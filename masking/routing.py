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
- 34, no circuit (SIP 503), 38, network out of order (SIP 500) and 42, congestion (SIP 503): trunk
  full, no trunk, node overloaded. Ours to mend; the carrier may try another route.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import assert_never

from masking.dialled import meaning, plain
from masking.e164 import parse_sip
from masking.errors import InvalidPhone
from masking.known import (
    Answer,
    AppCaller,
    AskPlatform,
    Callee,
    Deed,
    Enquiry,
    Held,
    LookUp,
    OpenLink,
    RoutingFacts,
    Told,
)
from masking.listing import LinkRefusal
from masking.meanings import Ask, Dialled, Divert, Meaning, Reach, Tell
from masking.model import Phone, Pool, ProxyNumber, SessionState
from masking.plan import (
    Announcement,
    Channel,
    Decision,
    Heard,
    Offer,
    Plan,
    Prompt,
    Refusal,
    RefusalReason,
)
from masking.reaching import MAX_STEPS, Loads, Side, Way, attempts, card_of, forbids, gsm
from masking.recording import taping
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
        RefusalReason.NOT_A_PARTICIPANT: (Announcement.NOT_IN_SERVICE, 1),
        RefusalReason.IN_APP_OFF: (Announcement.UNAVAILABLE, 20),
        RefusalReason.QUIET_HOURS: (Announcement.QUIET_HOURS, 20),
        RefusalReason.UNANSWERED_IN_ROW: (Announcement.TOO_MANY_CALLS, 21),
        RefusalReason.PAIR_AN_HOUR: (Announcement.TOO_MANY_CALLS, 21),
        RefusalReason.CALLER_AN_HOUR: (Announcement.TOO_MANY_CALLS, 21),
        RefusalReason.OVERLOADED: (Announcement.BUSY_LINES, 42),
        RefusalReason.DISK_FULL: (Announcement.BUSY_LINES, 42),
        RefusalReason.NO_CONTROLLER: (Announcement.TRY_AGAIN, 41),
    }
)
"""What the caller hears and with which cause the leg ends, for each reason."""


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
            case LookUp():
                callee = found.session.other(found.caller).role
                facts = replace(facts, callee=Callee(found.session.id, callee))
            case never:
                assert_never(never)


def rule(offer: Offer, facts: RoutingFacts, loads: Loads, now: datetime) -> Ruling | Enquiry:
    """Decide, or say what has to be found out first.

    `loads` does not count this offer yet: it needs a channel on its own trunk and one on each trunk
    that it may go out on. Each enquiry is made once: what came of it stands in the facts when this
    is called again. Never raises.
    """
    if offer.app is not None:
        return _from_app(offer, facts, loads, now)
    if offer.clicked is not None:
        return _clicked(offer, facts, loads, now)
    pool = facts.pool or Pool(facts.number.pool if facts.number else "")
    trunk_in = trunk_of(offer, facts.trunks)
    if trunk_in is None:
        return Ruling(_refusal(Tell(RefusalReason.NO_TRUNK), pool))
    who = identify(offer, trunk_in)
    number = facts.number
    if number is None or number.e164 != who.number:
        return Ruling(_refusal(Tell(RefusalReason.UNKNOWN_NUMBER), pool))
    wanted = Dialled(number, who.caller, offer.asked, offer.digits)
    way = Way(who.caller, trunk_in, facts.trunks, pool, loads, now)
    call = _Call(offer.call_id, number, way, facts.callee)
    held = plain(wanted, facts, now)
    if held is not None:
        found = _reach(call, _side_of(held), None)
        return found if isinstance(found, LookUp) else Ruling(found)
    return _carry_out(call, meaning(wanted, facts, now))


@dataclass(frozen=True, slots=True)
class _Call:
    call_id: str
    number: ProxyNumber | None  # None: called from an app
    way: Way
    callee: Callee | None

    @property
    def pool(self) -> Pool:
        return self.way.pool


def _from_app(offer: Offer, facts: RoutingFacts, loads: Loads, now: datetime) -> Ruling | Enquiry:
    """Only a participant calls a session. To anybody else it is as if there were none."""
    via = facts.via_app
    pool = facts.pool or Pool("")
    call = _Call(offer.call_id, None, Way(None, None, facts.trunks, pool, loads, now), facts.callee)
    if (
        via is None
        or via.session.id != offer.called
        or (via.until is not None and via.until <= now)
    ):
        return Ruling(_told_by_status(_refusal(Tell(RefusalReason.NOT_A_PARTICIPANT), pool)))
    found = _in_session(call, via)
    if isinstance(found, LookUp):
        return found
    return Ruling(_told_by_status(found) if isinstance(found, Refusal) else found)


def _clicked(offer: Offer, facts: RoutingFacts, loads: Loads, now: datetime) -> Ruling | Enquiry:
    """The participant who was rung first has answered, and is told what there is to say."""
    via = facts.via_app
    pool = facts.pool or Pool("")
    if via is None or via.session.id != offer.called or via.role is not offer.clicked:
        return Ruling(_refusal(Tell(RefusalReason.SESSION_CLOSED), pool))
    caller = via.session.participant(via.role).phone
    # We rang them: unlike in `trunk_of`, their trunk need not be one that brings calls.
    rang = next((one for one in facts.trunks if one.name == offer.trunk), None)
    way = Way(caller, rang, facts.trunks, pool, loads, now)
    found = _in_session(_Call(offer.call_id, None, way, facts.callee), via)
    return found if isinstance(found, LookUp) else Ruling(found)


def _in_session(call: _Call, via: AppCaller) -> Decision | LookUp:
    side = Side(via.session, via.role, via.blocked)
    found: Decision | LookUp
    match via.session.state(call.way.now):
        case SessionState.OPEN:
            found = _reach(call, side, None)
        case SessionState.CLOSED:
            found = _refused(call, side, RefusalReason.SESSION_CLOSED)
        case SessionState.EXPIRED:
            found = _refused(call, side, RefusalReason.SESSION_EXPIRED)
        case never:
            assert_never(never)
    return found


def _told_by_status(refusal: Refusal) -> Refusal:
    """An app says it in its own words."""
    return replace(refusal, announcement=None)


def _side_of(held: Held) -> Side:
    return Side(held.session, held.lease.role, held.blocked)


def _carry_out(call: _Call, found: Meaning) -> Ruling | Enquiry:
    match found:
        case Reach():
            decision = _reach(call, _side_of(found.held), found.heard)
            if isinstance(decision, LookUp):
                return decision
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
    assert call.number is not None
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
    assert call.number is not None
    reason, free = call.way.ways_out(call.number)
    if to == call.way.caller or not free:
        why = RefusalReason.CALLEE_UNREACHABLE if to == call.way.caller else reason
        return _refusal(Tell(why), call.pool, call.number)
    return Plan(
        session_id=None,
        caller=None,
        callee=None,
        number_in=call.number.e164,
        number_out=call.number.e164,
        attempts=(gsm(to, call.number, free, call.pool),),
        language=call.pool.language,
        max_call_s=call.pool.max_call_s,
        warn_before_s=call.pool.rules.ending.warn_before_s,
        call_id=call.call_id,
        taping=taping(call.pool, None),
    )


def _reach(call: _Call, side: Side, heard: Heard | None) -> Decision | LookUp:
    """Ring the other side of the session, or say why not."""
    session, pool, callee = side.session, call.pool, call.callee
    if side.blocked:
        return _refused(call, side, RefusalReason.BLOCKED, heard)
    if not call.way.room_in:
        return _refused(call, side, RefusalReason.TRUNK_FULL, heard)
    if callee is None or (callee.session_id, callee.role) != (session.id, side.callee.role):
        return LookUp(session, side.role)
    if (why := forbids(callee, pool, call.way.now)) is not None:
        return _refused(call, side, why, heard)
    found = attempts(call.way, side, callee)
    if isinstance(found, RefusalReason):
        return _refused(call, side, found, heard)
    out = session.lease(callee.role)
    in_app = any(one.channel is Channel.APP for one in found)
    return Plan(
        session_id=session.id,
        caller=side.role,
        callee=callee.role,
        number_in=None if call.number is None else call.number.e164,
        number_out=None if out is None else out.number.e164,
        attempts=found,
        language=pool.language,
        max_call_s=pool.max_call_s,
        warn_before_s=pool.rules.ending.warn_before_s,
        heard=heard,
        card=card_of(side, call.call_id) if in_app else None,
        call_id=call.call_id,
        taping=taping(pool, session),
    )


def _refused(call: _Call, side: Side, reason: RefusalReason, heard: Heard | None = None) -> Refusal:
    announcement, cause = REFUSALS[reason]
    return Refusal(
        reason=reason,
        announcement=announcement,
        cause=cause,
        language=call.pool.language,
        session_id=side.session.id,
        caller=side.role,
        number_in=None if call.number is None else call.number.e164,
        heard=heard,
    )


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
