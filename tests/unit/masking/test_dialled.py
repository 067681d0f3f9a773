"""What a number means to the one who dials it, and what he is asked where it means two things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import lifecycle
from masking.dialled import QUESTIONS, WITHHELD_PATIENCE
from masking.known import (
    Answer,
    AskPlatform,
    CountWrong,
    Enrol,
    ForgetWrong,
    Held,
    OpenLink,
    RoutingFacts,
    Told,
    Tries,
    UseUp,
    Why,
)
from masking.listing import Link, LinkRefusal, ListingNumber, Shown
from masking.load import TrunkLoads
from masking.model import Listing, Participant, Phone, Pool, Role, Session
from masking.plan import (
    Asked,
    Heard,
    Offer,
    Plan,
    Prompt,
    Question,
    Refusal,
    RefusalReason,
    Went,
)
from masking.routing import Ruling, decide, rule
from masking.rules import (
    EndingRules,
    HookRules,
    Late,
    PinRules,
    PoolRules,
    Stranger,
    StrangerRules,
)
from tests.unit.masking.given import (
    ANNA,
    CARRIER_A,
    CARRIER_B,
    DRAFT,
    NOW,
    ONE,
    PETR,
    POOL,
    TWO,
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


class TestAStranger:
    def test_hears_what_one_of_an_unused_number_hears(self) -> None:
        assert refused(facts(), an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_is_asked_for_a_pin_where_the_pool_says_so(self) -> None:
        asked = prompt(facts(pool=pool(unknown=Stranger.PIN)), an_offer(caller=STRANGER))

        assert asked.asked == Asked(Question.PIN)
        assert (asked.digits_min, asked.digits_max, asked.attempts) == (6, 6, 3)
        assert asked.number_in == ONE.e164
        assert asked.language is POOL.language

    def test_gets_the_fixed_destination_which_sees_the_number_dialled(self) -> None:
        known = facts(pool=pool(unknown=Stranger.STATIC), static=DESK)

        plan = ruled(known, an_offer(caller=STRANGER)).decision

        assert isinstance(plan, Plan)
        assert dialled_by(plan) == {DESK}
        assert {step.caller_id for step in plan.attempts[0].steps} == {ONE.e164}
        assert (plan.session_id, plan.caller, plan.callee) == (None, None, None)
        assert (plan.number_in, plan.number_out) == (ONE.e164, ONE.e164)

    def test_is_refused_where_there_is_no_destination(self) -> None:
        known = facts(pool=pool(unknown=Stranger.STATIC))

        assert refused(known, an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_the_destination_itself_is_not_rung_by_its_own_call(self) -> None:
        known = facts(pool=pool(unknown=Stranger.STATIC), static=DESK)

        assert refused(known, an_offer(caller=DESK)).reason is R.CALLEE_UNREACHABLE

    def test_whose_lease_is_over_is_told_so_unless_strangers_get_more(self) -> None:
        closed = lifecycle.close(a_session(), cool_down=timedelta(0), now=NOW)
        over = held(closed)

        told = refused(facts(over=over), an_offer())
        assert (told.reason, told.session_id) == (R.SESSION_CLOSED, "ses_1")
        assert prompt(facts(over=over, pool=pool(unknown=Stranger.PIN)), an_offer()).attempts > 0

    @pytest.mark.parametrize("rule_", Stranger)
    def test_withheld_callers_have_a_rule_of_their_own(self, rule_: Stranger) -> None:
        known = facts(pool=pool(withheld=rule_), static=DESK)
        decision = ruled(known, an_offer(caller=None)).decision

        match rule_:
            case Stranger.ANNOUNCE:
                assert isinstance(decision, Refusal)
                assert decision.reason is R.WITHHELD_CALLER
            case Stranger.PIN:
                assert isinstance(decision, Prompt)
            case Stranger.STATIC:
                assert isinstance(decision, Plan)


class TestAPin:
    PINS = pool(unknown=Stranger.PIN, withheld=Stranger.PIN)

    def test_reaches_the_other_side_and_enrols_the_phone(self) -> None:
        found = ruled(facts(pool=self.PINS, by_pin=a_pin()), typed("123456", Question.PIN))

        assert isinstance(found.decision, Plan)
        assert dialled_by(found.decision) == {PETR}
        assert found.decision.caller is Role.BUYER
        assert found.decision.heard == Heard(Question.PIN, 1, Went.OK)
        assert found.deeds == (ForgetWrong(), Enrol("ses_1", Role.BUYER))

    def test_enrols_nobody_where_the_pool_does_not_want_it(self) -> None:
        shy = pool(unknown=Stranger.PIN, pin=PinRules(enrol=False))

        found = ruled(facts(pool=shy, by_pin=a_pin()), typed("123456", Question.PIN))

        assert found.deeds == (ForgetWrong(),)

    def test_of_a_withheld_caller_enrols_nobody_and_forgives_nobody(self) -> None:
        found = ruled(
            facts(pool=self.PINS, by_pin=a_pin()), typed("123456", Question.PIN, caller=None)
        )

        assert isinstance(found.decision, Plan)
        assert found.deeds == ()

    def test_that_is_wrong_is_counted_and_asked_for_again(self) -> None:
        found = ruled(facts(pool=self.PINS), typed("999999", Question.PIN))

        assert isinstance(found.decision, Prompt)
        assert found.decision.asked == Asked(Question.PIN, 2)
        assert found.decision.heard == Heard(Question.PIN, 1, Went.WRONG)
        assert found.deeds == (CountWrong(1, None),)

    def test_wrong_for_the_third_time_locks_the_caller_out(self) -> None:
        tries = Tries(2, NOW)

        found = ruled(facts(pool=self.PINS, tries=tries), typed("999999", Question.PIN, 3))

        assert isinstance(found.decision, Refusal)
        assert found.decision.reason is R.PIN_LOCKED
        assert found.deeds == (CountWrong(3, NOW + PinRules().lock_out),)

    def test_counts_over_calls_not_within_one(self) -> None:
        found = ruled(
            facts(pool=self.PINS, tries=Tries(2, NOW)), typed("999999", Question.PIN, attempt=1)
        )

        assert isinstance(found.decision, Refusal)
        assert found.decision.reason is R.PIN_LOCKED

    def test_a_row_of_wrong_ones_as_old_as_a_lock_out_is_forgotten(self) -> None:
        tries = Tries(2, NOW - PinRules().lock_out)

        found = ruled(facts(pool=self.PINS, tries=tries), typed("999999", Question.PIN))

        assert found.deeds == (CountWrong(1, None),)

    @pytest.mark.parametrize("caller", [STRANGER, None])
    def test_whoever_is_locked_out_is_not_heard_even_with_the_right_one(
        self, caller: Phone | None
    ) -> None:
        tries = Tries(3, NOW, NOW + timedelta(seconds=1))
        known = facts(pool=self.PINS, tries=tries, by_pin=a_pin())

        assert refused(known, an_offer(caller=caller)).reason is R.PIN_LOCKED
        answer = ruled(known, typed("123456", Question.PIN, caller=caller))
        assert isinstance(answer.decision, Refusal)
        assert answer.decision.reason is R.PIN_LOCKED
        assert answer.deeds == ()

    def test_the_lock_ends_with_its_time(self) -> None:
        tries = Tries(3, NOW - WEEK, NOW)

        assert prompt(facts(pool=self.PINS, tries=tries), an_offer(caller=STRANGER)).attempts > 0

    def test_withheld_callers_of_a_trunk_are_locked_out_together_and_later(self) -> None:
        last = 3 * WITHHELD_PATIENCE - 1
        offer = typed("999999", Question.PIN, caller=None)

        early = ruled(facts(pool=self.PINS, tries=Tries(last - 1, NOW)), offer)
        late = ruled(facts(pool=self.PINS, tries=Tries(last, NOW)), offer)

        assert early.deeds == (CountWrong(last, None),)
        assert late.deeds == (CountWrong(last + 1, NOW + PinRules().lock_out),)

    def test_that_is_not_typed_is_asked_for_again_but_not_counted(self) -> None:
        again = ruled(facts(pool=self.PINS), typed("", Question.PIN))
        end = ruled(facts(pool=self.PINS), typed("", Question.PIN, 3))

        assert isinstance(again.decision, Prompt)
        assert again.decision.heard == Heard(Question.PIN, 1, Went.NONE)
        assert isinstance(end.decision, Refusal)
        assert end.decision.reason is R.WRONG_PIN
        assert again.deeds == end.deeds == ()

    def test_of_a_session_that_is_over_rings_nobody(self) -> None:
        closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW)
        known = facts(pool=self.PINS, by_pin=a_pin(session=closed))

        found = ruled(known, typed("123456", Question.PIN))

        assert isinstance(found.decision, Refusal)
        assert (found.decision.reason, found.decision.session_id) == (R.COOLING, "ses_1")
        assert found.deeds == (ForgetWrong(),)

    @pytest.mark.parametrize(
        "match",
        [
            a_pin("654321"),
            replace(a_pin(), lease=replace(a_pin().lease, number=TWO)),
            replace(a_pin(), lease=replace(a_pin().lease, session_id="ses_9")),
        ],
    )
    def test_of_somebody_else_is_wrong_whatever_the_store_says(self, match: Held) -> None:
        known = facts(pool=self.PINS, by_pin=match)

        assert prompt(known, typed("123456", Question.PIN)).attempts > 0

    def test_by_which_one_would_ring_oneself_is_wrong(self) -> None:
        known = facts(pool=self.PINS, by_pin=a_pin())

        assert prompt(known, typed("123456", Question.PIN, caller=PETR)).attempts > 0

    def test_means_nothing_where_pins_are_not_asked_for_any_more(self) -> None:
        known = facts(by_pin=a_pin())

        assert refused(known, typed("123456", Question.PIN)).reason is R.UNKNOWN_CALLER

    def test_a_question_says_the_length_and_attempts_of_the_pool(self) -> None:
        known = facts(pool=pool(unknown=Stranger.PIN, pin=PinRules(length=4, attempts=1)))

        assert prompt(known, an_offer(caller=STRANGER)).digits_max == 4
        assert refused(known, typed("", Question.PIN)).reason is R.WRONG_PIN


class TestOtherPhones:
    def test_an_enrolled_phone_calls_as_the_participant(self) -> None:
        mine = replace(held(a_session()), phone=STRANGER, slot=1)

        plan = ruled(facts(mine), an_offer(caller=STRANGER)).decision

        assert isinstance(plan, Plan)
        assert (dialled_by(plan), plan.caller) == ({PETR}, Role.BUYER)

    def test_a_lease_enrolled_for_another_phone_is_of_no_use(self) -> None:
        mine = replace(held(a_session()), phone=OLGA, slot=1)

        assert refused(facts(mine), an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_a_number_declared_for_one_call_is_used_up_by_it(self) -> None:
        mine = replace(held(a_session()), phone=STRANGER, slot=2, once=True)

        found = ruled(facts(mine), an_offer(caller=STRANGER))

        assert isinstance(found.decision, Plan)
        assert found.deeds == (UseUp("ses_1", Role.BUYER, 2),)

    def test_but_not_by_one_that_nobody_is_rung_for(self) -> None:
        mine = replace(held(a_session()), phone=STRANGER, slot=2, once=True, blocked=True)

        assert ruled(facts(mine), an_offer(caller=STRANGER)).deeds == ()


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
        assert asked.digits_max == 1

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


def test_a_warning_before_the_limit_is_the_pools() -> None:
    warned = pool(ending=EndingRules(warn_before_s=20))

    plan = ruled(facts(held(a_session()), pool=warned), an_offer()).decision

    assert isinstance(plan, Plan)
    assert plan.warn_before_s == 20


def test_where_nobody_can_be_asked_the_platform_is_silent_and_listings_are_full() -> None:
    closed = pool(unknown=Stranger.PIN, hook=HOOK)
    offer = an_offer(caller=STRANGER)

    silent = decide(offer, facts(pool=closed), TrunkLoads(), NOW)
    full = decide(offer, facts(shown=a_listing()), TrunkLoads(), NOW)

    assert isinstance(silent, Refusal)
    assert silent.reason is R.PLATFORM_SILENT
    assert isinstance(full, Refusal)
    assert full.reason is R.POOL_EXHAUSTED


# -- whatever comes together ---------------------------------------------------------------------

_phones = st.sampled_from((ANNA, PETR, OLGA, STRANGER))
_digits = st.none() | st.text("0123456789", max_size=8) | st.sampled_from(("1", "2", "345"))
_questions = st.none() | st.builds(
    Asked,
    st.sampled_from(Question),
    st.integers(1, 9),
    st.sampled_from(("", "345")),
    st.sampled_from(("ses_1", "ses_2")),
    st.sampled_from(("lst_1", "lst_2")),
)
_sessions = st.sampled_from(
    (a_session(), lifecycle.close(a_session(), cool_down=WEEK, now=NOW), a_link(a_listing())[0])
)
_held = st.builds(
    lambda session, phone, slot, extension, pin, role, blocked: replace(
        held(session, role),
        phone=phone,
        slot=slot,
        blocked=blocked,
        lease=replace(held(session, role).lease, extension=extension, pin=pin, number=ONE),
    ),
    _sessions,
    _phones | st.none(),
    st.integers(0, 2),
    st.sampled_from(("", "345")),
    st.sampled_from((None, "123456")),
    st.sampled_from((Role.BUYER, Role.SELLER)),
    st.booleans(),
)
_pools = st.builds(
    pool,
    unknown=st.sampled_from(Stranger),
    withheld=st.sampled_from(Stranger),
    late=st.sampled_from(Late),
    hook=st.none() | st.just(HOOK) | st.just(replace(HOOK, fail_open=True)),
)
_facts = st.builds(
    facts,
    _held,
    _held,
    number=st.sampled_from((ONE, TWO, None)),
    pool=_pools,
    over=st.none() | _held,
    shown=st.none() | st.builds(a_listing, _phones, st.sampled_from(("", "345"))),
    shares=st.booleans(),
    by_pin=st.none() | _held,
    tries=st.builds(Tries, st.integers(0, 40), st.just(NOW), st.sampled_from((None, NOW + WEEK))),
    static=st.none() | st.just(DESK),
    told=st.none() | st.builds(Told, st.sampled_from(Answer), st.none() | _held),
    link=st.none()
    | st.sampled_from(LinkRefusal)
    | st.just(a_link(a_listing())[1])
    | st.just(a_link(a_listing(), callee=DESK)[1]),
)


@given(known=_facts, caller=_phones | st.none(), asked=_questions, digits=_digits)
def test_nobody_is_rung_but_the_one_that_was_promised(
    known: RoutingFacts, caller: Phone | None, asked: Asked | None, digits: str | None
) -> None:
    offer = replace(an_offer(caller=caller), asked=asked, digits=digits)

    decision = decide(offer, known, TrunkLoads(), NOW)

    if not isinstance(decision, Plan):
        return
    (callee,) = dialled_by(decision)
    assert callee != caller, "nobody rings themselves"
    promised = {known.static} if _static(known, caller) else set()
    for one in known.held:
        if _mine(one, caller) and one.live(NOW) and not one.blocked:
            promised.add(one.session.other(one.lease.role).phone)
    pin = known.by_pin
    by_pin = asked is not None and asked.question is Question.PIN and bool(digits)
    if by_pin and pin is not None and pin.lease.pin == digits and pin.live(NOW) and not pin.blocked:
        promised.add(pin.session.other(pin.lease.role).phone)
    told = known.told
    if told is not None and told.answer is Answer.CONNECT and told.reached is not None:
        promised.add(told.reached.session.other(told.reached.lease.role).phone)
    if isinstance(known.link, Link) and known.shown is not None:
        promised.add(known.link.session.participants[1].phone)
    assert callee in promised


def _mine(one: Held, caller: Phone | None) -> bool:
    whose = one.session.participant(one.lease.role).phone if one.slot == 0 else one.phone
    return caller is not None and whose == caller


def _static(known: RoutingFacts, caller: Phone | None) -> bool:
    assert known.pool is not None
    strangers = known.pool.rules.strangers
    return (strangers.withheld if caller is None else strangers.unknown) is Stranger.STATIC
