"""Keeps the counters small and right: hours become days, old days go, records are counted anew."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, delete, func, select, tuple_

from storage import analytics
from storage.analytics import HOURS_A_DAY, Cells, hour_of
from storage.schema import (
    funnel_calls,
    funnel_categories,
    funnel_contacts,
    traffic,
    traffic_spread,
)

HOURS_KEPT_DAYS: Final = 35  # then an hour's counters go into those of its day
LATE_DAYS: Final = 60  # what is added to days still older stays as it came: sums are the same
DAYS_KEPT: Final = 1_100  # three years, and what a report of the third one compares with
_TABLES: Final = (funnel_contacts, funnel_calls, traffic, traffic_spread)


def first_hour_kept(now: datetime) -> int:
    """From which hour on hours are told apart."""
    return (hour_of(now) // HOURS_A_DAY - HOURS_KEPT_DAYS) * HOURS_A_DAY


def roll_up(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Move counters of old hours into those of their days, at most so many rows; says how many.

    What is added to such an hour later makes a row that is moved next time.
    """
    before = first_hour_kept(now)
    moved = 0
    for table in _TABLES:
        if moved < at_most:
            moved += _roll_up(conn, table, before, at_most - moved)
    return moved


def _roll_up(conn: Connection, table: Table, before: int, at_most: int) -> int:
    hours = _hours_left(conn, table, before)
    if not hours:
        return 0
    key = tuple(table.primary_key.columns)
    old = select(*key).where(table.c.hour.in_(hours)).order_by(*key).limit(at_most)
    gone = delete(table).where(tuple_(*key).in_(old)).returning(*table.c)
    cells: Cells = {}
    rows = conn.execute(gone).all()
    for row in rows:
        hour, *rest = row[: len(key)]
        analytics.put(cells, (hour - hour % HOURS_A_DAY, *rest), row[len(key) :])
    analytics.add_cells(conn, table, cells)
    return len(rows)


def _hours_left(conn: Connection, table: Table, before: int) -> list[int]:
    """Hours of late that are not rolled up, by one look at each: rows of days are many."""
    hour = table.c.hour
    first = select(func.min(hour).label("hour"))
    steps = first.where(hour >= before - LATE_DAYS * HOURS_A_DAY, hour < before)
    walk = steps.cte("steps", recursive=True)
    following = select(func.min(hour)).where(hour > walk.c.hour, hour < before)
    walk = walk.union_all(
        select(following.correlate(walk).scalar_subquery()).where(walk.c.hour.is_not(None))
    )
    return list(conn.scalars(select(walk.c.hour).where(walk.c.hour % HOURS_A_DAY != 0)))


def sweep(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget days that are too long ago, at most so many rows; says how many."""
    day = hour_of(now) // HOURS_A_DAY - DAYS_KEPT
    first = day * HOURS_A_DAY
    gone = 0
    for table in (*_TABLES, funnel_categories):
        if gone < at_most:
            key = tuple(table.primary_key.columns)
            over = table.c.day < day if table is funnel_categories else table.c.hour < first
            old = select(*key).where(over).limit(at_most - gone)
            gone += conn.execute(delete(table).where(tuple_(*key).in_(old))).rowcount
    return gone
