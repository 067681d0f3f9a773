"""What stands behind a number that is dialled, and what a decision about it comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from masking.known import Callee, Held, LookUp, RoutingFacts
from masking.listing import Link, ListingNumber, Shown
from masking.load import TrunkLoads
from masking.model import Listing, Participant, Phone, Pool, Role, Session
from masking.plan import Asked, Offer, Plan, Prompt, Question, Refusal, RefusalReason
from masking.routing import Ruling, rule
from masking.rules import HookRules, Late, PinRules, PoolRules, Stranger, StrangerRules
from tests.unit.masking.given import (
    CARRIER_A,
    CARRIER_B,
    DRAFT,
    NOW,
    ONE,
    POOL,
    a_session,
    an_offer,
    held,
)

WEEK = timedelta(days=7)
STRANGER = Phone("+79031112233")
DESK = Phone("+74957654321")
OLGA = Phone("+79150001122")
R = RefusalReason
HOOK = HookRules("https://platform.example/hook")


def pool(
    *,
    unknown: Stranger = Stranger.ANNOUNCE,
    withheld: Stranger = Stranger.ANNOUNCE,
    **more: Any,  # noqa: ANN401
) -> Pool:
    strangers = StrangerRules(
        unknown, withheld, more.pop("late", Late.ANNOUNCE), more.pop("pin", PinRules())
    )
    return replace(POOL, rules=PoolRules(strangers=strangers, **more))


def facts(*mine: Held, **more: Any) -> RoutingFacts:  # noqa: ANN401
    return RoutingFacts(
        **{"number": ONE, "pool": POOL, "held": mine, "trunks": (CARRIER_A, CARRIER_B), **more}
    )


def typed(
    digits: str,
    question: Question,
    attempt: int = 1,
    caller: str | None = STRANGER,
    **more: Any,  # noqa: ANN401
) -> Offer:
    return replace(an_offer(caller=caller), asked=Asked(question, attempt, **more), digits=digits)


def ruled(known: RoutingFacts, offer: Offer) -> Ruling:
    found = rule(offer, known, TrunkLoads(), NOW)
    if isinstance(found, LookUp):
        callee = found.session.other(found.caller)
        known = replace(known, callee=Callee(found.session.id, callee.role))
        found = rule(offer, known, TrunkLoads(), NOW)
    assert isinstance(found, Ruling)
    return found


def prompt(known: RoutingFacts, offer: Offer) -> Prompt:
    decision = ruled(known, offer).decision
    assert isinstance(decision, Prompt)
    return decision


def refused(known: RoutingFacts, offer: Offer) -> Refusal:
    decision = ruled(known, offer).decision
    assert isinstance(decision, Refusal)
    return decision


def rings(known: RoutingFacts, offer: Offer) -> set[str]:
    """Whom the decision rings."""
    decision = ruled(known, offer).decision
    return dialled_by(decision) if isinstance(decision, Plan) else set()


def dialled_by(plan: Plan) -> set[str]:
    return {step.dial for attempt in plan.attempts for step in attempt.steps}


def a_pin(digits: str = "123456", session: Session | None = None) -> Held:
    mine = held(session or a_session())
    return replace(mine, lease=replace(mine.lease, pin=digits))


def with_extension(digits: str, whom: Phone = OLGA) -> Held:
    """Another session of the buyer's on the same number, after `digits`."""
    buyer, seller = DRAFT.participants
    session = replace(a_session(), id="ses_2", participants=(buyer, replace(seller, phone=whom)))
    leases = tuple(replace(one, session_id="ses_2") for one in session.leases)
    session = replace(session, leases=(replace(leases[0], extension=digits), leases[1]))
    return held(session)


def a_listing(callee: Phone = OLGA, extension: str = "", new_id: str = "lst_1") -> ListingNumber:
    return ListingNumber(
        id=new_id,
        listing=Listing("L-7"),
        pool="default",
        callee=Participant(Role.SELLER, "u-7", callee),
        created_at=NOW,
        expires_at=NOW + WEEK,
        shown=Shown(ONE, extension, NOW),
    )


def a_link(
    listing: ListingNumber, caller: Phone = STRANGER, callee: Phone = OLGA
) -> tuple[Session, Link]:
    buyer, seller = DRAFT.participants
    session = replace(
        a_session(),
        participants=(replace(buyer, phone=caller), replace(seller, phone=callee)),
        listing_number_id=listing.id,
    )
    return session, Link(session, session.leases[0], opened=True)
