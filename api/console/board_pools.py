"""How much of each pool is left, for the board: read often, counted where it has changed.

Who holds most of a pool is a look at an index. How many numbers a pool has is not: it is counted
when somebody has changed a pool, and now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from sqlalchemy import Connection

from storage import headroom, numbers
from storage.database import Database
from storage.headroom import Gauge

EVERY_S: Final = 60.0  # where nobody has changed them
REST: Final = 20.0  # times what counting took


@dataclass(frozen=True, slots=True)
class Pool:
    """How much of a pool is left for whoever holds most of it."""

    gauge: Gauge
    low_percent: int


@dataclass(frozen=True, slots=True)
class _Counted:
    stamp: tuple[int, int]
    sizes: Mapping[str, int]
    low: Mapping[str, int]
    took_s: float


class Sizes:
    """One board's."""

    def __init__(self) -> None:
        self._counted: _Counted | None = None
        self._at_s = float("-inf")

    async def pools(self, db: Database, now_s: float) -> tuple[Pool, ...]:
        """Those that have numbers. Raises StorageError."""
        known = self._counted
        stamp = await db.read(numbers.stamp)
        age_s = now_s - self._at_s
        changed = known is None or (stamp != known.stamp and age_s >= REST * known.took_s)
        if known is None or changed or age_s >= EVERY_S:
            known = self._counted = await db.read(_count)
            self._at_s = now_s
        held = await db.read(headroom.most_held)
        return tuple(
            Pool(Gauge(name, size, held.get(name, 0)), known.low.get(name, 0))
            for name, size in known.sizes.items()
        )


def _count(conn: Connection) -> _Counted:
    began_s = perf_counter()
    stamp = numbers.stamp(conn)
    low = {pool.name: pool.rules.numbers.low_percent for pool in numbers.pools(conn)}
    return _Counted(stamp, headroom.sizes(conn), low, perf_counter() - began_s)
