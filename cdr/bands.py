"""Bands of durations and of scores, so that a range can be found by index in the order of time.

An index by duration gives no order of time, an index by time no duration; one by band and time
gives both, but for the edges, which are checked row by row. Edges are kept in rows: they are never
changed without writing all rows anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cdr.model import Leg, Quality

DURATION_EDGES_MS: Final = (
    1,
    5_000,
    10_000,
    30_000,
    60_000,
    180_000,
    600_000,
    1_800_000,
    3_600_000,
)
MOS_EDGES: Final = (150, 200, 250, 300, 350, 400, 430)  # hundredths


@dataclass(frozen=True, slots=True)
class Range:
    """From `least` to `most`, both included; None: no bound."""

    least: int | None = None
    most: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing lies in it."""
        return self.least is not None and self.most is not None and self.least > self.most

    def __bool__(self) -> bool:
        """Whether it has a bound."""
        return self.least is not None or self.most is not None

    def holds(self, value: int | None) -> bool:
        """Whether `value` lies in it. What was not measured lies in no range that has a bound."""
        if value is None:
            return not self
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


def band(value: int, edges: tuple[int, ...]) -> int:
    """The band of `value`: how many of the edges it has reached."""
    return bisect_right(edges, value)


def bands(wanted: Range, edges: tuple[int, ...]) -> range:
    """The bands in which values of the range may lie."""
    first = 0 if wanted.least is None else band(wanted.least, edges)
    last = len(edges) if wanted.most is None else band(wanted.most, edges)
    return range(first, last + 1)


def is_whole(wanted: Range, edges: tuple[int, ...]) -> bool:
    """Whether the range ends where bands end, so that nothing is left to check."""
    return (wanted.least is None or wanted.least in edges) and (
        wanted.most is None or wanted.most + 1 in edges
    )


def worst_mos(quality: Iterable[Quality], legs: Iterable[Leg]) -> int | None:
    """The worst score of a call, in hundredths (ITU-T G.107); None: nothing was measured.

    Of either side while they talked, where a window was kept; else of any leg as a whole.
    """
    scores = [one.mos_min for one in quality if one.mos_min is not None]
    if not scores:
        streams = [stream for leg in legs for stream in (leg.received, leg.sent)]
        scores = [one.mos for one in streams if one.mos is not None]
    return round(min(scores) * 100) if scores else None
