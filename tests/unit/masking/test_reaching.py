"""Calls from and to apps: who may call, what is tried in which order, what forbids it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.caps import Taken, capped
from masking.known import AppCaller, Callee, LookUp, RoutingFacts
from masking.load import TrunkLoads, trunks_of
from masking.model import Card, ChannelPolicy, Listing, Pool, Role, Session
from masking.plan import Channel, Decision, Offer, Plan, Refusal, RefusalReason
from masking.reaching import MAX_DEVICES, Way
from masking.routing import Ruling, decide, rule
from masking.rules import AppRules, CapRules, PoolRules, PushRules
from masking.switches import Account, QuietHours, Switches
from tests.unit.masking.given import (
    ANNA,
    BUYER,
    CARRIER_A,
    CARRIER_B,
    DRAFT,
    NOW,
    PETR,
    POOL,
    SELLER,
    TWO,
    a_session,
    an_offer,
    facts_for_buyer,
)
from tests.unit.masking.routed import full

PHONE, TABLET = "app_" + "1" * 26, "app_" + "2" * 26
CALLING = "app_" + "9" * 26
PUSH = PushRules("https://shop.example/push", wake_s=15)
A_LATER_DAY = NOW + timedelta(days=1)


def session_of(policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM, **more: Any) -> Session:  # noqa: ANN401
    return replace(a_session(), channel_policy=policy, **more)


def pool_with(**rules: Any) -> Pool:  # noqa: ANN401
    return replace(POOL, rules=PoolRules(app=AppRules(ring_s=20), **rules))


def seller(**more: Any) -> Callee:  # noqa: ANN401
    return Callee("ses_1", Role.SELLER, SELLER.user_id, **more)


def from_app(called: str = "ses_1") -> Offer:
    return Offer("cal_1", "n1", f"PJSIP/{CALLING}-00000001", "", called, None, NOW, app=CALLING)


def app_facts(
    session: Session | None = None, callee: Callee | None = None, pool: Pool | None = None
) -> RoutingFacts:
    session = session or session_of()
    return RoutingFacts(
        pool=pool or pool_with(),
        trunks=(CARRIER_A, CARRIER_B),
        via_app=AppCaller(session, Role.BUYER, A_LATER_DAY),
        callee=callee or seller(),
    )


def plan(decision: Decision) -> Plan:
    assert isinstance(decision, Plan)
    return decision


def refused(decision: Decision) -> RefusalReason:
    assert isinstance(decision, Refusal)
    return decision.reason


def decided(facts: RoutingFacts, offer: Offer | None = None) -> Decision:
    return decide(offer or from_app(), facts, TrunkLoads(), NOW)


class TestWhoMayCall:
    def test_a_participant_needs_no_number_of_their_own(self) -> None:
        leases = tuple(one for one in a_session().leases if one.role is Role.SELLER)
        found = plan(decided(app_facts(session_of(leases=leases))))

        assert (found.caller, found.callee, found.number_in) == (Role.BUYER, Role.SELLER, None)
        assert found.number_out == TWO.e164

    @pytest.mark.parametrize(
        "facts",
        [
            RoutingFacts(),
            replace(app_facts(), via_app=None),
            replace(app_facts(), via_app=AppCaller(session_of(), Role.BUYER, NOW)),
            replace(app_facts(), via_app=AppCaller(session_of(id="ses_2"), Role.BUYER, None)),
        ],
        ids=["no session", "not theirs", "expired credential", "another session"],
    )
    def test_anybody_else_is_told_the_same(self, facts: RoutingFacts) -> None:
        found = decided(facts)

        assert isinstance(found, Refusal)
        assert found == Refusal(
            RefusalReason.NOT_A_PARTICIPANT, None, 1, (facts.pool or Pool("")).language
        )

    def test_a_participant_may_need_no_credential(self) -> None:
        facts = replace(app_facts(), via_app=AppCaller(session_of(), Role.BUYER, None))

        assert plan(decided(facts)).caller is Role.BUYER

    def test_a_participant_is_told_that_the_session_is_over(self) -> None:
        closed = session_of(closed_at=NOW)
        expired = session_of(expires_at=NOW)

        assert refused(decided(app_facts(closed))) is RefusalReason.SESSION_CLOSED
        assert refused(decided(app_facts(expired))) is RefusalReason.SESSION_EXPIRED

    def test_a_block_comes_before_all_else(self) -> None:
        facts = app_facts(callee=seller(devices=(PHONE,)))
        facts = replace(facts, via_app=replace(facts.via_app, blocked=True))  # type: ignore[type-var]

        assert refused(decided(facts)) is RefusalReason.BLOCKED

    def test_an_app_is_played_nothing(self) -> None:
        found = decided(app_facts(session_of(closed_at=NOW)))

        assert isinstance(found, Refusal)
        assert found.announcement is None

    def test_the_callee_is_looked_up_before_anything_rings(self) -> None:
        session = session_of()
        facts = replace(app_facts(session), callee=None)

        assert rule(from_app(), facts, TrunkLoads(), NOW) == LookUp(session, Role.BUYER)

    def test_what_is_known_of_somebody_else_is_not_believed(self) -> None:
        for callee in (
            Callee("ses_2", Role.SELLER, devices=(PHONE,)),
            Callee("ses_1", Role.BUYER, devices=(PHONE,)),
        ):
            found = rule(from_app(), app_facts(callee=callee), TrunkLoads(), NOW)
            assert isinstance(found, LookUp)


class TestWhatIsTried:
    def test_first_all_devices_then_the_phone(self) -> None:
        found = plan(decided(app_facts(callee=seller(devices=(PHONE, TABLET)))))

        app, phone = found.attempts
        assert (app.channel, app.devices, app.wake_s, app.ring_s) == (
            Channel.APP,
            (PHONE, TABLET),
            0,
            20,
        )
        assert phone.channel is Channel.GSM
        assert trunks_of(found, "") == ("carrier-b", "carrier-a")

    def test_an_app_that_sleeps_is_woken_first(self) -> None:
        facts = app_facts(callee=seller(app_until=NOW), pool=pool_with(push=PUSH))

        app, phone = plan(decided(facts)).attempts
        assert (app.devices, app.wake_s) == ((), 15)
        assert phone.channel is Channel.GSM

    @pytest.mark.parametrize(
        ("push", "until", "wakes"),
        [
            (PUSH, NOW - timedelta(days=90) + timedelta(seconds=1), True),
            (PUSH, NOW - timedelta(days=90), False),
            (PUSH, None, False),
            (None, A_LATER_DAY, False),
        ],
    )
    def test_only_an_app_that_may_still_be_there_is_woken(
        self, push: PushRules | None, until: datetime | None, wakes: bool
    ) -> None:
        facts = app_facts(callee=seller(app_until=until), pool=pool_with(push=push))

        channels = [one.channel for one in plan(decided(facts)).attempts]
        assert (Channel.APP in channels) is wakes

    def test_so_many_devices_and_no_more_ring(self) -> None:
        devices = tuple(f"app_{n:026d}" for n in range(MAX_DEVICES + 3))
        app, _ = plan(decided(app_facts(callee=seller(devices=devices)))).attempts

        assert app.devices == devices[:MAX_DEVICES]
        assert len(app.devices) == MAX_DEVICES == 8

    def test_the_policy_chooses_the_channels(self) -> None:
        there = seller(devices=(PHONE,))

        def channels(policy: ChannelPolicy) -> list[Channel]:
            found = plan(decided(app_facts(session_of(policy), there)))
            return [one.channel for one in found.attempts]

        assert channels(ChannelPolicy.APP_THEN_GSM) == [Channel.APP, Channel.GSM]
        assert channels(ChannelPolicy.APP_ONLY) == [Channel.APP]
        assert channels(ChannelPolicy.GSM_ONLY) == [Channel.GSM]

    def test_in_the_app_alone_and_not_there_is_unreachable(self) -> None:
        found = decided(app_facts(session_of(ChannelPolicy.APP_ONLY)))

        assert refused(found) is RefusalReason.CALLEE_UNREACHABLE

    def test_a_phone_that_calls_rings_the_app_too(self) -> None:
        session = session_of()
        facts = replace(facts_for_buyer(session), callee=seller(devices=(PHONE,)))

        found = plan(decide(an_offer(), facts, TrunkLoads(), NOW))
        assert [one.channel for one in found.attempts] == [Channel.APP, Channel.GSM]
        assert found.card is not None

    def test_a_phone_that_calls_on_a_full_trunk_rings_no_app(self) -> None:
        facts = replace(facts_for_buyer(session_of()), callee=seller(devices=(PHONE,)))

        told = decide(an_offer(), facts, full("carrier-a"), NOW)

        assert refused(told) is RefusalReason.TRUNK_FULL

    def test_a_callee_without_a_phone_is_reached_in_the_app(self) -> None:
        draft = replace(DRAFT, participants=(BUYER, replace(SELLER, phone=None)))
        session = replace(a_session(draft), channel_policy=ChannelPolicy.APP_THEN_GSM)

        found = plan(decided(app_facts(session, seller(devices=(PHONE,)))))
        assert [one.channel for one in found.attempts] == [Channel.APP]
        assert found.number_out is None


class TestSwitches:
    @pytest.mark.parametrize(
        ("switches", "opted_in", "rings"),
        [
            (Switches(), False, True),
            (Switches(in_app_calls=False), False, False),
            (Switches(Account.COMPANY), False, False),
            (Switches(Account.COMPANY), True, True),
            (Switches(Account.COMPANY, in_app_calls=False), True, False),
        ],
    )
    def test_private_users_take_calls_in_the_app_and_companies_for_chosen_listings(
        self, switches: Switches, opted_in: bool, rings: bool
    ) -> None:
        callee = seller(switches=switches, opted_in=opted_in, devices=(PHONE,))

        both = plan(decided(app_facts(callee=callee)))
        alone = decided(app_facts(session_of(ChannelPolicy.APP_ONLY), callee))
        assert (both.attempts[0].channel is Channel.APP) is rings
        assert isinstance(alone, Plan) is rings
        assert rings or refused(alone) is RefusalReason.IN_APP_OFF

    def test_quiet_hours_forbid_every_channel(self) -> None:
        switches = Switches(quiet_hours=(QuietHours.of("08:00", "10:00"),), timezone="UTC")
        callee = seller(switches=switches, zone=UTC, devices=(PHONE,))

        assert refused(decided(app_facts(callee=callee))) is RefusalReason.QUIET_HOURS
        by_phone = replace(facts_for_buyer(session_of()), callee=callee)
        heard = decide(an_offer(), by_phone, TrunkLoads(), NOW)
        assert refused(heard) is RefusalReason.QUIET_HOURS

    def test_quiet_hours_go_by_the_clock_on_the_callees_wall(self) -> None:
        switches = Switches(quiet_hours=(QuietHours.of("18:00", "20:00"),))
        there = seller(switches=switches, zone=timezone(timedelta(hours=10)), devices=(PHONE,))
        here = replace(there, zone=UTC)

        assert refused(decided(app_facts(callee=there))) is RefusalReason.QUIET_HOURS
        assert isinstance(decided(app_facts(callee=here)), Plan)

    @given(
        rules=st.builds(CapRules, *[st.integers(0, 3)] * 3),
        taken=st.builds(Taken, *[st.integers(0, 4)] * 3),
    )
    def test_a_cap_forbids_exactly_the_call_above_it(self, rules: CapRules, taken: Taken) -> None:
        pairs = (
            (rules.unanswered_in_row, taken.unanswered_in_row),
            (rules.pair_an_hour, taken.pair_an_hour),
            (rules.caller_an_hour, taken.caller_an_hour),
        )
        over = any(limit and had >= limit for limit, had in pairs)

        assert (capped(rules, taken) is not None) is over
        facts = app_facts(callee=seller(taken=taken), pool=pool_with(caps=rules))
        assert isinstance(decided(facts), Refusal) is over


class TestTheCard:
    def test_it_is_the_callers_and_says_about_what(self) -> None:
        session = session_of(listing=Listing("L-1", "Van"))
        found = plan(decided(app_facts(session, seller(devices=(PHONE,))))).card

        assert found is not None
        assert (found.call_id, found.session_id, found.role) == ("cal_1", "ses_1", Role.BUYER)
        assert (found.card, found.listing) == (Card(), Listing("L-1", "Van"))
        assert found.conversation_id == session.conversation_id
        assert ANNA not in repr(found)
        assert PETR not in repr(found)

    def test_a_conversation_without_a_name_has_none(self) -> None:
        session = session_of(conversation_held=True)
        found = plan(decided(app_facts(session, seller(devices=(PHONE,))))).card

        assert found is not None
        assert found.conversation_id is None

    def test_where_no_app_is_rung_there_is_none(self) -> None:
        assert plan(decided(app_facts())).card is None


def test_the_way_that_a_caller_came_does_not_show_them() -> None:
    way = Way(ANNA, CARRIER_A, (CARRIER_A,), POOL, TrunkLoads(), NOW)

    assert ANNA[1:] not in repr(way)


def test_a_ruling_of_an_app_is_never_a_question() -> None:
    found = rule(from_app(), app_facts(), TrunkLoads(), NOW)
    assert isinstance(found, Ruling)
    assert found.deeds == ()
