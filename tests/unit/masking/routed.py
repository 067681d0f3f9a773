"""What is known of an offer, and what a decision about it comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from masking.load import TrunkLoads
from masking.plan import Decision, Offer, Plan, Refusal, RefusalReason
from masking.routing import REFUSALS, RoutingFacts, decide
from tests.unit.masking.given import NOW, a_session, an_offer, facts_for_buyer

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MS = timedelta(milliseconds=1)
FACTS = facts_for_buyer(a_session())
R = RefusalReason


def with_held(facts: RoutingFacts = FACTS, **changes: Any) -> RoutingFacts:  # noqa: ANN401
    """The facts with another lease, session or block."""
    (mine,) = facts.held
    return replace(facts, held=(replace(mine, **changes),))


def decided(
    facts: RoutingFacts = FACTS,
    offer: Offer | None = None,
    *,
    loads: TrunkLoads | None = None,
    now: datetime = NOW,
) -> Decision:
    return decide(offer or an_offer(), facts, loads or TrunkLoads(), now)


def plan(facts: RoutingFacts = FACTS, *, loads: TrunkLoads | None = None) -> Plan:
    decision = decided(facts, loads=loads)
    assert isinstance(decision, Plan)
    return decision


def refusal(
    facts: RoutingFacts = FACTS,
    offer: Offer | None = None,
    *,
    loads: TrunkLoads | None = None,
    now: datetime = NOW,
) -> Refusal:
    decision = decided(facts, offer, loads=loads, now=now)
    assert isinstance(decision, Refusal)
    assert (decision.announcement, decision.cause) == REFUSALS[decision.reason]
    return decision


def trunks_tried(decision: Plan) -> list[str]:
    (attempt,) = decision.attempts
    return [step.trunk for step in attempt.steps]


def full(*names: str) -> TrunkLoads:
    loads = TrunkLoads()
    for name in names:
        loads.adopt(f"cal_{name}", [name] * 100, NOW)
    return loads
