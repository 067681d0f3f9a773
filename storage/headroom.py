"""How much room the participants of a pool have left, and until when: for operators and metrics.

Only reads. Who is looked at comes from the watch list (`storage.pressure`); what is said of them
comes from their leases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, or_, select, union_all

from masking.forecast import WINDOW, Forecast, Pace, forecast, pace
from masking.headroom import is_low
from masking.model import NumberState, Pool
from storage import numbers as number_rows
from storage import pressure
from storage.columns import UtcMillis
from storage.pressure import Pressed
from storage.schema import leases, numbers, pool_pressure

LABELS: Final = 100  # pools that metrics name; the rest of them would be noise


@dataclass(frozen=True, slots=True)
class Room:
    """One participant of a pool."""

    user_id: str
    held: int  # active numbers, live and cooling
    high: int
    high_at: datetime
    low: bool
    pace: Pace
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class HeadRoom:
    """A pool and those of its participants who hold most of it."""

    pool: Pool
    size: int  # numbers that new leases may get
    high: Pressed | None  # its high-water mark; None: nobody was seen yet
    rooms: tuple[Room, ...]  # who holds most comes first


@dataclass(frozen=True, slots=True)
class Gauge:
    """A pool, as metrics show it."""

    pool: str
    size: int
    held: int  # by who holds most


_places: Final = (
    leases.c.number_id,
    leases.c.phone_index,
    leases.c.since,
    leases.c.reserved_until,
    leases.c.active,
    numbers.c.state,
)
_of_them: Final = (
    select(*_places)
    .join_from(leases, numbers, numbers.c.id == leases.c.number_id)
    .where(
        leases.c.phone_index.in_(bindparam("indexes", expanding=True)),
        numbers.c.pool == bindparam("wanted"),
    )
)
_now: Final = bindparam("now", type_=UtcMillis())
_recently: Final = leases.c.since >= bindparam("recently", type_=UtcMillis())
_LEASES: Final = union_all(  # apart, for each has an index of its own
    _of_them.where(leases.c.active, or_(leases.c.reserved_until > _now, _recently)),
    _of_them.where(~leases.c.active, _recently),
)
_SIZES: Final = (
    select(numbers.c.pool, func.count().label("size"))
    .where(numbers.c.state == NumberState.ACTIVE.value)
    .group_by(numbers.c.pool)
    .order_by(numbers.c.pool)
    .limit(LABELS)
)
_MOST: Final = select(pool_pressure.c.pool, func.max(pool_pressure.c.held).label("held")).group_by(
    pool_pressure.c.pool
)


def of_pool(conn: Connection, name: str, now: datetime, *, at_most: int = 20) -> HeadRoom | None:
    """The pool's head-room for those who hold most of it; None if there is no such pool."""
    pool = number_rows.pool(conn, name)
    if pool is None:
        return None
    size = number_rows.size(conn, name).active
    watched = pressure.most_pressed(conn, name, at_most)
    places = _places_of(conn, name, watched, now)
    rooms = [_room(pool, size, one, places.get(one.index, ()), now) for one in watched]
    return HeadRoom(
        pool=pool,
        size=size,
        high=pressure.highest(conn, name),
        rooms=tuple(sorted(rooms, key=lambda room: (-room.held, room.user_id))),
    )


def gauges(conn: Connection) -> tuple[Gauge, ...]:
    """Each pool's size and the most that one participant holds of it, as last counted."""
    most = most_held(conn)
    return tuple(Gauge(name, size, most.get(name, 0)) for name, size in sizes(conn).items())


def sizes(conn: Connection) -> dict[str, int]:
    """How many numbers each pool has for new leases, by name; of pools that have any."""
    return {row.pool: row.size for row in conn.execute(_SIZES)}


def most_held(conn: Connection) -> dict[str, int]:
    """By pool, the most that one participant holds of it, as last counted."""
    return {row.pool: row.held for row in conn.execute(_MOST)}


def _places_of(
    conn: Connection, pool: str, watched: Sequence[Pressed], now: datetime
) -> dict[bytes, list[Row[Any]]]:
    which = {
        "indexes": [one.index for one in watched],
        "wanted": pool,
        "now": now,
        "recently": now - WINDOW,
    }
    found: dict[bytes, list[Row[Any]]] = {}
    for row in conn.execute(_LEASES, which) if watched else ():
        found.setdefault(row.phone_index, []).append(row)
    return found


def _room(pool: Pool, size: int, one: Pressed, places: Sequence[Row[Any]], now: datetime) -> Room:
    free_at: dict[int, datetime] = {}  # numbers, not leases: a shared one is held until its last
    for row in places:
        if row.active and row.reserved_until > now and row.state == NumberState.ACTIVE.value:
            last = free_at.get(row.number_id, row.reserved_until)
            free_at[row.number_id] = max(last, row.reserved_until)
    rate = pace(((row.since, row.reserved_until) for row in places), now)
    held = len(free_at)
    return Room(
        user_id=one.user_id,
        held=held,
        high=max(one.high, held),
        high_at=one.high_at if one.high >= held else now,
        low=is_low(held, size, pool.rules.numbers.low_percent),
        pace=rate,
        forecast=forecast(size, list(free_at.values()), rate, now),
    )
