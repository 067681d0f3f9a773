"""How often the holder of a token may ask: a bucket each, and never more buckets than BUCKETS."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Final

from api.errors import RateLimited

BUCKETS: Final = 20_000  # the one that was used least lately is forgotten: its holder starts anew


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Buckets of `burst`, each filled with `rate` a second."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, holder: str) -> None:
        """Take one from the holder's bucket. Raises RateLimited."""
        now = self._clock()
        bucket = self._buckets.pop(holder, None) or _Bucket(float(self._burst), now)
        self._buckets[holder] = bucket
        while len(self._buckets) > BUCKETS:
            self._buckets.popitem(last=False)
        bucket.left = min(float(self._burst), bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.left < 1:
            raise RateLimited(ceil((1 - bucket.left) / self._rate))
        bucket.left -= 1
