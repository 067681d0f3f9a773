"""Users' switches: who takes calls in the app, and when nothing rings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.errors import InvalidQuietHours
from masking.switches import (
    Account,
    Day,
    QuietHours,
    Switches,
    check_quiet_hours,
    is_quiet,
    read_quiet_hours,
    takes_app_calls,
)

MOSCOW = ZoneInfo("Europe/Moscow")
NIGHTS = (QuietHours.of("22:00", "08:00", ["fri", "sat"]),)
MONDAY = datetime(2026, 11, 16, tzinfo=MOSCOW)


def at(day: int, clock: str) -> datetime:
    hours, minutes = map(int, clock.split(":"))
    return (MONDAY + timedelta(days=day)).replace(hour=hours, minute=minutes).astimezone(UTC)


@pytest.mark.parametrize(
    ("account", "switch", "opted_in", "taken"),
    [
        (Account.PRIVATE, None, False, True),
        (Account.PRIVATE, True, False, True),
        (Account.PRIVATE, False, True, False),
        (Account.COMPANY, None, False, False),
        (Account.COMPANY, True, False, False),
        (Account.COMPANY, None, True, True),
        (Account.COMPANY, True, True, True),
        (Account.COMPANY, False, True, False),
    ],
)
def test_private_users_take_app_calls_and_companies_where_they_opted_in(
    account: Account, switch: bool | None, opted_in: bool, taken: bool
) -> None:
    chosen = Switches(account, switch)
    assert takes_app_calls(chosen, listing_opted_in=opted_in) is taken


@pytest.mark.parametrize(
    ("day", "clock", "quiet"),
    [
        (4, "21:59", False),
        (4, "22:00", True),
        (5, "07:59", True),  # Friday's night
        (5, "08:00", False),
        (6, "03:00", True),  # Saturday's
        (6, "22:30", False),
        (0, "03:00", False),  # Sunday's is none
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(day: int, clock: str, quiet: bool) -> None:
    assert is_quiet(NIGHTS, MOSCOW, at(day, clock)) is quiet


def test_a_night_of_sunday_goes_into_the_next_week() -> None:
    hours = (QuietHours.of("23:00", "01:00", ["sun"]),)
    assert is_quiet(hours, MOSCOW, at(7, "00:59"))
    assert not is_quiet(hours, MOSCOW, at(7, "01:00"))


def test_quiet_hours_follow_the_clock_on_the_wall() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = (QuietHours.of("22:00", "08:00"),)

    winter = datetime(2026, 1, 15, 21, 30, tzinfo=UTC)  # 22:30 there
    summer = datetime(2026, 7, 15, 6, 30, tzinfo=UTC)  # 08:30 there

    assert is_quiet(hours, berlin, winter)
    assert not is_quiet(hours, berlin, summer)
    assert not is_quiet((), berlin, winter)


@pytest.mark.parametrize(
    ("hours", "field"),
    [
        ([QuietHours.of("10:00", "10:00")], "quiet_hours[0].until"),
        ([QuietHours.of("10:00", "11:00", [])], "quiet_hours[0].days"),
        ([QuietHours.of("10:00", "11:00", ["mon", "mon"])], "quiet_hours[0].days"),
        (
            [QuietHours.of("10:00", "12:00"), QuietHours.of("11:59", "13:00", ["sun"])],
            "quiet_hours[1]",
        ),
        (
            [QuietHours.of("00:00", "01:00", ["mon"]), QuietHours.of("23:00", "00:30", ["sun"])],
            "quiet_hours[0]",
        ),
        ([QuietHours.of("00:00", "24:00"), QuietHours.of("05:00", "06:00")], "quiet_hours[1]"),
    ],
)
def test_hours_that_are_empty_or_said_twice_are_refused(
    hours: list[QuietHours], field: str
) -> None:
    with pytest.raises(InvalidQuietHours) as refused:
        check_quiet_hours(hours)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "hours",
    [
        [],
        [QuietHours.of("00:00", "24:00")],
        [QuietHours.of("22:00", "08:00"), QuietHours.of("08:00", "09:00")],
        [QuietHours.of("22:00", "08:00", ["sun"]), QuietHours.of("08:00", "09:00", ["mon"])],
    ],
)
def test_hours_that_only_touch_are_good(hours: list[QuietHours]) -> None:
    check_quiet_hours(hours)


MINUTES = st.integers(min_value=0, max_value=1439)


@given(
    st.lists(
        st.builds(
            QuietHours,
            MINUTES,
            st.integers(min_value=1, max_value=1440),
            st.lists(st.sampled_from(Day), min_size=1, unique=True).map(tuple),
        ),
        max_size=3,
    )
)
def test_hours_that_pass_cover_each_minute_at_most_once(hours: list[QuietHours]) -> None:
    try:
        check_quiet_hours(hours)
    except InvalidQuietHours:
        return
    total = sum(one.length_min * len(one.days) for one in hours)
    week = [MONDAY.astimezone(UTC) + timedelta(minutes=n) for n in range(0, 7 * 24 * 60, 7)]
    quiet = sum(is_quiet(hours, MOSCOW, moment) for moment in week)
    assert abs(quiet * 7 - total) <= 7 * 2 * sum(len(one.days) for one in hours)
    assert read_quiet_hours([one.plain() for one in hours]) == tuple(hours)


@pytest.mark.parametrize("clock", ["24:01", "10:60", "-1:00", "ten", "10", ""])
def test_what_is_no_time_of_a_day_is_refused(clock: str) -> None:
    with pytest.raises(ValueError, match="not a time of a day"):
        QuietHours.of(clock, "08:00")
