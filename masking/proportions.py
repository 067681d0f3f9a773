"""Proportions, and how two of them differ, with intervals that hold for small and rare. Pure.

- One proportion: Wilson's score interval (Wilson 1927; Newcombe, Statist. Med. 17:857, 1998).
- A difference: Newcombe's hybrid of two Wilson intervals (method 10 of Newcombe, Statist. Med.
  17:873, 1998), without continuity correction.
- A ratio: Koopman's score interval (Koopman, Biometrics 40:513, 1984). Unlike that of the logarithm
  (Katz et al., Biometrics 34:469, 1978) it stands where nobody succeeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from statistics import NormalDist
from typing import Final

_STEPS: Final = 200  # of halving: far more than doubles tell apart


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many successes of so many trials."""

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials or self.trials < 1:
            msg = "a proportion has 0 to `trials` successes of at least one trial"
            raise ValueError(msg)

    @property
    def value(self) -> float:
        """The share of successes, 0 to 1."""
        return self.successes / self.trials


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and what holds it; `high` of a ratio may be infinite, and `value` unknown."""

    value: float | None
    low: float
    high: float


def deviate(confidence: float) -> float:
    """How many standard deviations the middle `confidence` (0 to 1) of a normal reaches."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(one: Proportion, confidence: float = 0.95) -> Interval:
    """The interval of one proportion."""
    z, n, p = deviate(confidence), one.trials, one.value
    middle = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if one.successes == 0 else (middle - half) / scale
    high = 1.0 if one.successes == n else (middle + half) / scale
    return Interval(p, max(0.0, low), min(1.0, high))


def difference(one: Proportion, other: Proportion, confidence: float = 0.95) -> Interval:
    """By how much `one` is above `other`, in shares of 1."""
    mine, theirs = wilson(one, confidence), wilson(other, confidence)
    p, q = one.value, other.value
    low = p - q - sqrt((p - mine.low) ** 2 + (theirs.high - q) ** 2)
    high = p - q + sqrt((mine.high - p) ** 2 + (q - theirs.low) ** 2)
    return Interval(p - q, max(-1.0, low), min(1.0, high))


def ratio(one: Proportion, other: Proportion, confidence: float = 0.95) -> Interval:
    """How many times `other` the value of `one` is. Without a success on either side: anything."""
    if one.successes == other.successes == 0:
        return Interval(None, 0.0, inf)
    limit = deviate(confidence) ** 2
    value = one.value / other.value if other.successes else inf

    def fits(theta: float) -> bool:
        return _score(one, other, theta) <= limit

    low = 0.0
    if one.successes:
        low = _edge(fits, inside=min(value, 1e12), outside=1e-12)
    high = inf
    if other.successes:
        high = _edge(fits, inside=max(value, 1e-12), outside=1e12)
    return Interval(value if isfinite(value) else None, low, high)


def _score(one: Proportion, other: Proportion, theta: float) -> float:
    """Koopman's statistic: chi squared with one degree of freedom where the ratio is `theta`."""
    x, n, y, m = one.successes, one.trials, other.successes, other.trials
    # Of `one` the likeliest share under that ratio, the smaller root of a quadratic.
    total = theta * (n + y) + x + m
    product = theta * (x + y)
    root = sqrt(max(0.0, total * total - 4 * (n + m) * product))
    p = 2 * product / (total + root)  # so that no digits are lost
    q = p / theta
    variance = p * (1 - p) / n + theta * theta * q * (1 - q) / m
    gap = one.value - theta * other.value
    if variance <= 0:
        return 0.0 if abs(gap) < 1e-12 else inf
    return gap * gap / variance


def _edge(fits: Callable[[float], bool], *, inside: float, outside: float) -> float:
    """Where `fits` ends between the two, which are above 0; halved in ratios."""
    for _ in range(_STEPS):
        middle = sqrt(inside * outside)
        if fits(middle):
            inside = middle
        else:
            outside = middle
    return inside
