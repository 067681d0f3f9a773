"""Whom a number reaches for a caller, and why: the call path's own decision, asked without a call.

Decides nothing itself: `routing.rule` does, on facts that somebody else looks up. Nothing is
opened, counted or asked because of it, and no text of it ever holds a phone of a participant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from masking.known import (
    Answer,
    AskPlatform,
    Callee,
    Held,
    LookUp,
    OpenLink,
    RoutingFacts,
    Told,
    Why,
)
from masking.model import Phone
from masking.plan import Asked, Decision, Offer, Plan, Prompt, Refusal, RefusalReason
from masking.routing import Ruling, rule
from masking.trunks import NumberFormat, Trunk

MOST_ANSWERS: Final = 3  # that a caller may have typed: more questions are never asked

_WHY: Final = {
    RefusalReason.UNKNOWN_NUMBER: "the number is none of ours",
    RefusalReason.UNKNOWN_CALLER: "the caller has no lease on the number",
    RefusalReason.WITHHELD_CALLER: "the caller withholds their number",
    RefusalReason.COOLING: "the caller's lease is cooling down",
    RefusalReason.SESSION_CLOSED: "the caller's last session on the number was closed",
    RefusalReason.SESSION_EXPIRED: "the caller's last session on the number has expired",
    RefusalReason.BLOCKED: "one of the two has blocked the other",
    RefusalReason.TRUNK_FULL: "the trunk is full",
    RefusalReason.NO_TRUNK: "no trunk brings or takes the call",
    RefusalReason.CALLEE_UNREACHABLE: "the session permits no way to the other side",
    RefusalReason.WRONG_PIN: "no right PIN was typed",
    RefusalReason.PIN_LOCKED: "too many wrong PINs were typed",
    RefusalReason.WRONG_EXTENSION: "no extension of the caller's was typed",
    RefusalReason.NOTHING_CHOSEN: "the caller did not say whom they mean",
    RefusalReason.TOO_MANY_LISTINGS: "the caller has called too many listings today",
    RefusalReason.POOL_EXHAUSTED: "the pool has no number left",
    RefusalReason.PLATFORM_REFUSED: "the platform refused",
    RefusalReason.PLATFORM_SILENT: "the platform did not answer",
    RefusalReason.NOT_A_PARTICIPANT: "the caller takes no part in the session",
    RefusalReason.IN_APP_OFF: "the other side takes no calls in the app",
    RefusalReason.QUIET_HOURS: "it is the other side's quiet hours",
    RefusalReason.UNANSWERED_IN_ROW: "too many calls in a row were not answered",
    RefusalReason.PAIR_AN_HOUR: "the caller has called the other side too often within an hour",
    RefusalReason.CALLER_AN_HOUR: "the caller has called too often within an hour",
    RefusalReason.DISK_FULL: "the disk of the node's event file is full",
    RefusalReason.OVERLOADED: "the node begins as many calls as it may",
    RefusalReason.NO_CONTROLLER: "nobody decided",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out. `repr` never shows the caller."""

    number: Phone
    caller: Phone | None  # None: withheld
    answers: tuple[str, ...] = ()  # what the caller types when asked, question by question

    def __repr__(self) -> str:
        return f"Question(number={self.number!r})"


@dataclass(frozen=True, slots=True)
class Finding:
    """What would happen, and what it follows from."""

    outcome: Decision | OpenLink
    facts: RoutingFacts
    held: Held | None = None  # the lease by which the caller is put through, or refused
    platform: Why | None = None  # it would be asked first; the rest is what follows if it says: on


Look = Callable[[Asked | None, str | None], RoutingFacts]
"""The facts when nothing was typed yet, or after an answer to a question."""


LookedUp = Callable[[LookUp, RoutingFacts], Callee]
"""What is known of the one who would be reached, by these facts."""


def _nothing(wanted: LookUp, _: RoutingFacts) -> Callee:
    """Of somebody who chose nothing and has no app."""
    return Callee(wanted.session.id, wanted.session.other(wanted.caller).role)


