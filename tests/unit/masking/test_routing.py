"""An offer and what is known of it become a plan or a refusal, whatever the offer says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import lifecycle
from masking.known import AppCaller, Callee, LookUp
from masking.load import TrunkLoads
from masking.model import ChannelPolicy, Language, Pool, Role, Session
from masking.plan import Channel, Offer, Plan
from masking.routing import (
    MAX_STEPS,
    Identified,
    RoutingFacts,
    decide,
    identify,
    rule,
    trunk_of,
)
from masking.trunks import NumberFormat, Trunk
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
    facts_for_buyer,
    facts_for_seller,
    read_back,
)
from tests.unit.masking.routed import (
    DAY,
    FACTS,
    MS,
    WEEK,
    R,
    decided,
    full,
    plan,
    refusal,
    trunks_tried,
    with_held,
)


class TestALiveLease:
    def test_reaches_the_other_side_who_sees_their_own_proxy_number(self) -> None:
        decision = plan()

        assert decision.session_id == "ses_1"
        assert (decision.caller, decision.callee) == (Role.BUYER, Role.SELLER)
        assert (decision.number_in, decision.number_out) == (ONE.e164, TWO.e164)
        assert (decision.language, decision.max_call_s) == (Language.EN, 1800)
        (attempt,) = decision.attempts
        assert (attempt.channel, attempt.ring_s) == (Channel.GSM, 25)
        for step in attempt.steps:
            assert (step.dial, step.caller_id) == (PETR, TWO.e164)

    def test_works_from_the_other_side_too(self) -> None:
        offer = an_offer(TWO.e164, PETR)

        decision = decided(facts_for_seller(a_session()), offer)

        assert isinstance(decision, Plan)
        assert (decision.caller, decision.callee) == (Role.SELLER, Role.BUYER)
        assert (decision.number_in, decision.number_out) == (TWO.e164, ONE.e164)
        assert {step.dial for step in decision.attempts[0].steps} == {ANNA}
        assert {step.caller_id for step in decision.attempts[0].steps} == {ONE.e164}

    def test_is_a_matter_of_equal_values_not_of_the_same_objects(self) -> None:
        stored = RoutingFacts(
            number=read_back(ONE),
            held=read_back(FACTS.held),
            pool=read_back(FACTS.pool),
            trunks=read_back(FACTS.trunks),
        )

        assert decided(stored, read_back(an_offer())) == plan()

    def test_does_not_depend_on_who_was_named_first(self) -> None:
        buyer, seller = DRAFT.participants
        session = replace(a_session(), participants=(seller, buyer))

        decision = plan(with_held(session=session))

        assert {step.dial for step in decision.attempts[0].steps} == {PETR}

    def test_carries_calls_until_the_millisecond_it_expires(self) -> None:
        assert isinstance(decided(now=NOW + DAY - MS), Plan)
        assert refusal(now=NOW + DAY).reason is R.COOLING

    def test_takes_ring_time_limit_and_language_from_defaults_without_a_pool(self) -> None:
        decision = plan(replace(FACTS, pool=None))

        assert decision.attempts[0].ring_s == Pool("").ring_s
        assert decision.language is Language.RU

    def test_reads_and_writes_numbers_as_each_trunk_spells_them(self) -> None:
        national = replace(CARRIER_A, number_format=NumberFormat.NATIONAL)
        bare = replace(CARRIER_B, number_format=NumberFormat.E164_BARE)
        offer = an_offer("84951110001", "89161234567")

        decision = decided(replace(FACTS, trunks=(national, bare)), offer)

        assert isinstance(decision, Plan)
        steps = {step.trunk: step for step in decision.attempts[0].steps}
        assert (steps["carrier-a"].dial, steps["carrier-a"].caller_id) == (
            "89267654321",
            "84951110002",
        )
        assert (steps["carrier-b"].dial, steps["carrier-b"].caller_id) == (
            "79267654321",
            "74951110002",
        )

    def test_does_not_show_the_phone_it_dials(self) -> None:
        assert PETR[1:] not in repr(plan())


class TestTheOrderOfTrunks:
    def test_begins_with_the_one_that_the_shown_number_belongs_to(self) -> None:
        assert trunks_tried(plan()) == ["carrier-b", "carrier-a"]

    def test_goes_on_by_priority_then_name(self) -> None:
        others = tuple(
            Trunk(name, "127.0.0.9", priority=priority)
            for name, priority in (("zeta", 1), ("beta", 2), ("alpha", 2))
        )

        decision = plan(replace(FACTS, trunks=(CARRIER_A, *others, CARRIER_B)))

        assert trunks_tried(decision) == ["carrier-b", "zeta", "alpha", "beta", "carrier-a"]

    def test_leaves_out_those_that_are_off_or_bring_calls_only(self) -> None:
        off = replace(CARRIER_B, enabled=False)
        inbound = Trunk("carrier-c", "127.0.0.4", outbound=False)

        assert trunks_tried(plan(replace(FACTS, trunks=(CARRIER_A, off, inbound)))) == ["carrier-a"]

    def test_leaves_out_those_without_room(self) -> None:
        assert trunks_tried(plan(loads=full("carrier-b"))) == ["carrier-a"]

    def test_needs_two_channels_where_the_call_goes_out_the_way_it_came(self) -> None:
        one = replace(CARRIER_A, max_channels=1)
        two = replace(CARRIER_A, max_channels=2)

        assert trunks_tried(plan(replace(FACTS, trunks=(one, CARRIER_B)))) == ["carrier-b"]
        assert trunks_tried(plan(replace(FACTS, trunks=(two,)))) == ["carrier-a"]
        assert refusal(replace(FACTS, trunks=(one,))).reason is R.TRUNK_FULL

    def test_has_at_most_six_steps(self) -> None:
        many = tuple(Trunk(f"t{n}", "127.0.0.9") for n in range(9))

        tried = trunks_tried(plan(replace(FACTS, trunks=(CARRIER_A, CARRIER_B, *many))))

        assert len(tried) == MAX_STEPS == 6
        assert tried[0] == "carrier-b"
        assert len(set(tried)) == 6


class TestACallThatThePlatformAskedFor:
    """Anna was rung first, has answered, and is now to be put through to Petr."""

    FACTS = RoutingFacts(
        pool=POOL,
        trunks=(CARRIER_A, CARRIER_B),
        via_app=AppCaller(a_session(), Role.BUYER, None),
        callee=Callee("ses_1", Role.SELLER),
    )

    def offer(self, called: str = "ses_1", role: Role = Role.BUYER) -> Offer:
        return replace(an_offer(called, None), clicked=role)

    def test_reaches_the_other_side_who_sees_their_own_proxy_number(self) -> None:
        decision = decided(self.FACTS, self.offer())

        assert isinstance(decision, Plan)
        assert (decision.session_id, decision.call_id) == ("ses_1", "cal_1")
        assert (decision.caller, decision.callee) == (Role.BUYER, Role.SELLER)
        assert (decision.number_in, decision.number_out) == (None, TWO.e164)
        (attempt,) = decision.attempts
        assert {(step.dial, step.caller_id) for step in attempt.steps} == {(PETR, TWO.e164)}
        assert (attempt.ring_s, decision.language) == (POOL.ring_s, POOL.language)

    def test_takes_what_it_has_not_been_told_of_the_pool_from_defaults(self) -> None:
        decision = decided(replace(self.FACTS, pool=None), self.offer())

        assert isinstance(decision, Plan)
        assert (decision.attempts[0].ring_s, decision.language) == (40, Language.RU)

    def test_is_that_of_the_participant_in_the_session_and_of_nobody_else(self) -> None:
        unknown = replace(self.FACTS, via_app=None)

        for facts, offer in (
            (unknown, self.offer()),
            (self.FACTS, self.offer(called="ses_2")),
            (self.FACTS, self.offer(role=Role.SELLER)),
        ):
            told = refusal(facts, offer)
            assert (told.reason, told.language) == (R.SESSION_CLOSED, POOL.language)
            assert (told.session_id, told.caller, told.number_in) == (None, None, None)

    def test_is_refused_aloud_where_the_session_does_not_permit_it(self) -> None:
        blocked = AppCaller(a_session(), Role.BUYER, None, blocked=True)

        assert refusal(replace(self.FACTS, via_app=blocked), self.offer()).reason is R.BLOCKED
        assert refusal(self.FACTS, self.offer(), now=NOW + DAY).reason is R.SESSION_EXPIRED

    def test_asks_first_who_the_callee_is(self) -> None:
        facts = replace(self.FACTS, callee=None)

        found = rule(self.offer(), facts, TrunkLoads(), NOW)

        assert found == LookUp(a_session(), Role.BUYER)
        assert decided(facts, self.offer()) == decided(self.FACTS, self.offer())

    @pytest.mark.parametrize("inbound", [True, False])
    def test_counts_the_channel_on_which_the_first_one_was_rung(self, inbound: bool) -> None:
        rang = replace(CARRIER_A, max_channels=1, inbound=inbound)

        decision = decided(replace(self.FACTS, trunks=(rang, CARRIER_B)), self.offer())

        assert isinstance(decision, Plan)
        assert trunks_tried(decision) == ["carrier-b"]
        assert refusal(self.FACTS, self.offer(), loads=full("carrier-a")).reason is R.TRUNK_FULL

    def test_holds_no_channel_where_the_first_one_was_rung_in_the_app(self) -> None:
        one = replace(self.FACTS, trunks=(replace(CARRIER_A, max_channels=1), CARRIER_B))

        decision = decided(one, replace(self.offer(), trunk=""))

        assert isinstance(decision, Plan)
        assert trunks_tried(decision) == ["carrier-b", "carrier-a"]

    def test_does_not_ring_the_phone_that_was_rung_first(self) -> None:
        session = a_session()
        buyer, seller = session.participants
        same = replace(session, participants=(buyer, replace(seller, phone=buyer.phone)))
        facts = replace(self.FACTS, via_app=AppCaller(same, Role.BUYER, None))

        assert refusal(facts, self.offer()).reason is R.CALLEE_UNREACHABLE


def test_an_offer_is_identified_as_its_trunk_spells_numbers() -> None:
    offer = an_offer("84951110001", "89161234567")
    national = replace(CARRIER_A, number_format=NumberFormat.NATIONAL)

    assert identify(offer, national) == Identified(ONE.e164, ANNA)
    assert identify(an_offer("help", "89161234567"), CARRIER_A) == Identified(None, None)
    assert identify(an_offer(caller=None), CARRIER_A) == Identified(ONE.e164, None)
    assert ANNA[1:] not in repr(identify(offer, national))


def test_the_trunk_of_an_offer_is_found_by_name() -> None:
    assert trunk_of(an_offer(trunk="carrier-b"), (CARRIER_A, CARRIER_B)) == CARRIER_B
    assert trunk_of(an_offer(trunk="carrier"), (CARRIER_A, CARRIER_B)) is None


hostile = (
    st.text(max_size=40)
    | st.text(alphabet="+0123456789\r\n\0,&|${}%()<>@;:\"'=^~", max_size=24)
    | st.sampled_from(
        (
            f"{ONE.e164}\r\nEvent: UserEvent",
            f"{ONE.e164}%0d%0aAction: Originate",
            f"{ONE.e164}\0",
            f"{ONE.e164},s,1",
            f"{ONE.e164}&PJSIP/x",
            "${SHELL(id)}",
            f"{ONE.e164} ",
            f"{ANNA}\n",
            f" {ANNA}",
        )
    )
)
session_kinds = st.sampled_from(
    (
        a_session(),
        a_session(replace(DRAFT, channel_policy=ChannelPolicy.APP_ONLY)),
        lifecycle.close(a_session(), cool_down=WEEK, now=NOW),
    )
)


@given(
    called=hostile | st.just(ONE.e164),
    caller=hostile | st.none() | st.just(ANNA),
    trunk=hostile | st.just("carrier-a"),
    session=session_kinds,
    number_format=st.sampled_from(NumberFormat),
    country=st.sampled_from(("RU", "US", "BR", "XX", "")),
    later=st.timedeltas(timedelta(days=-400), timedelta(days=400)),
    blocked=st.booleans(),
)
def test_any_offer_is_decided_and_only_the_caller_himself_is_put_through(
    called: str,
    caller: str | None,
    trunk: str,
    session: Session,
    number_format: NumberFormat,
    country: str,
    later: timedelta,
    blocked: bool,
) -> None:
    spelt = replace(CARRIER_A, number_format=number_format, country=country)
    (mine,) = facts_for_buyer(session).held
    facts = replace(
        FACTS, trunks=(spelt, CARRIER_B), held=(replace(mine, blocked=blocked, session=session),)
    )
    offer = an_offer(called, caller, trunk)

    decision = decide(offer, facts, TrunkLoads(), NOW + later)

    if isinstance(decision, Plan):
        assert trunk == "carrier-a"
        assert identify(offer, spelt) == Identified(ONE.e164, ANNA)
        assert not blocked
        assert called.lstrip("+").isdigit()
        assert called.isascii()
