"""An offer and what is known of it become a plan or a refusal, whatever the offer says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import lifecycle
from masking.load import TrunkLoads
from masking.model import ChannelPolicy, Language, Lease, Phone, Pool, Role, Session
from masking.plan import Announcement, Channel, Decision, Offer, Plan, Refusal, RefusalReason
from masking.routing import (
    MAX_STEPS,
    REFUSALS,
    Identified,
    RoutingFacts,
    decide,
    identify,
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
    SELLER,
    TWO,
    a_session,
    an_offer,
    facts_for_buyer,
    facts_for_seller,
    read_back,
)

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


class TestRefused:
    @pytest.mark.parametrize(
        ("facts", "offer", "reason"),
        [
            (replace(FACTS, number=None), None, R.UNKNOWN_NUMBER),
            (RoutingFacts(trunks=FACTS.trunks), None, R.UNKNOWN_NUMBER),
            (FACTS, an_offer(called="+74951119999"), R.UNKNOWN_NUMBER),
            (FACTS, an_offer(called="help"), R.UNKNOWN_NUMBER),
            (FACTS, an_offer(caller=None), R.WITHHELD_CALLER),
            (FACTS, an_offer(caller="anonymous"), R.WITHHELD_CALLER),
            (FACTS, an_offer(caller=""), R.WITHHELD_CALLER),
            (replace(FACTS, held=()), None, R.UNKNOWN_CALLER),
            (FACTS, an_offer(caller="+79160000000"), R.UNKNOWN_CALLER),
            (with_held(blocked=True), None, R.BLOCKED),
            (FACTS, an_offer(trunk="carrier-z"), R.NO_TRUNK),
            (replace(FACTS, trunks=()), None, R.NO_TRUNK),
        ],
    )
    def test_for_what_is_unknown_withheld_or_blocked(
        self, facts: RoutingFacts, offer: Offer | None, reason: RefusalReason
    ) -> None:
        assert refusal(facts, offer).reason is reason

    @pytest.mark.parametrize("lost", ["inbound", "enabled"])
    def test_on_a_trunk_that_may_not_bring_calls(self, lost: str) -> None:
        shut = replace(CARRIER_A, **{lost: False})  # type: ignore[arg-type]

        assert refusal(replace(FACTS, trunks=(shut, CARRIER_B))).reason is R.NO_TRUNK

    def test_a_stranger_cannot_tell_our_numbers_from_others(self) -> None:
        assert REFUSALS[R.UNKNOWN_CALLER] == REFUSALS[R.UNKNOWN_NUMBER]

    def test_while_the_lease_cools_and_says_so(self) -> None:
        closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW)

        told = refusal(facts_for_buyer(closed), now=NOW)

        assert told.reason is R.COOLING
        assert told.announcement is Announcement.NO_LONGER_SERVES
        assert told.cause == 22

    def test_by_how_it_ended_once_the_lease_has_cooled(self) -> None:
        closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW)

        assert refusal(facts_for_buyer(closed), now=NOW + WEEK).reason is R.SESSION_CLOSED
        assert refusal(now=NOW + DAY + WEEK).reason is R.SESSION_EXPIRED

    def test_when_session_and_lease_disagree(self) -> None:
        session = a_session()
        closed = replace(session, closed_at=NOW)
        expired = replace(session, expires_at=NOW)
        lease = session.lease(Role.BUYER)
        assert lease is not None
        free = replace(lease, expires_at=NOW, reserved_until=NOW)

        assert refusal(with_held(session=closed)).reason is R.SESSION_CLOSED
        assert refusal(with_held(session=expired)).reason is R.SESSION_EXPIRED
        assert refusal(with_held(lease=free)).reason is R.SESSION_EXPIRED

    def test_when_the_trunk_it_came_on_is_full(self) -> None:
        told = refusal(loads=full("carrier-a"))

        assert told.reason is R.TRUNK_FULL
        assert (told.announcement, told.cause) == (Announcement.BUSY_LINES, 34)

    def test_when_no_trunk_may_carry_it_out(self) -> None:
        inbound = replace(CARRIER_A, outbound=False)

        assert refusal(replace(FACTS, trunks=(inbound,))).reason is R.NO_TRUNK

    def test_when_all_that_could_are_full(self) -> None:
        inbound = replace(CARRIER_A, outbound=False)

        told = refusal(replace(FACTS, trunks=(inbound, CARRIER_B)), loads=full("carrier-b"))

        assert told.reason is R.TRUNK_FULL

    @pytest.mark.parametrize(
        "draft",
        [
            replace(DRAFT, channel_policy=ChannelPolicy.APP_ONLY),
            replace(DRAFT, participants=(DRAFT.participants[0], replace(SELLER, phone=None))),
        ],
    )
    def test_when_the_callee_can_only_be_reached_in_the_app(
        self, draft: lifecycle.SessionDraft
    ) -> None:
        told = refusal(facts_for_buyer(a_session(draft)))

        assert told.reason is R.CALLEE_UNREACHABLE
        assert told.cause == 20

    @pytest.mark.parametrize("policy", [ChannelPolicy.GSM_ONLY, ChannelPolicy.APP_THEN_GSM])
    def test_not_when_a_phone_may_be_rung(self, policy: ChannelPolicy) -> None:
        session = a_session(replace(DRAFT, channel_policy=policy))

        assert isinstance(decided(facts_for_buyer(session)), Plan)

    @pytest.mark.parametrize("lasts", [None, NOW])
    def test_when_the_callee_has_no_live_number_to_be_shown(self, lasts: datetime | None) -> None:
        session = a_session()
        mine, theirs = session.leases
        left = (mine,) if lasts is None else (mine, replace(theirs, expires_at=lasts))

        told = refusal(with_held(session=replace(session, leases=left)))

        assert told.reason is R.CALLEE_UNREACHABLE

    def test_and_tells_what_is_known_by_then(self) -> None:
        unknown = refusal(replace(FACTS, number=None))
        stranger = refusal(offer=an_offer(caller="+79160000000"))
        withheld = refusal(offer=an_offer(caller=None))
        blocked = refusal(with_held(blocked=True))
        unreachable = refusal(replace(FACTS, trunks=(replace(CARRIER_A, outbound=False),)))

        assert (unknown.session_id, unknown.caller, unknown.number_in) == (None, None, None)
        for told in (stranger, withheld):
            assert (told.session_id, told.caller, told.number_in) == (None, None, ONE.e164)
        for told in (blocked, unreachable):
            assert (told.session_id, told.caller) == ("ses_1", Role.BUYER)
            assert told.number_in == ONE.e164
        assert unknown.language is stranger.language is blocked.language is Language.EN

    def test_in_the_order_that_gives_least_away(self) -> None:
        """A blocked caller is not told of trunks, nor a late one of blocks."""
        blocked = with_held(blocked=True)

        assert refusal(blocked, loads=full("carrier-a")).reason is R.BLOCKED
        assert refusal(blocked, now=NOW + DAY).reason is R.COOLING
        assert refusal(now=NOW + DAY, loads=full("carrier-a")).reason is R.COOLING


class TestFactsThatDoNotBelongToTheOffer:
    """Whatever the store answers, nobody is rung for a lease that is not the caller's."""

    def lease(self) -> Lease:
        return FACTS.held[0].lease

    @pytest.mark.parametrize("number_id", [1000, 1002])
    def test_a_lease_of_another_number(self, number_id: int) -> None:
        other = replace(self.lease(), number=replace(ONE, id=number_id))

        assert refusal(with_held(lease=other)).reason is R.UNKNOWN_CALLER

    @pytest.mark.parametrize("session_id", ["ses_0", "ses_2"])
    def test_a_lease_of_another_session(self, session_id: str) -> None:
        other = replace(self.lease(), session_id=session_id)

        assert refusal(with_held(lease=other)).reason is R.UNKNOWN_CALLER

    @pytest.mark.parametrize("role", [Role.SELLER, Role.COURIER])
    def test_a_lease_of_another_participant(self, role: Role) -> None:
        other = replace(self.lease(), role=role)

        assert refusal(with_held(lease=other)).reason is R.UNKNOWN_CALLER

    def test_a_session_of_other_people(self) -> None:
        strangers = tuple(replace(one, phone=Phone("+79160000000")) for one in DRAFT.participants)
        session: Session = replace(a_session(), participants=(strangers[0], strangers[1]))

        assert refusal(with_held(session=session)).reason is R.UNKNOWN_CALLER

    def test_another_number(self) -> None:
        assert refusal(replace(FACTS, number=TWO)).reason is R.UNKNOWN_NUMBER


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


