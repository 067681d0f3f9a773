"""Who is near a pool's end: kept as sessions open, put right from the leases, told before it hurts.

The table is a watch list, not the truth: the truth is the leases. It may lag behind them by a round
of the upkeep, and never stands in the way of a session.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, case, delete, func, or_, select, update

from masking.headroom import is_low, is_relaxed, left, pressed
from masking.model import NumberState, Pool
from masking.notice import Notice, NoticeKind
from storage import numbers as number_rows
from storage import outbox
from storage.columns import UtcMillis
from storage.dialect import insert_for
from storage.schema import leases, numbers, participants, pool_pressure

FRESH: Final = timedelta(minutes=5)  # a count of this age needs no recount
SHOWN: Final = 20  # participants of a pool who stay listed though they hold less than half of it


@dataclass(frozen=True, slots=True)
class Pressed:
    """One participant, and how much of a pool they hold."""

    index: bytes  # of their phone
    user_id: str
    held: int  # numbers, live and cooling, at `at`
    at: datetime
    high: int  # the most they held since they are watched
    high_at: datetime
    warned_at: datetime | None  # None: head-room is enough, or was again since the last warning


_of_pool: Final = pool_pressure.c.pool == bindparam("wanted")
_MOST_PRESSED: Final = (
    select(pool_pressure)
    .where(_of_pool)
    .order_by(pool_pressure.c.held.desc(), pool_pressure.c.user_id)
    .limit(bindparam("at_most"))
)
_HIGHEST: Final = (
    select(pool_pressure)
    .where(_of_pool)
    .order_by(pool_pressure.c.high.desc(), pool_pressure.c.high_at)
    .limit(1)
)
_STALE: Final = (
    select(pool_pressure)
    .where(pool_pressure.c.at <= bindparam("before", type_=UtcMillis()))
    .order_by(pool_pressure.c.at)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_HELD: Final = (
    select(
        numbers.c.pool,
        leases.c.phone_index,
        func.count(leases.c.number_id.distinct()).label("held"),
    )
    .join_from(leases, numbers, numbers.c.id == leases.c.number_id)
    .where(
        leases.c.phone_index.in_(bindparam("indexes", expanding=True)),
        leases.c.active,
        leases.c.reserved_until > bindparam("now", type_=UtcMillis()),
        numbers.c.state == NumberState.ACTIVE.value,
    )
    .group_by(numbers.c.pool, leases.c.phone_index)
)
_by_participant: Final = (
    select(numbers.c.pool, leases.c.phone_index, func.count().label("places"))
    .join_from(leases, numbers, numbers.c.id == leases.c.number_id)
    .where(leases.c.active)
    .group_by(numbers.c.pool, leases.c.phone_index)
    .subquery()
)
_ranked: Final = select(
    _by_participant,
    func.row_number()
    .over(partition_by=_by_participant.c.pool, order_by=_by_participant.c.places.desc())
    .label("place"),
).subquery()
_TOP: Final = select(_ranked.c.pool, _ranked.c.phone_index).where(
    _ranked.c.place <= bindparam("at_most")
)
_USER: Final = (
    select(participants.c.user_id)
    .join_from(
        leases,
        participants,
        (participants.c.session_id == leases.c.session_id)
        & (participants.c.position == leases.c.position),
    )
    .where(leases.c.phone_index == bindparam("index"), leases.c.active)
    .order_by(leases.c.session_id.desc())
    .limit(1)
)


def note(
    conn: Connection, pool: Pool, index: bytes, user_id: str, held: int, size: int, now: datetime
) -> None:
    """Keep that a participant, having just got another number, holds `held` of the pool's `size`.

    Both count active numbers only: a draining one that is still held is no room lost. Does nothing
    for who holds less than half; owes `pool.low` when head-room becomes low, once until it relaxed.
    """
    if pressed(held, size):
        _keep(conn, pool, index, user_id, held, size, now)


def most_pressed(conn: Connection, pool: str, at_most: int) -> tuple[Pressed, ...]:
    """Who holds most of `pool`, as it was last counted."""
    rows = conn.execute(_MOST_PRESSED, {"wanted": pool, "at_most": at_most})
    return tuple(map(_pressed, rows))


def highest(conn: Connection, pool: str) -> Pressed | None:
    """The participant whose `high` is the pool's high-water mark."""
    row = conn.execute(_HIGHEST, {"wanted": pool}).first()
    return None if row is None else _pressed(row)


def held_now(
    conn: Connection, indexes: Collection[bytes], now: datetime
) -> dict[tuple[str, bytes], int]:
    """By pool and participant: how many active numbers they hold, live and cooling."""
    rows = conn.execute(_HELD, {"indexes": list(indexes), "now": now})
    return {(row.pool, row.phone_index): row.held for row in rows}


