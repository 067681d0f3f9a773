"""The rules of listing numbers: how long they live, what still reaches them, when they rotate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import listing
from masking.errors import ListingNumberOver, PhoneMissing, TtlOutOfRange
from masking.listing import ListingDraft, ListingNumber, ListingState, Rotation, Shown
from masking.model import Listing, Participant, Phone, ProxyNumber, Role, Session
from masking.rules import ListingRules

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)
SELLER = Participant(Role.SELLER, "u-2", Phone("+79267654321"))
CALLER = Participant(Role.BUYER, "caller:x", Phone("+79031112233"))
NUMBER = ProxyNumber(1, Phone("+74951110001"), "default", "carrier-a")
spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))


def a_draft(ttl: timedelta = DAY, rotation: Rotation | None = None) -> ListingDraft:
    return ListingDraft(Listing("L-42", "Lada"), SELLER, "default", ttl, rotation=rotation)


def a_number(ttl: timedelta = DAY, hidden_at: datetime | None = None) -> ListingNumber:
    made = listing.begin(a_draft(ttl), ListingRules(), new_id="lst_1", now=NOW)
    return replace(made, shown=Shown(NUMBER, "", NOW, hidden_at))


@given(ttl=spans, later=spans)
def test_it_lives_from_its_creation_to_its_expiry(ttl: timedelta, later: timedelta) -> None:
    if not timedelta(seconds=1) <= ttl <= timedelta(days=365):
        with pytest.raises(TtlOutOfRange):
            a_number(ttl)
        return
    assert a_number(ttl).live(NOW + later) == (later < ttl)


@given(closed=spans, later=spans)
def test_closed_it_takes_nobody_and_stays_so(closed: timedelta, later: timedelta) -> None:
    number = listing.close(a_number(365 * DAY), NOW + closed)
    again = listing.close(number, NOW + closed + later)

    assert again == number
    if closed >= 365 * DAY:  # it had expired
        assert number.state(NOW + closed) is ListingState.EXPIRED
    else:
        assert number.live(NOW + later) == (later < _whole_ms(closed))


def _whole_ms(span: timedelta) -> timedelta:
    """As times are kept."""
    return span // timedelta(milliseconds=1) * timedelta(milliseconds=1)


@given(hidden=spans, rest=spans, later=spans)
def test_a_place_reaches_its_listing_while_it_is_shown_and_while_it_rests(
    hidden: timedelta, rest: timedelta, later: timedelta
) -> None:
    ttl = 365 * DAY
    shown, resting = a_number(ttl), a_number(ttl, NOW + hidden)

    assert listing.reached(shown, rest, NOW + later) == (later < ttl)
    assert listing.reached(resting, rest, NOW + later) == (later < ttl and later < hidden + rest)
    assert not listing.reached(replace(shown, shown=None), rest, NOW)


def test_what_is_over_is_not_revived() -> None:
    number = a_number(DAY)

    with pytest.raises(ListingNumberOver):
        listing.extend(number, NOW + 3 * DAY, NOW + DAY)
    with pytest.raises(ListingNumberOver):
        listing.extend(listing.close(number, NOW), NOW + 3 * DAY, NOW)
    with pytest.raises(TtlOutOfRange):
        listing.extend(number, NOW + timedelta(milliseconds=999), NOW)
    assert listing.extend(number, NOW + 3 * DAY, NOW).live(NOW + 2 * DAY)


def test_a_seller_without_a_phone_cannot_be_shown() -> None:
    mute = replace(a_draft(), callee=replace(SELLER, phone=None))

    with pytest.raises(PhoneMissing):
        listing.begin(mute, ListingRules(), new_id="lst_1", now=NOW)


def test_the_pools_rotation_holds_where_none_is_asked_for() -> None:
    rules = ListingRules(rotate_after=DAY, rotate_after_callers=5)

    usual = listing.begin(a_draft(), rules, new_id="lst_1", now=NOW)
    never = listing.begin(a_draft(rotation=Rotation()), rules, new_id="lst_1", now=NOW)

    assert usual.rotation == Rotation(DAY, 5)
    assert listing.due_at(usual.rotation, NOW) == NOW + DAY
    assert [listing.full(usual.rotation, callers) for callers in (4, 5, 6)] == [False, True, True]
    assert listing.due_at(never.rotation, NOW) is None
    assert not listing.full(never.rotation, 10**9)


@given(length=st.integers(3, 8), raw=st.binary(min_size=8, max_size=8))
def test_an_extension_has_so_many_digits(length: int, raw: bytes) -> None:
    digits = listing.extension(length, lambda _: raw)

    assert len(digits) == length
    assert digits.isascii()
    assert digits.isdigit()


@pytest.mark.parametrize("role", Role)
def test_a_caller_never_has_the_role_of_the_one_called(role: Role) -> None:
    assert listing.caller_role(role) is not role


def a_session(seller: Participant = SELLER, about: str | None = "L-42") -> Session:
    return Session(
        "ses_1",
        "chat-1",
        "default",
        (CALLER, seller),
        NOW,
        NOW + DAY,
        listing=None if about is None else Listing(about),
    )


def test_a_talk_with_the_same_seller_about_the_same_listing_is_the_same_conversation() -> None:
    number = a_number()

    assert listing.same_conversation(number, a_session(), Role.BUYER)
    for other in (
        a_session(about="L-43"),
        a_session(about=None),
        a_session(replace(SELLER, user_id="u-3")),
        a_session(replace(SELLER, phone=Phone("+79260000001"))),
    ):
        assert not listing.same_conversation(number, other, Role.BUYER)


def test_nothing_shows_a_phone() -> None:
    assert "9267654321" not in repr(a_number()) + repr(a_draft())


@pytest.mark.parametrize(
    ("called", "caller"),
    [
        (Role.SELLER, Role.BUYER),
        (Role.BUYER, Role.SELLER),
        (Role.COURIER, Role.BUYER),
        (Role.SUPPORT, Role.BUYER),
    ],
)
def test_whoever_calls_a_listing_is_a_buyer_unless_a_buyer_is_called(
    called: Role, caller: Role
) -> None:
    assert listing.caller_role(called) is caller


@pytest.mark.parametrize("length", range(3, 9))
def test_an_extension_may_be_any_of_its_length(length: int) -> None:
    """All digits count: a listing's place is not found by trying a few."""
    drawn = [
        listing.extension(length, partial(int.to_bytes, n))
        for n in (0, 10**length - 1, 10**length, 2**64 - 1)
    ]

    assert drawn[:3] == ["0" * length, "9" * length, "0" * length]
    assert drawn[3] == str(2**64 - 1)[-length:]


@pytest.mark.parametrize("ttl", [timedelta(seconds=1), 365 * DAY])
def test_its_shortest_and_its_longest_life_are_permitted(ttl: timedelta) -> None:
    later = NOW + timedelta(hours=1)

    assert a_number(ttl).expires_at == NOW + ttl
    assert listing.extend(a_number(DAY), later + ttl, later).expires_at == later + ttl
    for outside in (timedelta(seconds=1) - MS, 365 * DAY + MS):
        with pytest.raises(TtlOutOfRange):
            listing.extend(a_number(DAY), later + outside, later)


def test_closed_is_said_even_when_it_would_have_expired_since() -> None:
    closed = listing.close(a_number(DAY), NOW + timedelta(hours=1))

    assert closed.state(NOW + timedelta(minutes=59)) is ListingState.LIVE
    assert closed.state(NOW + timedelta(hours=1)) is ListingState.CLOSED
    assert closed.state(NOW + 2 * DAY) is ListingState.CLOSED
