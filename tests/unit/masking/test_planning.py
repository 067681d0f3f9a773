"""How many numbers are needed: the same as by trying it out, and as the tables of the trade say."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.planning import (
    Crowd,
    Recycled,
    Use,
    at_least_held,
    erlang_b,
    held_at_opening,
    needed,
    needed_by_crowds,
    needed_for_share,
    needed_recycling,
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


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 50)), st.floats(0, 1))
def test_a_share_that_may_be_unlucky_is_used_up_and_not_exceeded(
    held: dict[int, int], share: float
) -> None:
    allowed = share * sum(held.values())
    found = needed_for_share(held, share)

    assert sum(n for places, n in held.items() if places >= found) <= allowed
    if found > 1:
        assert sum(n for places, n in held.items() if places >= found - 1) > allowed
    assert needed_for_share(held, 0) == needed(Counter(held))


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
    assert needed_for_share({}, 0.01) == 0


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
