"""Whom a number reaches for a caller, and why: asked of the very code that decides calls.

The caller's phone comes in a form and goes no further: neither into an address, nor a log, nor back
onto the page. Nothing is rung, opened or counted because of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from aiohttp import web
from sqlalchemy import Connection

from api.console.look_act import Deed, remember
from api.console.look_fields import Wrong, as_phone, flag, moment, phone, required, text
from api.console.page import Page, Visit
from api.console.render import render
from masking.inspection import MOST_ANSWERS, Finding, Question
from masking.known import OWN_SLOT, Held, OpenLink
from masking.model import Participant, Phone
from masking.plan import Decision, Plan, Prompt, Refusal
from masking.staff import Right
from storage import inspection, numbers
from storage.audit import Action

_LONGEST_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence: the key of its text, and what is put into it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found, as the page shows it."""

    finding: Finding
    tone: str  # ok, warn, bad, calm
    decision: Said
    reasons: tuple[Said, ...]  # what it follows from, in the order in which it is decided
    caller: Participant | None  # as whom the caller calls
    callee: Participant | None
    asks_more: bool  # the caller would be asked, and may be answered for
    at: datetime
    past: bool


async def ask(visit: Visit) -> web.StreamResponse:
    """The form, empty but for a proxy number in the address."""
    return _page(visit, number=visit.asked("number"))


async def inspect(visit: Visit) -> web.StreamResponse:
    """The decision, and why."""
    form, now, services = visit.form, visit.now, visit.services
    number_typed = visit.sent("number")[:40]
    try:
        withheld = flag(form, "withheld")
        number = required(phone(form, "number"), "number")
        caller = None if withheld else required(phone(form, "caller"), "caller")
        at = moment(form, "at", visit.account.time_zone) or now
        answers = tuple(_digits(visit))
        if at > now:
            raise Wrong("at")
    except Wrong as error:
        kept = await _if_ours(visit, number_typed)
        return _page(visit, number=kept, wrong=error, status=422)
    question = Question(Phone(number), None if caller is None else Phone(caller), answers)

    def work(conn: Connection) -> Finding:
        return inspection.look(conn, services.vault, question, at=at, now=now)

    found = await services.db.read(work)
    ours = found.facts.number
    shown = shown_of(found, at, now, len(answers))
    facts = {"decision": shown.decision.key, "at": at.isoformat(timespec="milliseconds")}
    wanted = None if ours is None else ours.e164  # else it may be somebody's phone
    await remember(visit, Deed(Action.NUMBER_INSPECTED, "number", wanted, facts))
    if visit.partial:
        return render(visit, "look/finding.html", one=shown)
    return _page(visit, number=number_typed if ours is not None else "", found=shown)


async def _if_ours(visit: Visit, typed: str) -> str:
    """What was typed as the number, if it is one of ours: else it may be somebody's phone."""
    try:
        wanted = as_phone(typed, "number")
    except Wrong:
        return ""
    return typed if await visit.services.db.read(lambda conn: numbers.known(conn, [wanted])) else ""


def shown_of(found: Finding, at: datetime, now: datetime, answered: int) -> Shown:
    """`found` in sentences. No phone of a participant is in any of them."""
    caller, callee = _people(found)
    tone, decision = _decision(found)
    return Shown(
        finding=found,
        tone=tone,
        decision=decision,
        reasons=tuple(_reasons(found, at)),
        caller=caller,
        callee=callee,
        asks_more=isinstance(found.outcome, Prompt) and answered < MOST_ANSWERS,
        at=at,
        past=at < now,
    )


def _people(found: Finding) -> tuple[Participant | None, Participant | None]:
    held = found.held
    if isinstance(found.outcome, OpenLink):
        return None, found.outcome.listing.callee
    if held is None:
        return None, None
    session, role = held.session, held.lease.role
    return session.participant(role), session.other(role)


def _decision(found: Finding) -> tuple[str, Said]:
    match found.outcome:
        case Plan():
            caller, callee = _people(found)
            if caller is None or callee is None:
                return "warn", Said("divert")
            people = {
                "caller": caller.user_id,
                "callee": callee.user_id,
                "caller_role": caller.role.value,
                "callee_role": callee.role.value,
            }
            return "ok", Said("reach", people)
        case Refusal() as refusal:
            return "bad", Said("refuse", {"reason": refusal.reason.value})
        case Prompt() as prompt:
            asked = {"question": prompt.asked.question.value, "n": prompt.digits_max}
            return "warn", Said("ask", asked)
        case OpenLink(listing=listing):
            return "ok", Said("open_link", {"listing": listing.listing.id})
        case never:
            assert_never(never)


def _reasons(found: Finding, at: datetime) -> Iterator[Said]:
    """Fact by fact, as the decision goes through them."""
    facts = found.facts
    if facts.number is None:
        yield Said("number_unknown")
    else:
        yield Said("number", {"pool": facts.number.pool, "trunk": facts.number.trunk})
    if facts.shown is not None:
        yield Said("listing", {"listing": facts.shown.listing.id})
    if found.held is not None:
        yield from _of_lease(found.held, at)
    elif facts.number is not None and not facts.held and facts.over is None:
        yield Said("no_lease")
    elif len(facts.held) > 1:
        yield Said("several", {"n": len(facts.held)})
    if found.platform is not None:
        yield Said("platform", {"why": found.platform.value})
    yield from _of_outcome(found.outcome)


def _of_lease(held: Held, at: datetime) -> Iterator[Said]:
    yield Said(f"lease_{held.lease.state(at).value}", {"role": held.lease.role.value})
    if held.slot != OWN_SLOT:
        yield Said("enrolled")
    yield Said(f"session_{held.session.state(at).value}")
    if held.blocked:
        yield Said("blocked")


def _of_outcome(outcome: Decision | OpenLink) -> Iterator[Said]:
    match outcome:
        case Plan() as plan:
            if plan.attempts:
                yield Said("attempts", {"channels": [one.channel.value for one in plan.attempts]})
            if plan.number_out is not None:
                yield Said("shown", {"number": plan.number_out})
        case Refusal() as refusal if refusal.announcement is not None:
            yield Said("hears", {"announcement": refusal.announcement.value})
        case _:
            pass


def _digits(visit: Visit) -> Iterator[str]:
    """What the caller would type, question by question. Raises Wrong."""
    for n in range(MOST_ANSWERS):
        name = f"digits{n + 1}"
        try:
            found = text(visit.form, name, longest=_LONGEST_DIGITS)
        except Wrong:
            raise Wrong(name, says="digits") from None
        if found is None:
            return
        if not (found.isascii() and found.isdigit()):
            raise Wrong(name, says="digits")
        yield found


def _page(
    visit: Visit,
    *,
    number: str,
    wrong: Wrong | None = None,
    found: Shown | None = None,
    status: int = 200,
) -> web.StreamResponse:
    template = "look/inspect.html"
    return render(
        visit,
        template,
        status,
        number=number,
        withheld=flag(visit.form, "withheld"),
        at=visit.sent("at")[:19],
        wrong=wrong,
        one=found,
        answers=range(1, MOST_ANSWERS + 1),
    )


PAGES: Final = (
    Page("GET", "/console/inspect", ask, Right.INSPECT),
    Page("POST", "/console/inspect", inspect, Right.INSPECT, refusal=Action.NUMBER_INSPECTED),
)
