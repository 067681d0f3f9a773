"""Forgets what was counted of callers once it counts no more: their days, their wrong digits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, or_, select, tuple_

from storage.schema import caller_days, dial_tries

DAYS_KEPT: Final = 2  # today's, and yesterday's for a clock that lags
TRIES_KEPT: Final = timedelta(days=1)
_FIRST_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC)


def sweep_days(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget what callers began before yesterday, at most so many; says how many."""
    today = (now - _FIRST_DAY) // timedelta(days=1)
    key = (caller_days.c.phone_index, caller_days.c.day)
    old = select(*key).where(caller_days.c.day <= today - DAYS_KEPT).limit(at_most)
    return conn.execute(delete(caller_days).where(tuple_(*key).in_(old))).rowcount


def sweep_tries(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget wrong digits of which the last is a day old and locks nobody out; says how many."""
    key = (dial_tries.c.number_id, dial_tries.c.caller_index)
    free = or_(dial_tries.c.locked_until.is_(None), dial_tries.c.locked_until <= now)
    old = select(*key).where(dial_tries.c.at <= now - TRIES_KEPT, free).limit(at_most)
    return conn.execute(delete(dial_tries).where(tuple_(*key).in_(old))).rowcount
