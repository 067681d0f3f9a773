"""Intervals of proportions, beside what was published of the same methods."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.proportions import Proportion, deviate, difference, ratio, wilson


@st.composite
def a_proportion(draw: st.DrawFn) -> Proportion:
    trials = draw(st.integers(1, 5_000))
    return Proportion(draw(st.integers(0, trials)), trials)


def test_the_middle_95_percent_reach_196_hundredths_of_a_deviation() -> None:
    assert deviate(0.95) == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_newcombe_has_it(successes: int, trials: int, low: float, high: float) -> None:
    """Newcombe, Statist. Med. 17:857 (1998), table I, method 3."""
    found = wilson(Proportion(successes, trials))
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_differences_as_newcombe_has_them(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe, Statist. Med. 17:873 (1998), table II, method 10."""
    found = difference(Proportion(*one), Proportion(*other))
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_a_ratio_as_koopman_has_it() -> None:
    """Koopman, Biometrics 40:513 (1984): 36 of 40 against 16 of 80."""
    found = ratio(Proportion(36, 40), Proportion(16, 80))
    assert found.value == pytest.approx(4.5)
    assert found.low == pytest.approx(2.94, abs=5e-3)
    assert found.high == pytest.approx(7.15, abs=5e-3)


def test_of_large_samples_the_ratio_is_that_of_the_logarithm() -> None:
    """Katz et al., Biometrics 34:469 (1978): exp(+-1.96 sqrt(1/x - 1/n + 1/y - 1/m))."""
    found = ratio(Proportion(1_000, 100_000), Proportion(900, 100_000))
    assert found.low == pytest.approx(1.0159, abs=2e-4)
    assert found.high == pytest.approx(1.2153, abs=2e-4)


def test_without_a_success_a_ratio_has_one_bound_or_none() -> None:
    none, some = Proportion(0, 10), Proportion(3, 10)
    assert ratio(none, some).low == 0
    assert ratio(none, some).high < 1.2
    assert ratio(some, none).high == inf
    assert ratio(some, none).value is None
    both = ratio(none, none)
    assert (both.value, both.low, both.high) == (None, 0.0, inf)


@given(a_proportion(), a_proportion())
def test_every_interval_holds_its_estimate(one: Proportion, other: Proportion) -> None:
    for found in (wilson(one), difference(one, other)):
        assert found.value is not None
        assert -1 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1
    times = ratio(one, other)
    if times.value is not None:
        assert times.low <= times.value * (1 + 1e-9)
        assert times.value <= times.high * (1 + 1e-9)


@given(a_proportion(), a_proportion())
def test_the_other_way_round_it_is_the_same(one: Proportion, other: Proportion) -> None:
    there, back = difference(one, other), difference(other, one)
    assert there.low == pytest.approx(-back.high, abs=1e-12)
    times, inverse = ratio(one, other), ratio(other, one)
    if times.low > 0 and inverse.high < inf:
        assert times.low * inverse.high == pytest.approx(1, rel=1e-6)


@given(a_proportion(), a_proportion())
def test_more_confidence_is_wider(one: Proportion, other: Proportion) -> None:
    for method in (difference, ratio):
        narrow, wide = method(one, other, 0.8), method(one, other, 0.99)
        assert wide.low <= narrow.low + 1e-9
        assert narrow.high <= wide.high + 1e-9 * (1 + (narrow.high if narrow.high < inf else 0))


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="proportion"):
        Proportion(successes, trials)