def inspect(
    question: Question,
    look: Look,
    trunks: Sequence[Trunk],
    now: datetime,
    look_up: LookedUp = _nothing,
) -> Finding:
    """Whom the number reaches at `now`, and why. There is room on every trunk."""
    read_alike = tuple(replace(trunk, number_format=NumberFormat.E164) for trunk in trunks)
    answers = list(question.answers)
    asked: Asked | None = None
    typed: str | None = None
    told: Told | None = None
    platform: Why | None = None
    callee: Callee | None = None
    while True:
        facts = replace(look(asked, typed), told=told, trunks=read_alike)
        facts = replace(facts, callee=callee or facts.callee)
        found = rule(_offer(question, facts, asked, typed, now), facts, _Roomy(), now)
        match found:
            case AskPlatform():
                told, platform = Told(Answer.CONTINUE), platform or found.why
            case LookUp():
                callee = look_up(found, facts)
            case Ruling(Prompt() as prompt) if answers:
                asked, typed = prompt.asked, answers.pop(0)
            case Ruling(decision):
                return Finding(decision, facts, _held(decision, facts), platform)
            case OpenLink():
                return Finding(found, facts, platform=platform)
            case never:
                assert_never(never)


def sentence(found: Finding) -> str:
    """The finding in words, without a full stop."""
    said = _outcome(found)
    if found.platform is not None:
        return (
            f"the platform is asked first ({found.platform.value}); if it has no objection, {said}"
        )
    return said


class _Roomy:
    """How full trunks are is no matter of whom a number reaches."""

    def can_take(self, trunk: Trunk, now: datetime, channels: int = 1) -> bool:
        """Always."""
        return True


def _offer(
    question: Question, facts: RoutingFacts, asked: Asked | None, typed: str | None, now: datetime
) -> Offer:
    trunk = "" if facts.number is None else facts.number.trunk
    if facts.number is None and facts.trunks:  # then any that brings calls will do
        trunk = next((one.name for one in facts.trunks if one.enabled and one.inbound), "")
    return Offer(
        call_id="",
        node="",
        channel="",
        trunk=trunk,
        called=question.number,
        caller=question.caller,
        at=now,
        asked=asked,
        digits=typed,
    )


def _held(decision: Decision, facts: RoutingFacts) -> Held | None:
    """The lease that the decision speaks of."""
    if isinstance(decision, Prompt):
        return None
    known = (*facts.held, facts.over, facts.by_pin)
    for held in known:
        if held is not None and (held.session.id, held.lease.role) == (
            decision.session_id,
            decision.caller,
        ):
            return held
    return None


def _outcome(found: Finding) -> str:
    match found.outcome:
        case Plan() as plan if found.held is None:
            return f"the call goes to the pool's fixed destination, which sees {plan.number_out}"
        case Plan() as plan:
            assert found.held is not None
            session, role = found.held.session, found.held.lease.role
            caller, callee = session.participant(role), session.other(role)
            return (
                f"the {caller.role.value} {caller.user_id} reaches the {callee.role.value} "
                f"{callee.user_id}, who sees {plan.number_out}"
            )
        case Refusal() as refusal:
            why = _WHY[refusal.reason]
            hears = "nothing" if refusal.announcement is None else refusal.announcement.value
            return f"nobody is rung, for {why}; the caller hears {hears}"
        case Prompt() as prompt:
            most, least = prompt.digits_max, prompt.digits_min
            digits = f"{least} to {most} digits" if least != most else f"{most} digits"
            return f"the caller is asked for {digits} ({prompt.asked.question.value})"
        case OpenLink() as link:
            listing, callee = link.listing.listing, link.listing.callee
            return (
                f"a new caller of listing {listing.id} reaches the {callee.role.value} "
                f"{callee.user_id} through a session that is opened by the call"
            )
        case never:
            assert_never(never)
