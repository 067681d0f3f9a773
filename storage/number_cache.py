"""The numbers of a pool, kept in memory between allocations.

A copy is used only for the version that the pool's row names in the same transaction, and is made
only in a transaction that changed no pool itself: so it is never stale, even after a rollback.
It holds proxy numbers alone, never a session or a lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection

from masking.stock import Stock

_OPTION: Final = "maskline_number_cache"
_CHANGED: Final = "maskline_pools_changed"


class NumberCache:
    """Numbers by pool, for one database. Threads may share it."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Stock]] = {}

    def get(self, pool: str, version: int) -> Stock | None:
        """The numbers of `pool` at `version`, if they are here."""
        kept = self._kept.get(pool)
        return kept[1] if kept is not None and kept[0] == version else None

    def put(self, pool: str, version: int, numbers: Stock) -> None:
        """Keep them instead of whatever version was kept."""
        self._kept[pool] = (version, numbers)


def engine_options() -> dict[str, Any]:
    """Execution options that give a new engine a cache. Without one, numbers are read each time."""
    return {_OPTION: NumberCache()}


def transaction_begins(conn: Connection) -> None:
    """Say that `conn` begins a transaction: what its last one changed is over."""
    conn.info.pop(_CHANGED, None)


def pools_changed(conn: Connection) -> None:
    """Say that this transaction changed a pool or its numbers."""
    conn.info[_CHANGED] = True


def stock_of(
    conn: Connection,
    pool: str,
    version: int,
    load: Callable[[], Stock],
) -> Stock:
    """The numbers of `pool` at `version`, from memory where that is safe, else from `load`."""
    cache = conn.get_execution_options().get(_OPTION)
    if not isinstance(cache, NumberCache):
        return load()
    kept = cache.get(pool, version)
    if kept is None:
        kept = load()
        if _CHANGED not in conn.info:
            cache.put(pool, version, kept)
    return kept
