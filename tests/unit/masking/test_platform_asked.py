"""When the platform is asked about a caller, and what its answers lead to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masking import lifecycle
from masking.known import Answer, AskPlatform, OpenLink, RoutingFacts, Told, Why
from masking.load import TrunkLoads
from masking.plan import Offer, Prompt, Question, Refusal
from masking.routing import decide, rule
from masking.rules import Late, Stranger
from tests.unit.masking.dialled import (
    HOOK,
    STRANGER,
    WEEK,
    R,
    a_listing,
    facts,
    pool,
    prompt,
    refused,
    rings,
    ruled,
    typed,
)
from tests.unit.masking.given import NOW, PETR, a_session, an_offer, held


class TestTheHook:
    def asked(self, known: RoutingFacts, offer: Offer) -> AskPlatform:
        found = rule(offer, known, TrunkLoads(), NOW)
        assert isinstance(found, AskPlatform)
        return found

    def test_is_asked_about_strangers_before_they_get_anything(self) -> None:
        known = facts(pool=pool(unknown=Stranger.PIN, withheld=Stranger.PIN, hook=HOOK))

        assert self.asked(known, an_offer(caller=STRANGER)).why is Why.UNKNOWN_CALLER
        assert self.asked(known, an_offer(caller=None)).why is Why.WITHHELD_CALLER

    def test_is_asked_about_a_listings_new_caller_and_may_name_the_conversation(self) -> None:
        shown = a_listing()
        known = facts(pool=pool(hook=HOOK), shown=shown)

        asked = self.asked(known, an_offer(caller=STRANGER))
        assert (asked.why, asked.listing) == (Why.LISTING_CALLER, shown)
        told = replace(known, told=Told(Answer.CONTINUE, conversation_id="chat-9"))
        found = rule(an_offer(caller=STRANGER), told, TrunkLoads(), NOW)
        assert found == OpenLink(shown, "", "chat-9")

    def test_is_not_asked_about_those_who_hold_a_lease(self) -> None:
        assert rings(facts(held(a_session()), pool=pool(hook=HOOK)), an_offer()) == {PETR}

    def test_is_not_asked_again_once_the_caller_was_asked_for_a_pin(self) -> None:
        known = facts(pool=pool(unknown=Stranger.PIN, hook=HOOK))

        assert prompt(known, typed("999999", Question.PIN)).attempts > 0

    def test_refuses(self) -> None:
        known = facts(pool=pool(unknown=Stranger.PIN, hook=HOOK), told=Told(Answer.REFUSE))

        assert refused(known, an_offer(caller=STRANGER)).reason is R.PLATFORM_REFUSED

    def test_continues_with_the_pools_rules(self) -> None:
        known = facts(pool=pool(unknown=Stranger.PIN, hook=HOOK), told=Told(Answer.CONTINUE))

        assert prompt(known, an_offer(caller=STRANGER)).attempts > 0

    @pytest.mark.parametrize("fail_open", [True, False])
    def test_that_is_dead_fails_open_or_closed(self, fail_open: bool) -> None:
        rules = pool(unknown=Stranger.PIN, hook=replace(HOOK, fail_open=fail_open))
        decision = ruled(
            facts(pool=rules, told=Told(Answer.SILENT)), an_offer(caller=STRANGER)
        ).decision

        if fail_open:
            assert isinstance(decision, Prompt)
        else:
            assert isinstance(decision, Refusal)
            assert decision.reason is R.PLATFORM_SILENT

    def test_connects_to_the_session_it_names(self) -> None:
        known = facts(
            pool=pool(hook=HOOK), told=Told(Answer.CONNECT, replace(held(a_session()), phone=None))
        )

        assert rings(known, an_offer(caller=STRANGER)) == {PETR}
        assert rings(known, an_offer(caller=None)) == {PETR}

    def test_connects_nobody_to_a_session_that_is_over_or_to_themselves(self) -> None:
        closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW)
        for offer, session in (
            (an_offer(caller=STRANGER), closed),
            (an_offer(caller=PETR), a_session()),
        ):
            known = facts(pool=pool(hook=HOOK), told=Told(Answer.CONNECT, held(session)))
            assert refused(known, offer).reason is R.PLATFORM_SILENT
        nothing = facts(pool=pool(hook=HOOK), told=Told(Answer.CONNECT))
        assert refused(nothing, an_offer(caller=STRANGER)).reason is R.PLATFORM_SILENT

    def test_is_asked_about_the_late_where_the_pool_wants_it(self) -> None:
        late = held(lifecycle.close(a_session(), cool_down=WEEK, now=NOW))
        ask = pool(hook=HOOK, late=Late.ASK)

        assert refused(facts(late, pool=pool(hook=HOOK)), an_offer()).reason is R.COOLING
        assert self.asked(facts(late, pool=ask), an_offer()) == AskPlatform(Why.COOLING, late)
        for answer in (Answer.CONTINUE, Answer.SILENT, Answer.REFUSE):
            known = facts(late, pool=ask, told=Told(answer))
            assert refused(known, an_offer()).reason is R.COOLING


def test_where_nobody_can_be_asked_the_platform_is_silent_and_listings_are_full() -> None:
    closed = pool(unknown=Stranger.PIN, hook=HOOK)
    offer = an_offer(caller=STRANGER)

    open_ = pool(unknown=Stranger.PIN, hook=replace(HOOK, fail_open=True))

    silent = decide(offer, facts(pool=closed), TrunkLoads(), NOW)
    full = decide(offer, facts(shown=a_listing()), TrunkLoads(), NOW)

    assert isinstance(silent, Refusal)
    assert silent.reason is R.PLATFORM_SILENT
    assert isinstance(full, Refusal)
    assert full.reason is R.POOL_EXHAUSTED
    assert isinstance(decide(offer, facts(pool=open_), TrunkLoads(), NOW), Prompt)
