"""Percentiles from counts in buckets."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.spread import DELAY_ERROR, Measure, delay_bucket, percentile, score_bucket

DELAYS = st.lists(st.integers(10, 180_000), min_size=1, max_size=200)


@given(DELAYS, st.sampled_from((0.05, 0.5, 0.95, 1.0)))
def test_a_percentile_of_delays_is_off_by_a_bounded_share(delays: list[int], share: float) -> None:
    found = percentile(Measure.DELAY, Counter(map(delay_bucket, delays)), share)
    exact = sorted(delays)[max(0, -int(-share * len(delays) // 1) - 1)]
    assert found is not None
    bucket = (1 + DELAY_ERROR) / (1 - DELAY_ERROR)  # how far apart the ends of a bucket are
    assert exact / bucket * 0.999 <= found <= exact * bucket * 1.001


@given(DELAYS, DELAYS)
def test_counts_of_two_places_add_up(one: list[int], other: list[int]) -> None:
    apart = Counter(map(delay_bucket, one)) + Counter(map(delay_bucket, other))
    assert apart == Counter(map(delay_bucket, one + other))


@pytest.mark.parametrize("ms", [0, 1])
def test_no_delay_is_a_delay(ms: int) -> None:
    assert delay_bucket(ms) == 0


def test_scores_are_told_to_a_tenth() -> None:
    counts = Counter(score_bucket(hundredths) for hundredths in (100, 250, 300, 441))
    assert percentile(Measure.SCORE, counts, 0.5) == pytest.approx(255, abs=5)
    assert percentile(Measure.SCORE, counts, 1.0) == pytest.approx(441, abs=10)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile(Measure.DELAY, {}, 0.5) is None
    assert percentile(Measure.DELAY, {3: 0, 4: -1}, 0.5) is None
