"""Alarms: raised where it lasts, over where all is well again, and never flapping between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console import alarms
from api.console.alarms import FORGET_AFTER, RULES, Alarm, Condition, Key, Reading, Weight

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
LAG: Key = (Condition.DELIVERY_LAG, "")
RULE = RULES[Condition.DELIVERY_LAG]
BAD, WELL = RULE.raise_at, RULE.clear_at
BETWEEN = (RULE.raise_at + RULE.clear_at) / 2

steps = st.lists(
    st.tuples(
        st.floats(0.5, 60, allow_nan=False),  # seconds that pass
        st.one_of(st.none(), st.sampled_from([0.0, WELL, BETWEEN, BAD, 2 * BAD])),
    ),
    max_size=400,
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def told(
    series: Iterable[tuple[float, float | None]], key: Key = LAG
) -> list[tuple[datetime, Alarm | None]]:
    """What is known of the alarm after each reading; seconds are counted from START."""
    known: dict[Key, Alarm] = {}
    found = []
    for second, value in series:
        readings = {} if value is None else {key: Reading(value)}
        known = alarms.step(known, readings, at(second))
        found.append((at(second), known.get(key)))
    return found


def is_raised(alarm: Alarm | None) -> bool:
    return alarm is not None and alarm.raised


def changes(states: Sequence[tuple[datetime, Alarm | None]]) -> list[tuple[datetime, bool]]:
    found, before = [], False
    for moment, alarm in states:
        if is_raised(alarm) != before:
            before = not before
            found.append((moment, before))
    return found


def absolute(passed: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    total, found = 0.0, []
    for seconds, value in passed:
        total += seconds
        found.append((total, value))
    return found


def test_it_is_raised_once_it_lasts_and_says_since_when_it_is_wrong() -> None:
    states = told([(0, BAD), (5, BAD), (RULE.raise_after_s, BAD)])

    assert [is_raised(alarm) for _, alarm in states] == [False, False, True]
    last = states[-1][1]
    assert last is not None
    assert last.since == START


def test_what_passes_at_once_is_never_told() -> None:
    assert changes(told([(0, BAD), (5, WELL), (9, BAD), (15, WELL), (20, BAD)])) == []


def test_a_reading_between_the_thresholds_changes_nothing() -> None:
    up = [(0.0, BAD), (RULE.raise_after_s, BAD)]
    swings = [(RULE.raise_after_s + n, BETWEEN if n % 2 else BAD) for n in range(1, 1000)]

    assert len(changes(told(up + swings))) == 1
    assert changes(told([(n, BETWEEN) for n in range(1000)])) == []


def test_it_is_over_once_all_was_well_for_long_enough() -> None:
    raised = RULE.raise_after_s
    series = [(0.0, BAD), (raised, BAD), (raised + 1, WELL)]
    early = [*series, (raised + RULE.clear_after_s, WELL)]
    late = [*series, (raised + 1 + RULE.clear_after_s, WELL)]

    assert is_raised(told(early)[-1][1])
    assert not is_raised(told(late)[-1][1])


def test_one_that_returns_soon_counts_its_returns_and_stays_twice_as_long() -> None:
    cycle = [(0.0, BAD), (10.0, BAD), (11.0, WELL), (71.0, WELL)]
    again = [(100 + second, value) for second, value in cycle]
    states = told([*cycle, *again, (100 + 11 + 2 * RULE.clear_after_s, WELL)])

    assert [raised for _, raised in changes(states)] == [True, False, True, False]
    assert is_raised(states[-2][1])  # where the first time it was over
    last = states[-2][1]
    assert last is not None
    assert last.times == 2


def test_after_a_quiet_while_it_is_a_new_one() -> None:
    cycle = [(0.0, BAD), (10.0, BAD), (11.0, WELL), (71.0, WELL)]
    later = 71 + FORGET_AFTER.total_seconds()
    states = told([*cycle, (later, BAD), (later + 10, BAD)])

    last = states[-1][1]
    assert last is not None
    assert (last.raised, last.times) == (True, 1)


def test_what_nobody_can_say_any_more_is_let_go_in_the_end() -> None:
    long = FORGET_AFTER.total_seconds()
    states = told([(0, BAD), (10, BAD), (11, None), (10 + long - 1, None), (10 + long, None)])

    assert [is_raised(alarm) for _, alarm in states] == [False, True, True, True, False]


@given(steps)
def test_it_is_raised_only_after_it_was_wrong_throughout(
    passed: list[tuple[float, float | None]],
) -> None:
    series = absolute(passed)
    for moment, raised in changes(told(series)):
        if raised:
            began = moment - timedelta(seconds=RULE.raise_after_s)
            within = [value for second, value in series if began <= at(second) <= moment]
            assert within
            assert all(value is not None and value >= BAD for value in within)


@given(steps)
def test_it_never_flaps(passed: list[tuple[float, float | None]]) -> None:
    found = changes(told(absolute(passed)))
    ups = [moment for moment, raised in found if raised]

    for (one, up), (other, _) in pairwise(found):
        least = RULE.clear_after_s if up else RULE.raise_after_s
        assert other - one >= timedelta(seconds=least)
    for n, moment in enumerate(ups):  # and it tires of returning
        within = [other for other in ups[n:] if other - moment <= timedelta(hours=1)]
        assert len(within) <= 7


@given(st.lists(st.floats(BAD, 1e9), min_size=1, max_size=50), st.floats(0.1, 60))
def test_what_stays_wrong_is_raised_and_stays_so(values: list[float], pause_s: float) -> None:
    states = told([(n * pause_s, value) for n, value in enumerate(values)])

    for moment, alarm in states:
        assert is_raised(alarm) == (moment - START >= timedelta(seconds=RULE.raise_after_s))


def test_the_clock_may_jump_back() -> None:
    states = told([(100, BAD), (50, BAD), (110, BAD)])

    assert is_raised(states[-1][1])


def test_grave_ones_come_first_then_the_oldest() -> None:
    known: dict[Key, Alarm] = {}
    lag, silent = (Condition.DELIVERY_LAG, ""), (Condition.TRUNK_SILENT, "a")
    for second in range(0, 200, 5):
        readings: dict[Key, Reading] = {lag: Reading(BAD)}
        if second > 100:
            readings[silent] = Reading(1)
        known = alarms.step(known, readings, at(second))

    assert [one.condition for one in alarms.raised(known)] == [silent[0], lag[0]]


def test_so_many_are_followed_and_no_more() -> None:
    readings: dict[Key, Reading] = {
        (Condition.TRUNK_SILENT, f"t-{n:05}"): Reading(1) for n in range(alarms.MOST + 50)
    }

    assert len(alarms.step({}, readings, START)) == alarms.MOST


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.condition.value)
def test_every_rule_leaves_room_between_its_thresholds(rule: alarms.Rule) -> None:
    assert rule.clear_at < rule.raise_at
    assert rule.clear_after_s >= 30
    assert rule.raise_after_s <= 30
    assert rule.weight in Weight


def test_there_is_a_rule_for_every_condition() -> None:
    assert set(RULES) == set(Condition)


def test_an_operator_may_change_when_they_are_raised_and_over() -> None:
    rules = alarms.rules_with({"delivery_lag.raise_at": 300, "pool_low.raise_after_s": 0})
    assert rules[Condition.DELIVERY_LAG].raise_at == 300
    assert rules[Condition.DELIVERY_LAG].clear_at == RULE.clear_at
    assert rules[Condition.POOL_LOW].raise_after_s == 0

    known = alarms.step({}, {LAG: Reading(299)}, START, rules)
    assert alarms.step(known, {LAG: Reading(299)}, at(60), rules) == {}
    assert alarms.rules_with({}) == RULES


@pytest.mark.parametrize(
    "changes",
    [
        {"delivery_lag.raise_at": 30},  # it would be over where it is raised
        {"delivery_lag.clear_at": 120},
        {"delivery_lag.weight": 1},
        {"delivery_lag": 1},
        {"no_such.raise_at": 1},
        {"delivery_lag.raise_after_s": -1},
        {"delivery_lag.clear_after_s": 1e9},
        {"delivery_lag.raise_at": float("nan")},
    ],
)
def test_rules_that_cannot_be_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes)).partition(".")[0]):
        alarms.rules_with(changes)
