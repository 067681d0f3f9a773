"""A number that stands for several things: what the caller is asked, and what they choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masking import lifecycle
from masking.dialled import QUESTIONS
from masking.known import OpenLink
from masking.listing import LinkRefusal
from masking.load import TrunkLoads
from masking.plan import Asked, Heard, Offer, Plan, Question, RefusalReason, Went
from masking.routing import rule
from tests.unit.masking.dialled import (
    OLGA,
    STRANGER,
    WEEK,
    R,
    a_link,
    a_listing,
    dialled_by,
    facts,
    prompt,
    refused,
    rings,
    ruled,
    typed,
    with_extension,
)
from tests.unit.masking.given import ANNA, NOW, PETR, POOL, a_session, an_offer, held


class TestExtensions:
    PLAIN = held(a_session())
    OTHER = with_extension("345")

    def test_whoever_holds_several_leases_is_asked_which(self) -> None:
        asked = prompt(facts(self.PLAIN, self.OTHER), an_offer())

        assert asked.asked == Asked(Question.EXTENSION)
        assert asked.digits_max == 3

    def test_a_lease_with_an_extension_alone_is_asked_for_too(self) -> None:
        assert prompt(facts(self.OTHER), an_offer()).asked.question is Question.EXTENSION

    def test_digits_pick_the_lease(self) -> None:
        known = facts(self.PLAIN, self.OTHER)

        plan = ruled(known, typed("345", Question.EXTENSION, caller=ANNA)).decision

        assert isinstance(plan, Plan)
        assert (dialled_by(plan), plan.session_id) == ({OLGA}, "ses_2")
        assert plan.heard == Heard(Question.EXTENSION, 1, Went.OK)

    def test_silence_picks_the_plain_number(self) -> None:
        known = facts(self.PLAIN, self.OTHER)

        assert rings(known, typed("", Question.EXTENSION, caller=ANNA)) == {PETR}

    def test_silence_picks_nobody_where_there_is_no_plain_one(self) -> None:
        silent = typed("", Question.EXTENSION, caller=ANNA)

        assert prompt(facts(self.OTHER), silent).asked.attempt == 2
        last = replace(silent, asked=Asked(Question.EXTENSION, QUESTIONS))
        assert refused(facts(self.OTHER), last).reason is R.WRONG_EXTENSION

    @pytest.mark.parametrize("digits", ["3", "34", "3456", "0345", "346"])
    def test_digits_that_are_nearly_right_pick_nobody(self, digits: str) -> None:
        known = facts(self.PLAIN, self.OTHER)

        again = prompt(known, typed(digits, Question.EXTENSION, caller=ANNA))

        assert again.heard == Heard(Question.EXTENSION, 1, Went.WRONG)

    def test_a_cooling_one_rings_nobody(self) -> None:
        closed = lifecycle.close(self.OTHER.session, cool_down=WEEK, now=NOW)
        known = facts(self.PLAIN, held(closed))

        told = refused(known, typed("345", Question.EXTENSION, caller=ANNA))

        assert (told.reason, told.session_id) == (R.COOLING, "ses_2")

    def test_late_for_several_rings_nobody_and_names_none(self) -> None:
        closed = [
            held(lifecycle.close(one.session, cool_down=WEEK, now=NOW))
            for one in (self.PLAIN, self.OTHER)
        ]

        told = refused(facts(*closed), an_offer())

        assert (told.reason, told.session_id) == (R.COOLING, None)

    def test_a_shared_listing_number_asks_everybody(self) -> None:
        known = facts(shares=True)

        assert prompt(known, an_offer(caller=STRANGER)).digits_max == 5
        assert prompt(facts(self.PLAIN, shares=True), an_offer()).attempts > 0

    def test_and_digits_lead_to_the_listing(self) -> None:
        shown = a_listing(extension="12345")
        known = facts(shares=True, shown=shown)

        found = rule(typed("12345", Question.EXTENSION), known, TrunkLoads(), NOW)

        assert found == OpenLink(shown, "12345", None)


class TestAListing:
    def test_gives_a_new_caller_a_way_to_its_seller(self) -> None:
        shown = a_listing()
        known = facts(shown=shown)

        found = rule(an_offer(caller=STRANGER), known, TrunkLoads(), NOW)

        assert found == OpenLink(shown, "", None)
        _, link = a_link(shown)
        assert rings(replace(known, link=link), an_offer(caller=STRANGER)) == {OLGA}

    @pytest.mark.parametrize(
        ("why", "reason"),
        [
            (LinkRefusal.OVER, R.UNKNOWN_CALLER),
            (LinkRefusal.TOO_MANY, R.TOO_MANY_LISTINGS),
            (LinkRefusal.BLOCKED, R.BLOCKED),
            (LinkRefusal.EXHAUSTED, R.POOL_EXHAUSTED),
        ],
    )
    def test_says_why_there_is_no_way(self, why: LinkRefusal, reason: RefusalReason) -> None:
        known = facts(shown=a_listing(), link=why)

        assert refused(known, an_offer(caller=STRANGER)).reason is reason

    def test_a_link_of_somebody_else_or_to_another_listing_is_no_link(self) -> None:
        shown = a_listing()
        _, others = a_link(shown, caller=ANNA)
        _, elsewhere = a_link(a_listing(new_id="lst_2"))

        for link in (others, elsewhere):
            known = facts(shown=shown, link=link)
            assert refused(known, an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_is_reached_by_its_caller_again_without_a_question(self) -> None:
        shown = a_listing()
        session, _ = a_link(shown)

        assert rings(facts(held(session), shown=shown), an_offer(caller=STRANGER)) == {OLGA}

    def test_cannot_be_called_by_nobody(self) -> None:
        known = facts(shown=a_listing())

        assert refused(known, an_offer(caller=None)).reason is R.WITHHELD_CALLER

    def test_that_rested_long_enough_is_no_meaning(self) -> None:
        shown = a_listing()
        assert shown.shown is not None
        hidden = replace(shown.shown, hidden_at=NOW - POOL.rules.listings.rest)

        told = refused(facts(shown=replace(shown, shown=hidden)), an_offer(caller=STRANGER))

        assert told.reason is R.UNKNOWN_CALLER

    def test_at_another_place_is_no_meaning(self) -> None:
        known = facts(shown=a_listing(extension="77"))

        assert refused(known, an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_of_ones_own_is_no_meaning(self) -> None:
        known = facts(held(a_session()), shown=a_listing(ANNA))

        assert rings(known, an_offer()) == {PETR}


class TestTwoMeanings:
    MINE = held(a_session())
    SHOWN = a_listing()
    BOTH = facts(MINE, shown=SHOWN)
    ASKED = {"session_id": "ses_1", "listing_number_id": "lst_1"}  # noqa: RUF012

    def answer(self, digits: str, question: Question = Question.WHICH, attempt: int = 1) -> Offer:
        return typed(digits, question, attempt, caller=ANNA, **self.ASKED)

    def test_are_asked_about_and_never_guessed(self) -> None:
        asked = prompt(self.BOTH, an_offer())

        assert asked.asked == Asked(Question.WHICH, 1, "", "ses_1", "lst_1")
        assert (asked.digits_max, asked.session_id) == (1, "ses_1")

    def test_one_is_the_conversation_they_had(self) -> None:
        assert rings(self.BOTH, self.answer("1")) == {PETR}

    def test_two_is_the_listing(self) -> None:
        found = rule(self.answer("2"), self.BOTH, TrunkLoads(), NOW)

        assert found == OpenLink(self.SHOWN, "", None)

    @pytest.mark.parametrize("digits", ["", "0", "3", "9"])
    def test_anything_else_is_asked_again_three_times(self, digits: str) -> None:
        assert prompt(self.BOTH, self.answer(digits)).asked.attempt == 2
        last = refused(self.BOTH, self.answer(digits, attempt=QUESTIONS))
        assert last.reason is R.NOTHING_CHOSEN

    def test_what_is_chosen_is_what_was_offered_then(self) -> None:
        """The number has come to show another listing, or the lease is another, meanwhile."""
        other = replace(self.BOTH, shown=a_listing(new_id="lst_9"))
        renewed = replace(self.MINE.session, id="ses_9")
        lease = replace(renewed.leases[0], session_id="ses_9")
        another = replace(self.BOTH, held=(replace(self.MINE, session=renewed, lease=lease),))

        assert refused(other, self.answer("2")).reason is R.NOTHING_CHOSEN
        assert refused(another, self.answer("1")).reason is R.NOTHING_CHOSEN

    def test_a_conversation_that_is_over_is_said_to_be_so(self) -> None:
        late = held(lifecycle.close(a_session(), cool_down=WEEK, now=NOW))
        known = facts(late, shown=self.SHOWN)

        assert prompt(known, an_offer()).asked.question is Question.LISTING
        chosen = rule(self.answer("1", Question.LISTING), known, TrunkLoads(), NOW)
        assert chosen == OpenLink(self.SHOWN, "", None)
        assert prompt(known, self.answer("2", Question.LISTING)).asked.attempt == 2

    def test_the_lease_that_took_the_place_of_the_one_that_is_over_leads_to_the_listing(
        self,
    ) -> None:
        session, link = a_link(self.SHOWN, caller=ANNA)
        known = facts(held(session), shown=self.SHOWN, link=link)

        assert rings(known, self.answer("1", Question.LISTING)) == {OLGA}
