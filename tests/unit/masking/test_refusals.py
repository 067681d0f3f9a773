"""When nobody is rung, and what the caller hears then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from masking import lifecycle
from masking.model import ChannelPolicy, Language, Lease, Phone, Role, Session
from masking.plan import Announcement, Offer, Plan, RefusalReason
from masking.routing import REFUSALS, RoutingFacts
from tests.unit.masking.given import (
    CARRIER_A,
    CARRIER_B,
    DRAFT,
    NOW,
    ONE,
    SELLER,
    TWO,
    a_session,
    an_offer,
    facts_for_buyer,
)
from tests.unit.masking.routed import DAY, FACTS, WEEK, R, decided, full, refusal, with_held


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

        assert (told.reason, told.session_id, told.caller) == (R.COOLING, "ses_1", Role.BUYER)
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

    def test_when_a_lease_is_left_of_a_callee_without_a_phone(self) -> None:
        session = a_session()
        buyer, seller = session.participants
        left = replace(session, participants=(buyer, replace(seller, phone=None)))

        assert refusal(with_held(session=left)).reason is R.CALLEE_UNREACHABLE

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
        R.NOT_A_PARTICIPANT: 1,
        R.IN_APP_OFF: 20,
        R.QUIET_HOURS: 20,
        R.UNANSWERED_IN_ROW: 21,
        R.PAIR_AN_HOUR: 21,
        R.CALLER_AN_HOUR: 21,
        R.OVERLOADED: 42,
        R.DISK_FULL: 42,
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
        R.NOT_A_PARTICIPANT: Announcement.NOT_IN_SERVICE,
        R.IN_APP_OFF: Announcement.UNAVAILABLE,
        R.QUIET_HOURS: Announcement.QUIET_HOURS,
        R.UNANSWERED_IN_ROW: Announcement.TOO_MANY_CALLS,
        R.PAIR_AN_HOUR: Announcement.TOO_MANY_CALLS,
        R.CALLER_AN_HOUR: Announcement.TOO_MANY_CALLS,
        R.OVERLOADED: Announcement.BUSY_LINES,
        R.DISK_FULL: Announcement.BUSY_LINES,
        R.NO_CONTROLLER: Announcement.TRY_AGAIN,
    }
