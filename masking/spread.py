"""How values are spread: counts in fixed buckets that add up over hours, nodes and trunks. Pure.

Delays are kept in buckets of equal ratio, so that a percentile is off by a bounded share however
long the delays are (Masson, Rim, Lee: DDSketch, VLDB 2019); scores in tenths of MOS. The buckets
are what is stored: changing them would make what was counted mean something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from math import log2
from typing import Final, assert_never

_PER_OCTAVE: Final = 6
DELAY_ERROR: Final = (2 ** (1 / _PER_OCTAVE) - 1) / (2 ** (1 / _PER_OCTAVE) + 1)
"""The share by which a percentile of delays may be off: 0.058."""


class Measure(StrEnum):
    """What is spread."""

    DELAY = "delay"  # milliseconds
    SCORE = "score"  # hundredths of MOS


def delay_bucket(ms: int) -> int:
    """The bucket of a delay; whatever is below a millisecond counts as one."""
    return int(_PER_OCTAVE * log2(ms)) if ms > 1 else 0


def score_bucket(hundredths: int) -> int:
    """The bucket of a score."""
    return hundredths // 10


def percentile(measure: Measure, counts: Mapping[int, int], share: float) -> float | None:
    """The value that `share` (0 to 1) of those counted do not exceed; None: nothing was counted."""
    total = sum(counts.values())
    if total <= 0:
        return None
    wanted = share * total
    before = 0
    low, high = _edges(measure)
    last = 0.0
    for bucket, count in sorted(counts.items()):
        if count <= 0:
            continue
        if before + count >= wanted:
            within = (wanted - before) / count
            return low(bucket) + within * (high(bucket) - low(bucket))
        before += count
        last = high(bucket)
    return last


def _edges(measure: Measure) -> tuple[Callable[[int], float], Callable[[int], float]]:
    match measure:
        case Measure.DELAY:
            return _delay_edge, lambda bucket: _delay_edge(bucket + 1)
        case Measure.SCORE:
            return lambda bucket: bucket * 10.0, lambda bucket: bucket * 10.0 + 10.0
        case never:
            assert_never(never)


def _delay_edge(bucket: int) -> float:
    return float(2 ** (bucket / _PER_OCTAVE))
