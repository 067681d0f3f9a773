"""Who dials a number of ours and is not known by their phone: strangers, and those with a PIN."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking import lifecycle
from masking.dialled import WITHHELD_PATIENCE
from masking.known import Callee, CountWrong, Enrol, ForgetWrong, Held, Tries, UseUp
from masking.model import Phone, Role
from masking.plan import Asked, Heard, Plan, Prompt, Question, Refusal, RefusalReason, Went
from masking.recording import taping
from masking.rules import EndingRules, PinRules, RecordingMode, RecordingRules, Stranger
from masking.switches import QuietHours, Switches
from masking.trunks import Trunk
from tests.unit.masking.dialled import (
    DESK,
    OLGA,
    STRANGER,
    WEEK,
    R,
    a_pin,
    dialled_by,
    facts,
    pool,
    prompt,
    refused,
    ruled,
    typed,
)
from tests.unit.masking.given import (
    CARRIER_A,
    CARRIER_B,
    NOW,
    ONE,
    PETR,
    POOL,
    TWO,
    a_session,
    an_offer,
    held,
)
from tests.unit.masking.routed import full, refusal


class TestAStranger:
    def test_hears_what_one_of_an_unused_number_hears(self) -> None:
        assert refused(facts(), an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_is_asked_for_a_pin_where_the_pool_says_so(self) -> None:
        asked = prompt(facts(pool=pool(unknown=Stranger.PIN)), an_offer(caller=STRANGER))

        assert asked.asked == Asked(Question.PIN)
        assert (asked.digits_min, asked.digits_max, asked.attempts) == (6, 6, 3)
        assert (asked.number_in, asked.session_id) == (ONE.e164, None)
        assert asked.language is POOL.language

    def test_gets_the_fixed_destination_which_sees_the_number_dialled(self) -> None:
        rules = pool(
            unknown=Stranger.STATIC,
            ending=EndingRules(warn_before_s=30),
            recording=RecordingRules(RecordingMode.CONSENT),
        )

        plan = ruled(facts(pool=rules, static=DESK), an_offer(caller=STRANGER)).decision

        assert isinstance(plan, Plan)
        assert dialled_by(plan) == {DESK}
        assert {step.caller_id for step in plan.attempts[0].steps} == {ONE.e164}
        assert (plan.session_id, plan.caller, plan.callee) == (None, None, None)
        assert (plan.number_in, plan.number_out) == (ONE.e164, ONE.e164)
        assert (plan.language, plan.call_id) == (POOL.language, "cal_1")
        assert (plan.max_call_s, plan.warn_before_s) == (POOL.max_call_s, 30)
        assert plan.taping == taping(rules, None)
        assert plan.taping is not None

    def test_is_refused_where_there_is_no_destination(self) -> None:
        known = facts(pool=pool(unknown=Stranger.STATIC))

        assert refused(known, an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_the_destination_itself_is_not_rung_by_its_own_call(self) -> None:
        known = facts(pool=pool(unknown=Stranger.STATIC), static=DESK)

        assert refused(known, an_offer(caller=DESK)).reason is R.CALLEE_UNREACHABLE

    @pytest.mark.parametrize(
        ("outbound", "busy", "reason"),
        [
            (CARRIER_B, "carrier-a", R.TRUNK_FULL),
            (CARRIER_B, "carrier-b", R.TRUNK_FULL),
            (replace(CARRIER_B, outbound=False), "", R.NO_TRUNK),
        ],
        ids=["the trunk it came on", "the only one out", "none out"],
    )
    def test_is_refused_where_no_trunk_has_room_for_the_destination(
        self, outbound: Trunk, busy: str, reason: RefusalReason
    ) -> None:
        trunks = (replace(CARRIER_A, outbound=False), outbound)
        known = facts(pool=pool(unknown=Stranger.STATIC), static=DESK, trunks=trunks)

        told = refusal(known, an_offer(caller=STRANGER), loads=full(busy))

        assert (told.reason, told.number_in) == (reason, ONE.e164)

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

    @pytest.mark.parametrize("why", [R.BLOCKED, R.TRUNK_FULL, R.QUIET_HOURS, R.CALLEE_UNREACHABLE])
    def test_that_was_right_is_said_to_be_so_where_nobody_is_rung(self, why: RefusalReason) -> None:
        mine = replace(a_pin(), blocked=why is R.BLOCKED)
        if why is R.CALLEE_UNREACHABLE:
            mine = replace(mine, session=replace(mine.session, leases=mine.session.leases[:1]))
        hours = (QuietHours.of("00:00", "24:00"),) if why is R.QUIET_HOURS else ()
        callee = Callee("ses_1", Role.SELLER, switches=Switches(quiet_hours=hours))
        known = facts(pool=self.PINS, by_pin=mine, callee=callee)
        loads = full("carrier-a" if why is R.TRUNK_FULL else "")

        told = refusal(known, typed("123456", Question.PIN), loads=loads)

        assert (told.reason, told.heard) == (why, Heard(Question.PIN, 1, Went.OK))

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
        assert found.decision.heard == Heard(Question.PIN, 3, Went.WRONG)
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

    def test_a_question_leaves_room_for_the_longest_pin_of_the_number(self) -> None:
        rules = pool(unknown=Stranger.PIN, pin=PinRules(length=4))
        asked = prompt(facts(pool=rules, longest_pin=7), an_offer(caller=STRANGER))

        assert (asked.digits_min, asked.digits_max) == (4, 7)


class TestOtherPhones:
    def test_an_enrolled_phone_calls_as_the_participant(self) -> None:
        mine = replace(held(a_session()), phone=STRANGER, slot=1)

        plan = ruled(facts(mine), an_offer(caller=STRANGER)).decision

        assert isinstance(plan, Plan)
        assert (dialled_by(plan), plan.caller) == ({PETR}, Role.BUYER)

    def test_a_lease_enrolled_for_another_phone_is_of_no_use(self) -> None:
        mine = replace(held(a_session()), phone=OLGA, slot=1)

        assert refused(facts(mine), an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_a_phone_enrolled_for_the_one_side_does_not_ring_itself_as_the_other(self) -> None:
        mine = replace(held(a_session()), phone=PETR, slot=1)

        assert refused(facts(mine), an_offer(caller=PETR)).reason is R.CALLEE_UNREACHABLE

    def test_a_number_declared_for_one_call_is_used_up_by_it(self) -> None:
        mine = replace(held(a_session()), phone=STRANGER, slot=2, once=True)

        found = ruled(facts(mine), an_offer(caller=STRANGER))

        assert isinstance(found.decision, Plan)
        assert found.deeds == (UseUp("ses_1", Role.BUYER, 2),)

    def test_but_not_by_one_that_nobody_is_rung_for(self) -> None:
        mine = replace(held(a_session()), phone=STRANGER, slot=2, once=True, blocked=True)

        assert ruled(facts(mine), an_offer(caller=STRANGER)).deeds == ()