def test_every_reason_has_what_is_heard_and_a_cause() -> None:
    assert set(REFUSALS) == set(RefusalReason)
    assert {reason: cause for reason, (_, cause) in REFUSALS.items()} == {
        R.UNKNOWN_NUMBER: 1,
        R.UNKNOWN_CALLER: 1,
        R.WITHHELD_CALLER: 21,
        R.COOLING: 22,
        R.SESSION_CLOSED: 22,
        R.SESSION_EXPIRED: 22,
        R.BLOCKED: 21,
        R.TRUNK_FULL: 34,
        R.NO_TRUNK: 38,
        R.CALLEE_UNREACHABLE: 20,
        R.WRONG_PIN: 21,
        R.PIN_LOCKED: 21,
        R.WRONG_EXTENSION: 21,
        R.NOTHING_CHOSEN: 21,
        R.TOO_MANY_LISTINGS: 21,
        R.POOL_EXHAUSTED: 34,
        R.PLATFORM_REFUSED: 21,
        R.PLATFORM_SILENT: 41,
        R.NO_CONTROLLER: 41,
    }
    assert {reason: sound for reason, (sound, _) in REFUSALS.items()} == {
        R.UNKNOWN_NUMBER: Announcement.NOT_IN_SERVICE,
        R.UNKNOWN_CALLER: Announcement.NOT_IN_SERVICE,
        R.WITHHELD_CALLER: Announcement.WITHHELD,
        R.COOLING: Announcement.NO_LONGER_SERVES,
        R.SESSION_CLOSED: Announcement.NO_LONGER_SERVES,
        R.SESSION_EXPIRED: Announcement.NO_LONGER_SERVES,
        R.BLOCKED: Announcement.BLOCKED,
        R.TRUNK_FULL: Announcement.BUSY_LINES,
        R.NO_TRUNK: Announcement.UNAVAILABLE,
        R.CALLEE_UNREACHABLE: Announcement.UNAVAILABLE,
        R.WRONG_PIN: Announcement.GAVE_UP_ASKING,
        R.PIN_LOCKED: Announcement.LOCKED_OUT,
        R.WRONG_EXTENSION: Announcement.GAVE_UP_ASKING,
        R.NOTHING_CHOSEN: Announcement.GAVE_UP_ASKING,
        R.TOO_MANY_LISTINGS: Announcement.BLOCKED,
        R.POOL_EXHAUSTED: Announcement.BUSY_LINES,
        R.PLATFORM_REFUSED: Announcement.NOT_IN_SERVICE,
        R.PLATFORM_SILENT: Announcement.TRY_AGAIN,
        R.NO_CONTROLLER: Announcement.TRY_AGAIN,
    }


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
