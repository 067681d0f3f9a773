"""Inspections over HTTP: whom a number reaches for a caller, and why.

The caller's phone comes in a body, never in a URL, and does not go out again: not in the answer,
not in the log, which keeps who asked about which proxy number.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection

from api.errors import FieldError, ValidationFailed
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoQuery
from api.schemas.inspection import (
    AsOfOut,
    InspectionIn,
    InspectionOut,
    LeaseOut,
    ListingOut,
    PersonOut,
    PromptOut,
)
from masking.inspection import Finding, Question, sentence
from masking.known import OWN_SLOT, Held, OpenLink
from masking.listing import ListingNumber
from masking.model import Participant, Phone
from masking.plan import Plan, Prompt, Refusal
from storage import inspection
from storage.keys import KeyRole

_audit: Final = logging.getLogger("maskline.audit")
_OF_THEN: Final = ["leases", "sessions", "listings"]
_OF_NOW: Final = ["blocks", "pool rules", "trunks", "wrong PINs"]


async def inspect(request: Request[InspectionIn, NoQuery]) -> Answer:
    """Whom the number reaches for the caller."""
    sent, now, services = request.body, request.now, request.services
    at = now if sent.at is None else sent.at
    if at > now:
        detail = "give a past moment, or none for now: what is to come is not known"
        raise ValidationFailed(errors=[FieldError("at", detail)])
    caller = None if sent.caller is None else Phone(sent.caller)
    question = Question(Phone(sent.number), caller, tuple(sent.digits))
    number: Phone | None = None

    def work(conn: Connection) -> Answer:
        nonlocal number
        found = inspection.look(conn, services.vault, question, at=at, now=now)
        number = None if found.facts.number is None else found.facts.number.e164
        return answer(_out(found, at, now))

    made = await request.commit(work)
    who = "nobody" if request.key is None else f"{request.key.id} ({request.key.role.value})"
    what = number or "no number of ours"  # which may be somebody's phone
    _audit.info("%s inspected %s at %s", who, what, at.isoformat(timespec="milliseconds"))
    return made


def _out(found: Finding, at: datetime, now: datetime) -> InspectionOut:
    outcome, held = found.outcome, found.held
    number = found.facts.number
    past = at < now
    return InspectionOut(
        number=None if number is None else number.e164,
        at=at,
        decision=_decision(found),
        sentence=sentence(found),
        reason=outcome.reason if isinstance(outcome, Refusal) else None,
        announcement=outcome.announcement if isinstance(outcome, Refusal) else None,
        prompt=_prompt(outcome) if isinstance(outcome, Prompt) else None,
        session_id=None if held is None else held.session.id,
        conversation_id=None if held is None else held.session.conversation_id,
        caller=None if held is None else _person(held.session.participant(held.lease.role)),
        callee=_callee(found),
        shown=outcome.number_out if isinstance(outcome, Plan) else None,
        lease=None if held is None else _lease(held, at),
        listing=_listing(found),
        platform=found.platform,
        as_of=AsOfOut(
            then=_OF_THEN if past else [*_OF_THEN, *_OF_NOW], now=_OF_NOW if past else []
        ),
    )


def _decision(found: Finding) -> Literal["reach", "divert", "refuse", "ask", "open_link"]:
    match found.outcome:
        case Plan():
            return "divert" if found.held is None else "reach"
        case Refusal():
            return "refuse"
        case Prompt():
            return "ask"
        case OpenLink():
            return "open_link"


def _callee(found: Finding) -> PersonOut | None:
    match found.outcome:
        case OpenLink(listing=listing):
            return _person(listing.callee)
        case Plan() if found.held is not None:
            return _person(found.held.session.other(found.held.lease.role))
        case _:
            return None


def _listing(found: Finding) -> ListingOut | None:
    shown: ListingNumber | None = found.facts.shown
    if isinstance(found.outcome, OpenLink):
        shown = found.outcome.listing
    if shown is None:
        return None
    return ListingOut(
        listing_number_id=shown.id, listing_id=shown.listing.id, callee=_person(shown.callee)
    )


def _person(one: Participant) -> PersonOut:
    return PersonOut(role=one.role, user_id=one.user_id)


def _prompt(prompt: Prompt) -> PromptOut:
    return PromptOut(
        question=prompt.asked.question,
        digits_min=prompt.digits_min,
        digits_max=prompt.digits_max,
        attempts=prompt.attempts,
    )


def _lease(held: Held, at: datetime) -> LeaseOut:
    lease = held.lease
    return LeaseOut(
        state=lease.state(at),
        number=lease.number.e164,
        extension=lease.extension,
        enrolled=held.slot != OWN_SLOT,
        expires_at=lease.expires_at,
        reserved_until=lease.reserved_until,
        why=dict(lease.why),
    )


ROUTES: Final = (
    Route(
        "inspect",
        "POST",
        "/v1/inspections",
        "Find out whom a number reaches for a caller",
        Tag.NUMBERS,
        inspect,
        roles=frozenset({KeyRole.OPERATOR, KeyRole.STAFF}),
        body=InspectionIn,
        answers=InspectionOut,
        description=(
            "Asks the very functions that decide calls, now or for a past moment; nothing is rung, "
            "opened, counted or asked because of it. Leases, sessions and listings are those of "
            "that moment; `as_of` says which facts are of now. The answer holds no phone. Who "
            "asked about which proxy number is logged."
        ),
    ),
)
