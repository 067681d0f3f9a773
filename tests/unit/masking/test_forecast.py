"""When a pool will be empty for somebody: the same answer as living through it, tick by tick."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.forecast import Forecast, Pace, forecast, pace, sentence
from tests.unit.masking.given import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TICK = timedelta(milliseconds=1)  # what the forecast reckons in

sizes = st.integers(1, 12)
spans = st.integers(0, 30)  # ticks


def after(ticks: int) -> datetime:
    return NOW + ticks * TICK


def expected(t: int, ends: list[int], holds: list[int], taken: int, window: int) -> Fraction:
    """What is held at tick `t`, as the module's first lines define it."""
    kept = sum(end > t for end in ends)
    mean = Fraction(sum(min(hold, t) for hold in holds), len(holds)) if holds else Fraction(0)
    return kept + Fraction(taken, window) * mean


@given(sizes, st.lists(spans, max_size=12), st.lists(spans, max_size=6), spans, st.integers(1, 12))
def test_it_is_the_first_moment_at_which_as_many_are_expected_to_be_held_as_there_are(
    size: int, ends: list[int], holds: list[int], taken: int, window: int
) -> None:
    found = forecast(
        size,
        [after(end) for end in ends],
        Pace(taken, window * TICK, tuple(hold * TICK for hold in holds)),
        NOW,
    )

    last = max([0, *ends, *holds])  # from then on nothing changes any more
    full = (t for t in range(last + 1) if expected(t, ends, holds, taken, window) >= size)
    first = next(full, None)
    assert found.at == (None if first is None else after(first))
    assert found.level == pytest.approx(float(expected(last, [], holds, taken, window)))


def lived_through(size: int, ends: list[int], every: int, hold: int) -> int | None:
    """A participant who takes a number every `every` ticks and keeps each for `hold`."""
    held = sorted(ends)
    for t in range(200):
        if t and t % every == 0:
            held.append(t + hold)
        held = [end for end in held if end > t]
        if len(held) >= size:
            return t
    return None


@given(sizes, st.lists(spans, max_size=12), st.integers(1, 10), st.integers(1, 30))
def test_a_regular_life_agrees_with_it_to_within_one_number(
    size: int, ends: list[int], every: int, hold: int
) -> None:
    def told(pool: int) -> float:
        at = forecast(
            pool, [after(end) for end in ends], Pace(1, every * TICK, (hold * TICK,)), NOW
        ).at
        return float("inf") if at is None else (at - NOW) / TICK

    lived = lived_through(size, ends, every, hold)

    assert told(size - 1) <= (float("inf") if lived is None else lived) <= told(size + 1)


def test_ends_that_are_known_put_the_day_off() -> None:
    busy = Pace(7, 7 * DAY, (30 * DAY,))  # one a day, each for a month

    soon = forecast(10, [NOW + 20 * DAY] * 8, busy, NOW)
    later = forecast(10, [NOW + HOUR] * 8, busy, NOW)

    assert soon.at == NOW + 2 * DAY
    assert later.at == NOW + 10 * DAY


def test_a_cool_down_longer_than_the_straight_line_shows_is_seen() -> None:
    """Two a day for a day each are two; cooling for six days more they are fourteen."""
    assert forecast(14, [], Pace(14, 7 * DAY, (DAY,)), NOW) == Forecast(None, 2.0)
    assert forecast(14, [], Pace(14, 7 * DAY, (7 * DAY,)), NOW) == Forecast(NOW + 7 * DAY, 14.0)


def test_who_takes_as_many_as_they_give_back_never_empties_the_pool() -> None:
    fast = Pace(7_000, 7 * DAY, (15 * timedelta(minutes=1),))  # a thousand a day, briefly

    found = forecast(11, [], fast, NOW)

    assert found.at is None
    assert found.level == pytest.approx(1000 / 96)
    assert sentence("default", "u-1", 11, found, NOW) == (
        "at this rate pool default is never empty for u-1: they level off at about 10 of 11 numbers"
    )


def test_a_pool_that_is_empty_is_empty_now() -> None:
    found = forecast(2, [NOW + DAY, NOW + DAY], Pace(0, DAY, ()), NOW)

    assert found.at == NOW
    assert sentence("default", "u-1", 2, found, NOW) == "pool default is empty for u-1 now"


@pytest.mark.parametrize(
    ("ahead", "when"),
    [
        (timedelta(minutes=90), "today, about 10:30 UTC"),
        (DAY, "tomorrow, about 09:00 UTC"),
        (2 * DAY, "on Wednesday, about 09:00 UTC"),
        (8 * DAY, "on Tuesday, 10 November"),
        (70 * DAY, "on Monday, 11 January 2027"),
    ],
)
def test_the_day_is_said_as_people_say_it(ahead: timedelta, when: str) -> None:
    found = Forecast(NOW + ahead, 30.0)

    assert sentence("default", "u-1", 20, found, NOW) == (
        f"at this rate pool default is empty for u-1 {when}"
    )


def test_nothing_taken_is_never_empty() -> None:
    found = forecast(3, [NOW + DAY], pace([(NOW - 9 * DAY, NOW + DAY)], NOW), NOW)

    assert found == Forecast(None, 0.0)
    assert sentence("default", "u-1", 3, found, NOW) == (
        "u-1 takes no new numbers of pool default: it is never empty for them"
    )


def test_a_week_stands_for_what_comes() -> None:
    old = [(NOW - 30 * DAY, NOW - 20 * DAY)] * 50
    new = [(NOW - n * DAY, NOW + DAY) for n in range(7)]

    assert pace(old + new, NOW) == Pace(7, 7 * DAY, tuple(DAY + n * DAY for n in range(7)))


def test_a_busy_first_hour_is_reckoned_as_a_day() -> None:
    begun = [(NOW - HOUR, NOW + DAY)] * 12

    assert pace(begun, NOW).a_day == 12
    assert pace([(NOW - 3 * DAY, NOW)] * 12, NOW).a_day == 4


def test_who_is_new_has_no_pace() -> None:
    assert pace([], NOW) == Pace(0, DAY, ())