def recount(conn: Connection, now: datetime, *, at_most: int = 50) -> int:
    """Count again those who were not counted for a while, at most so many; says how many.

    Lets warnings go that have relaxed, and warns where a pool has shrunk under somebody. Processes
    that do this at once share the work; who opens a session meanwhile is passed over.
    """
    rows = conn.execute(_STALE, {"before": now - FRESH, "at_most": at_most}).all()
    if not rows:
        return 0
    held = held_now(conn, {row.phone_index for row in rows}, now)
    for name in {row.pool for row in rows}:
        pool, size = number_rows.pool(conn, name), number_rows.size(conn, name).active
        for row in rows:
            if row.pool == name:
                counted = held.get((name, row.phone_index), 0)
                _put_right(conn, pool or Pool(name), row, counted, size, now)
        _forget(conn, name, size)
    return len(rows)


def survey(conn: Connection, *, at_most: int = SHOWN) -> tuple[tuple[str, bytes], ...]:
    """Pool and participant of those with most places in each pool, from all leases there are.

    Reads every active lease once: for a reader, and seldom.
    """
    return tuple((row.pool, row.phone_index) for row in conn.execute(_TOP, {"at_most": at_most}))


def watch(conn: Connection, found: Sequence[tuple[str, bytes]], now: datetime) -> None:
    """List the participants of a `survey`, however little they hold, with what they hold now."""
    held = held_now(conn, {index for _, index in found}, now)
    sizes: dict[str, tuple[Pool, int]] = {}
    for name, index in sorted(found):
        if name not in sizes:
            pool = number_rows.pool(conn, name) or Pool(name)
            sizes[name] = (pool, number_rows.size(conn, name).active)
        user_id = conn.execute(_USER, {"index": index}).scalar()
        if user_id is not None and (name, index) in held:
            pool, size = sizes[name]
            _keep(conn, pool, index, user_id, held[name, index], size, now)


def _keep(
    conn: Connection, pool: Pool, index: bytes, user_id: str, held: int, size: int, now: datetime
) -> None:
    low = is_low(held, size, pool.rules.numbers.low_percent)
    row = {
        "pool": pool.name,
        "phone_index": index,
        "user_id": user_id,
        "held": held,
        "high": held,
        "at": now,
        "high_at": now,
        "warned_at": now if low else None,
    }
    insert = insert_for(conn, pool_pressure)
    new, old = insert.excluded, pool_pressure.c
    higher = new.held > old.high
    kept = insert.on_conflict_do_update(
        index_elements=[old.pool, old.phone_index],
        set_={
            "user_id": new.user_id,
            "held": new.held,
            "at": new.at,
            "high": case((higher, new.held), else_=old.high),
            "high_at": case((higher, new.at), else_=old.high_at),
            "warned_at": func.coalesce(old.warned_at, new.warned_at),
        },
    ).returning(old.warned_at)
    warned_at = conn.execute(kept, row).scalar_one()
    if low and warned_at == now:
        outbox.owe(conn, _warning(pool.name, index, user_id, held, size, now))


def _put_right(
    conn: Connection, pool: Pool, row: Row[Any], held: int, size: int, now: datetime
) -> None:
    percent = pool.rules.numbers.low_percent
    warned_at = row.warned_at
    if warned_at is None and is_low(held, size, percent):
        warned_at = now
        outbox.owe(conn, _warning(pool.name, row.phone_index, row.user_id, held, size, now))
    elif warned_at is not None and is_relaxed(held, size, percent):
        warned_at = None
    known = pool_pressure.c
    conn.execute(
        update(pool_pressure)
        .where(known.pool == row.pool, known.phone_index == row.phone_index, known.at == row.at)
        .values(held=held, at=now, warned_at=warned_at)
    )


def _forget(conn: Connection, pool: str, size: int) -> None:
    """Watch no longer who holds little now and never held much, compared with the others."""
    known = pool_pressure.c
    of_it = select(known.phone_index).where(known.pool == pool)
    most = of_it.order_by(known.held.desc(), known.phone_index).limit(SHOWN)
    highest = of_it.order_by(known.high.desc(), known.phone_index).limit(SHOWN)
    little = or_(known.held == 0, known.held * 2 < size)
    conn.execute(
        delete(pool_pressure).where(
            known.pool == pool,
            little,
            known.warned_at.is_(None),
            known.phone_index.not_in(most.scalar_subquery()),
            known.phone_index.not_in(highest.scalar_subquery()),
        )
    )


def _pressed(row: Row[Any]) -> Pressed:
    return Pressed(
        index=row.phone_index,
        user_id=row.user_id,
        held=row.held,
        at=row.at,
        high=row.high,
        high_at=row.high_at,
        warned_at=row.warned_at,
    )


def _warning(pool: str, index: bytes, user_id: str, held: int, size: int, now: datetime) -> Notice:
    return Notice(
        NoticeKind.POOL_LOW,
        key=f"pool.low:{pool}:{index.hex()}:{now.isoformat(timespec='milliseconds')}",
        at=now,
        data={
            "pool": pool,
            "user_id": user_id,
            "held": held,
            "size": size,
            "left": left(held, size),
        },
    )
