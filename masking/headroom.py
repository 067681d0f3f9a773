"""How much of a pool one participant has left, and when that is little.

A number is taken only for the participant who holds it, so a pool is never empty as such: it is
empty for somebody. Pure arithmetic on counts; who holds what is for others to know.
"""

from __future__ import annotations

from typing import Final

RELAXED_BY_PERCENT: Final = 10  # of the pool: so much more than what is low lets a warning go


def left(held: int, size: int) -> int:
    """How many more numbers of a pool of `size` somebody can get who holds `held` of them."""
    return max(size - held, 0)


def pressed(held: int, size: int) -> bool:
    """Whether somebody holds so much of a pool, half of it, that it is worth watching."""
    return held > 0 and size <= 2 * held


def is_low(held: int, size: int, low_percent: int) -> bool:
    """Whether head-room has fallen to `low_percent` of the pool; never where that is 0."""
    return low_percent > 0 and left(held, size) * 100 <= size * low_percent


def is_relaxed(held: int, size: int, low_percent: int) -> bool:
    """Whether head-room is again so far above low that the next fall is news.

    Between the two neither holds: somebody who swings about the mark is told of once.
    """
    enough = min(low_percent + RELAXED_BY_PERCENT, 100)
    return not is_low(held, size, low_percent) and left(held, size) * 100 >= size * enough
