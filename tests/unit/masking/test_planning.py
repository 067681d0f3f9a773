"""How many numbers are needed: the same as by trying it out, and as the tables of the trade say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.planning import (
    Crowd,
    Need,
    Recycled,
    Use,
    Wishes,
    at_least_held,
    erlang_b,
    held_at_opening,
    needed,
    needed_by_crowds,
    needed_for_count,
    needed_recycling,
    needs_of_history,
    needs_of_traffic,
    recycle,
)
from tests.unit.masking.given import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ticks = st.integers(0, 25)
cool_downs = st.integers(0, 10)


def at(tick: int) -> datetime:
    return NOW + tick * HOUR


@st.composite
def lives(draw: st.DrawFn) -> list[Use]:
    """The sessions of one participant: whole hours, so that many things happen at once."""
    uses = []
    for _ in range(draw(st.integers(0, 10))):
        opened = draw(ticks)
        ended = opened + draw(st.integers(1, 12))
        calls = draw(st.lists(st.integers(opened, ended - 1), max_size=3))
        uses.append(Use(at(opened), at(ended), tuple(sorted(map(at, calls)))))
    return uses


@given(lives(), cool_downs)
def test_the_numbers_needed_are_the_most_that_are_held_in_any_hour(
    uses: list[Use], cool_down: int
) -> None:
    most = max(
        (
            sum(use.opened <= at(tick) < use.ended + cool_down * HOUR for use in uses)
            for tick in range(60)
        ),
        default=0,
    )

    held = held_at_opening(uses, cool_down * HOUR)

    assert needed(held) == most
    assert held.total() == len(uses)


@given(lives(), cool_downs, st.integers(0, 12))
def test_each_opening_is_counted_with_what_was_held_just_before(
    uses: list[Use], cool_down: int, places: int
) -> None:
    in_order = sorted(uses, key=lambda use: use.opened)
    befores = [
        sum(other.ended + cool_down * HOUR > use.opened for other in in_order[:n])
        for n, use in enumerate(in_order)
    ]

    assert held_at_opening(uses, cool_down * HOUR)[places] == befores.count(places)


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 50)), st.integers(0, 500))
def test_as_many_are_unlucky_as_may_be_and_no_more(held: dict[int, int], allowed: int) -> None:
    found = needed_for_count(held, allowed)

    assert sum(n for places, n in held.items() if places >= found) <= allowed
    if found > 1:
        assert sum(n for places, n in held.items() if places >= found - 1) > allowed
    assert needed_for_count(held, 0) == needed(Counter(held))


def recycled_by_hand(uses: list[Use], numbers: int, cool_down: int, idle: int) -> Recycled:
    """As slowly and plainly as it can be said."""
    held: list[Use] = []
    refused = taken_over = cut = 0
    for use in sorted(uses, key=lambda use: use.opened):
        now = use.opened
        held = [one for one in held if one.ended + cool_down * HOUR > now]
        if len(held) >= numbers:
            ready = [one for one in held if one.ended > now and idle_for(one, now) >= idle * HOUR]
            if not ready:
                refused += 1
                continue
            over = max(ready, key=lambda one: (idle_for(one, now), -uses.index(one)))
            held.remove(over)
            taken_over += 1
            cut += any(call > now for call in over.calls)
        held.append(use)
    return Recycled(refused, taken_over, cut)


def idle_for(use: Use, now: datetime) -> timedelta:
    return now - max(use.opened, *(call for call in use.calls if call <= now), use.opened)


@given(lives(), st.integers(1, 6), cool_downs, st.integers(1, 8))
def test_recycling_is_what_it_is_by_hand(
    uses: list[Use], numbers: int, cool_down: int, idle: int
) -> None:
    told_apart = [
        replace(use, opened=use.opened + n * timedelta(minutes=1), calls=use.calls)
        for n, use in enumerate(uses)
    ]
    told_apart = [
        replace(use, calls=tuple(call for call in use.calls if call > use.opened))
        for use in told_apart
    ]

    assert recycle(told_apart, numbers, cool_down * HOUR, idle * HOUR) == recycled_by_hand(
        told_apart, numbers, cool_down, idle
    )


@given(lives(), cool_downs, st.integers(1, 8), st.integers(0, 3))
def test_with_the_numbers_needed_recycling_refuses_nobody(
    uses: list[Use], cool_down: int, idle: int, at_least: int
) -> None:
    found = needed_recycling(uses, cool_down * HOUR, idle * HOUR, at_least=at_least)

    assert recycle(uses, found, cool_down * HOUR, idle * HOUR).refused == 0
    assert at_least <= found <= max(at_least, needed(held_at_opening(uses, cool_down * HOUR)))
    if found > max(at_least, 1):
        assert recycle(uses, found - 1, cool_down * HOUR, idle * HOUR).refused > 0


def test_an_idle_session_makes_room_and_one_that_is_called_does_not() -> None:
    quiet = Use(at(0), at(100))
    lively = Use(at(1), at(100), (at(8), at(50)))
    third = Use(at(9), at(20))

    assert recycle([quiet, lively, third], 2, DAY, 3 * HOUR) == Recycled(0, 1, 0)
    assert recycle([lively, third], 1, DAY, 3 * HOUR) == Recycled(1, 0, 0)
    assert recycle([lively, third], 1, DAY, HOUR) == Recycled(0, 1, 1)


@pytest.mark.parametrize(
    ("load", "numbers", "refused"),
    [  # as printed in the usual tables of Erlang B
        (0.0101, 1, 0.01),
        (4.4612, 10, 0.01),
        (12.031, 20, 0.01),
        (84.064, 100, 0.01),
        (80.910, 100, 0.005),
    ],
)
def test_erlangs_formula_is_the_one_of_the_tables(
    load: float, numbers: int, refused: float
) -> None:
    assert erlang_b(load, numbers) == pytest.approx(refused, rel=1e-3)


loads = st.integers(1, 300).map(lambda tenths: Fraction(tenths, 10))


@given(loads, st.integers(0, 40))
def test_erlangs_formula_is_exact(load: Fraction, numbers: int) -> None:
    terms = [load**n / math.factorial(n) for n in range(numbers + 1)]

    assert erlang_b(float(load), numbers) == pytest.approx(float(terms[-1] / sum(terms)), rel=1e-9)


@given(loads, st.integers(0, 60))
def test_the_tail_is_poissons(load: Fraction, numbers: int) -> None:
    below = sum(load**n / math.factorial(n) for n in range(numbers))
    exact = 1 - float(below) * math.exp(-load)

    assert at_least_held(float(load), numbers) == pytest.approx(exact, abs=1e-9)


def test_nobody_with_nothing_to_do_is_refused() -> None:
    assert erlang_b(0, 0) == 1
    assert erlang_b(0, 3) == 0
    assert at_least_held(0, 0) == 1
    assert at_least_held(0, 1) == 0
    assert needed_by_crowds([Crowd(5, 0)], DAY, 0.01) == 0
    assert needed({}) == 0
    assert needed_for_count({}, 0) == 0


@given(
    st.lists(st.builds(Crowd, st.integers(1, 1000), st.floats(0.01, 50)), min_size=1, max_size=3),
    st.sampled_from([DAY, 8 * DAY]),
    st.sampled_from([0.1, 0.001, 1e-6]),
    st.booleans(),
)
def test_one_number_less_than_crowds_need_would_not_do(
    crowds: list[Crowd], hold: timedelta, share: float, sharing: bool
) -> None:
    def unlucky(numbers: int) -> float:
        chance = at_least_held if sharing else erlang_b
        days = hold / DAY
        found = sum(one.people * one.a_day * chance(one.a_day * days, numbers) for one in crowds)
        return found / sum(one.people * one.a_day for one in crowds)

    found = needed_by_crowds(crowds, hold, share, sharing=sharing)

    assert unlucky(found) <= share
    assert found == 1 or unlucky(found - 1) > share


def test_few_dealers_decide_and_a_million_private_sellers_do_not() -> None:
    sellers, dealers = Crowd(1_000_000, 0.3), Crowd(500, 40)

    alone = needed_by_crowds([sellers], DAY, 1e-4)
    both = needed_by_crowds([sellers, dealers], DAY, 1e-4)

    assert alone < 8
    assert 50 < both < 80


COOL_DOWNS = (timedelta(0), 2 * HOUR, 9 * HOUR)


@given(st.lists(lives(), max_size=6), st.integers(1, 8), st.sampled_from([0.0, 0.05, 0.3]))
def test_what_history_needs_is_found_without_looking_at_all_of_it(
    everybody: list[list[Use]], idle: int, digits: float
) -> None:
    wishes = Wishes(COOL_DOWNS, idle * HOUR, digits=digits)
    openings = sum(map(len, everybody))
    looked_at = []

    def life(n: int, uses: list[Use]) -> tuple[int, Callable[[], list[Use]]]:
        def load() -> list[Use]:
            looked_at.append(n)
            return uses

        return len(uses), load

    busiest = sorted(everybody, key=len, reverse=True)
    found = needs_of_history([life(*one) for one in enumerate(busiest)], openings, wishes)

    for need, cool_down in zip(found, COOL_DOWNS, strict=True):
        held = sum((held_at_opening(uses, cool_down) for uses in everybody), Counter[int]())
        assert need.cool_down == cool_down
        assert need.refuse == needed(held)
        assert need.extension == needed_for_count(held, digits * openings)
        assert need.recycle_idle <= need.refuse
        for uses in everybody:
            assert recycle(uses, need.recycle_idle, cool_down, idle * HOUR).refused == 0
    assert looked_at == list(range(len(looked_at)))


def test_the_quiet_ones_are_not_even_loaded() -> None:
    dealer = [Use(at(0), at(20))] * 9

    def unwanted() -> list[Use]:
        pytest.fail("they cannot matter")

    lives = [(9, lambda: dealer), *[(1, unwanted)] * 1000]

    found = needs_of_history(lives, 1009, Wishes((DAY,), HOUR, digits=0))

    assert found == (Need(DAY, 9, 9, 9),)


def test_each_rule_saves_numbers_where_traffic_is_stated() -> None:
    crowds = [Crowd(100_000, 0.1), Crowd(50, 30)]

    short, week = needs_of_traffic(
        crowds, DAY, Wishes((timedelta(0), 7 * DAY), 3 * HOUR, refused=1e-4)
    )

    assert (short.cool_down, week.cool_down) == (timedelta(0), 7 * DAY)
    assert short.recycle_idle == week.recycle_idle < short.extension < short.refuse
    assert 200 < week.extension < week.refuse < 300, "240 erlangs"


def test_sessions_shorter_than_any_idleness_are_never_recycled() -> None:
    (need,) = needs_of_traffic([Crowd(10, 5)], HOUR, Wishes((DAY,), 3 * HOUR, refused=1e-3))

    assert need.recycle_idle == need.refuse
