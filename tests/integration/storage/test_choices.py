"""Callers who choose between a conversation and a listing: the rule, and what it writes."""

from __future__ import annotations

import os
from datetime import timedelta

from masking.load import TrunkLoads
from masking.model import Phone
from masking.plan import Asked, Decision, Offer, Plan, Prompt, Question
from maskline.routes import StoredRoutes, TrunkBook
from storage import Database, listings, sessions
from tests.support.listings import CALLER, a_listing, created, link, shop
from tests.support.storage import NOW, TRUNK, a_vault


async def test_a_late_caller_who_chooses_the_listing_reaches_its_seller_at_once(
    db: Database,
) -> None:
    """The lease that cooled gives way to the new one between the question and the plan."""
    vault, later = a_vault(), NOW + timedelta(minutes=1)
    await shop(db, vault, size=1)
    before = await created(db, vault, a_listing(1))
    earlier = await link(db, vault, before)
    await db.write(lambda conn: listings.close(conn, before.id, NOW))
    await db.write(lambda conn: sessions.close(conn, earlier.session.id, NOW))
    await db.write(lambda conn: listings.sweep(conn, later))
    wanted = await created(db, vault, a_listing(2), now=later)
    assert before.shown is not None
    number = before.shown.number.e164
    routes = StoredRoutes(db, vault, TrunkBook(vault), lambda: later, entropy=os.urandom)

    async def call(asked: Asked | None = None, digits: str | None = None) -> Decision:
        offer = Offer("cal_1", "n1", "PJSIP/x", TRUNK.name, number, CALLER, later, asked, digits)
        return await routes.decide(offer, TrunkLoads())

    question = await call()
    assert isinstance(question, Prompt)
    assert question.asked.question is Question.LISTING
    plan = await call(question.asked, "1")

    assert isinstance(plan, Plan)
    assert rung(plan) == {wanted.callee.phone}


def rung(plan: Plan) -> set[Phone]:
    return {Phone(step.dial) for attempt in plan.attempts for step in attempt.steps}
