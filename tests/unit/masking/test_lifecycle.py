"""Sessions are opened, extended and closed, and their leases follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking import lifecycle
from masking.allocation import Place
from masking.errors import (
    InvalidInput,
    NoCommonParticipant,
    PhoneMissing,
    SamePhone,
    SameRole,
    SameUser,
    SessionClosed,
    SessionExpired,
    TtlOutOfRange,
    WrongParticipants,
)
from masking.lifecycle import SessionDraft
from masking.model import (
    ChannelPolicy,
    LeaseState,
    Listing,
    Participant,
    Phone,
    Role,
    SessionState,
)
from tests.unit.masking.given import (
    BUYER,
    DRAFT,
    NOW,
    ONE,
    POOL,
    SELLER,
    TWO,
    a_session,
    read_back,
)

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MS = timedelta(milliseconds=1)
US = timedelta(microseconds=1)
NO_PHONE = replace(SELLER, phone=None)
PLACES = (Place(ONE), Place(TWO))


@pytest.mark.parametrize(
    ("draft", "error", "field"),
    [
        (replace(DRAFT, participants=()), WrongParticipants, "participants"),
        (replace(DRAFT, participants=(BUYER,)), WrongParticipants, "participants"),
        (
            replace(DRAFT, participants=(BUYER, SELLER, replace(BUYER, role=Role.COURIER))),
            WrongParticipants,
            "participants",
        ),
        (
            replace(DRAFT, participants=(BUYER, replace(SELLER, role=Role.BUYER))),
            SameRole,
            "participants",
        ),
        (
            replace(DRAFT, participants=(BUYER, replace(SELLER, user_id=read_back(BUYER.user_id)))),
            SameUser,
            "participants",
        ),
        (
            replace(DRAFT, participants=(BUYER, replace(SELLER, phone=read_back(BUYER.phone)))),
            SamePhone,
            "participants",
        ),
        (
            replace(DRAFT, participants=(BUYER, NO_PHONE), channel_policy=ChannelPolicy.GSM_ONLY),
            PhoneMissing,
            "participants",
        ),
        (replace(DRAFT, ttl=timedelta(seconds=1) - US), TtlOutOfRange, "ttl_s"),
        (replace(DRAFT, ttl=timedelta(days=365) + US), TtlOutOfRange, "ttl_s"),
        (replace(DRAFT, ttl=-DAY), TtlOutOfRange, "ttl_s"),
    ],
)
def test_a_draft_that_cannot_be_a_session_is_refused(
    draft: SessionDraft, error: type[InvalidInput], field: str
) -> None:
    with pytest.raises(error) as refused:
        lifecycle.check(draft)

    assert refused.value.field == field


@pytest.mark.parametrize(
    "draft",
    [
        DRAFT,
        replace(DRAFT, participants=(SELLER, BUYER)),
        replace(DRAFT, ttl=timedelta(seconds=1)),
        replace(DRAFT, ttl=timedelta(days=365)),
        replace(DRAFT, participants=(BUYER, NO_PHONE)),
        replace(DRAFT, participants=(BUYER, NO_PHONE), channel_policy=ChannelPolicy.APP_ONLY),
        replace(DRAFT, participants=(replace(BUYER, phone=None), NO_PHONE)),
        replace(DRAFT, channel_policy=ChannelPolicy.GSM_ONLY),
    ],
)
def test_a_draft_that_can_be_a_session_gives_its_participants(draft: SessionDraft) -> None:
    assert lifecycle.check(draft) == draft.participants


def test_a_new_session_is_what_was_asked_for_with_a_lease_a_side() -> None:
    draft = replace(DRAFT, listing=Listing("L-42"), channel_policy=ChannelPolicy.GSM_ONLY)

    session = lifecycle.begin(draft, POOL, PLACES, session_id="ses_7", now=NOW)

    assert session.id == "ses_7"
    assert session.conversation_id == "chat-81"
    assert session.pool == "default"
    assert session.participants == (BUYER, SELLER)
    assert session.created_at == NOW
    assert session.expires_at == NOW + DAY
    assert session.closed_at is None
    assert session.listing == Listing("L-42")
    assert session.channel_policy is ChannelPolicy.GSM_ONLY
    assert [(one.role, one.number) for one in session.leases] == [
        (Role.BUYER, ONE),
        (Role.SELLER, TWO),
    ]
    for lease in session.leases:
        assert lease.session_id == "ses_7"
        assert lease.expires_at == NOW + DAY
        assert lease.reserved_until == NOW + DAY + WEEK


def test_who_has_no_phone_gets_no_lease() -> None:
    draft = replace(DRAFT, participants=(BUYER, NO_PHONE))

    session = lifecycle.begin(draft, POOL, (Place(ONE), None), session_id="ses_7", now=NOW)

    assert session.lease(Role.SELLER) is None
    assert session.lease(Role.BUYER) is not None


def test_beginning_checks_the_draft_and_the_count_of_numbers() -> None:
    with pytest.raises(TtlOutOfRange):
        lifecycle.begin(
            replace(DRAFT, ttl=timedelta(0)),
            POOL,
            PLACES,
            session_id="ses_7",
            now=NOW,
        )
    with pytest.raises(ValueError, match="shorter"):
        lifecycle.begin(DRAFT, POOL, (Place(ONE),), session_id="ses_7", now=NOW)


@pytest.mark.parametrize("us", [123_001, 123_999])
def test_times_are_cut_to_the_millisecond_that_is_stored(us: int) -> None:
    odd = NOW + timedelta(microseconds=us)

    session = lifecycle.begin(DRAFT, POOL, PLACES, session_id="ses_7", now=odd)
    longer = lifecycle.extend(session, odd + 2 * DAY, cool_down=WEEK, now=odd)
    closed = lifecycle.close(session, cool_down=WEEK, now=odd + DAY - MS)

    assert session.created_at == NOW + 123 * MS
    assert session.expires_at == NOW + 123 * MS + DAY
    assert longer.expires_at == NOW + 123 * MS + 2 * DAY
    assert closed.closed_at == NOW + 122 * MS + DAY


@pytest.mark.parametrize("new", [timedelta(seconds=1), 3 * DAY, timedelta(days=365)])
def test_an_open_session_can_be_given_another_expiry_later_or_earlier(new: timedelta) -> None:
    session = lifecycle.extend(a_session(), NOW + new, cool_down=DAY, now=NOW)

    assert session.expires_at == NOW + new
    assert {one.expires_at for one in session.leases} == {NOW + new}
    assert {one.reserved_until for one in session.leases} == {NOW + new + DAY}
    assert session.closed_at is None
    assert len(session.leases) == 2


@pytest.mark.parametrize("new", [timedelta(seconds=1) - US, -DAY, timedelta(days=365) + US])
def test_an_expiry_outside_the_bounds_is_refused(new: timedelta) -> None:
    with pytest.raises(TtlOutOfRange) as refused:
        lifecycle.extend(a_session(), NOW + new, cool_down=DAY, now=NOW)

    assert refused.value.field == "expires_at"


def test_the_bounds_of_an_expiry_are_counted_from_now_not_from_the_beginning() -> None:
    later = NOW + DAY - MS

    session = lifecycle.extend(a_session(), later + timedelta(days=365), cool_down=WEEK, now=later)

    assert session.state(later + timedelta(days=364)) is SessionState.OPEN


def test_a_session_that_is_over_cannot_be_extended() -> None:
    closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW)

    with pytest.raises(SessionClosed):
        lifecycle.extend(closed, NOW + DAY, cool_down=WEEK, now=NOW)
    with pytest.raises(SessionExpired):
        lifecycle.extend(a_session(), NOW + 2 * DAY, cool_down=WEEK, now=NOW + DAY)


def test_closing_ends_the_leases_now_and_starts_their_cool_down() -> None:
    at = NOW + timedelta(hours=1)

    session = lifecycle.close(a_session(), cool_down=WEEK, now=at)

    assert session.closed_at == at
    assert session.state(at) is SessionState.CLOSED
    assert session.expires_at == NOW + DAY, "what was promised stays on record"
    for lease in session.leases:
        assert lease.state(at - MS) is LeaseState.LIVE
        assert lease.state(at) is LeaseState.COOLING
        assert lease.state(at + WEEK - MS) is LeaseState.COOLING
        assert lease.state(at + WEEK) is LeaseState.FREE


def test_without_a_cool_down_a_lease_is_free_at_once() -> None:
    session = lifecycle.close(a_session(), cool_down=timedelta(0), now=NOW)

    assert {one.state(NOW) for one in session.leases} == {LeaseState.FREE}


def test_closing_what_is_over_changes_nothing() -> None:
    closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW)

    assert lifecycle.close(closed, cool_down=WEEK, now=NOW + DAY) == closed


def test_what_a_clock_ahead_of_ours_closed_is_closed() -> None:
    closed = lifecycle.close(a_session(), cool_down=timedelta(0), now=NOW + DAY / 2)

    assert lifecycle.close(closed, cool_down=timedelta(0), now=NOW) == closed
    with pytest.raises(SessionClosed):
        lifecycle.extend(closed, NOW + DAY, cool_down=timedelta(0), now=NOW)
    assert lifecycle.close(a_session(), cool_down=WEEK, now=NOW + DAY) == a_session()


@pytest.mark.parametrize("role", [Role.BUYER, Role.SELLER])
def test_recycling_frees_the_place_of_the_one_who_needs_it_and_cools_the_others(
    role: Role,
) -> None:
    at = NOW + timedelta(hours=4)

    after = lifecycle.recycle(a_session(), role, cool_down=WEEK, now=at)

    assert (after.state(at), after.closed_why) == (SessionState.CLOSED, lifecycle.RECYCLED)
    states = {lease.role: lease.state(at) for lease in after.leases}
    assert states.pop(role) is LeaseState.FREE
    assert set(states.values()) == {LeaseState.COOLING}


class TestATeam:
    """Buyer u-1 meets seller u-2; whoever of these meets a third one keeps the number known."""

    COURIER = Participant(Role.COURIER, "u-3", Phone("+79031112233"))

    @pytest.mark.parametrize("courier_first", [False, True])
    def test_the_new_one_gets_the_number_of_the_one_whom_they_stand_for(
        self, courier_first: bool
    ) -> None:
        for common, others in ((BUYER, Role.SELLER), (SELLER, Role.BUYER)):
            two = (self.COURIER, common) if courier_first else (common, self.COURIER)

            position, lease = lifecycle.team_side(a_session(), two)

            assert two[position] == self.COURIER
            assert lease == a_session().lease(others)

    @pytest.mark.parametrize(
        "two",
        [
            (BUYER, SELLER),  # both are known
            (COURIER, replace(COURIER, user_id="u-4", role=Role.SUPPORT)),  # neither is
        ],
    )
    def test_has_one_in_common_with_the_session_named(
        self, two: tuple[Participant, Participant]
    ) -> None:
        with pytest.raises(NoCommonParticipant) as refused:
            lifecycle.team_side(a_session(), two)
        assert refused.value.field == "same_number_as"

    def test_cannot_have_the_number_of_one_who_has_none(self) -> None:
        session = a_session(replace(DRAFT, participants=(BUYER, NO_PHONE)))

        with pytest.raises(NoCommonParticipant):
            lifecycle.team_side(session, (BUYER, self.COURIER))
