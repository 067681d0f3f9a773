"""Who is near a pool's end: kept as sessions open, put right from the leases, told before it hurts.

The table is a watch list, not the truth: the truth is the leases. It may lag behind them by a round
of the upkeep, and never stands in the way of a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, case, func, select

from masking.headroom import is_low, left, pressed
from masking.model import Pool
from masking.notice import Notice, NoticeKind
from storage import outbox
from storage.dialect import insert_for
from storage.schema import pool_pressure


@dataclass(frozen=True, slots=True)
class Pressed:
    """One participant, and how much of a pool they hold."""

    pool: str
    index: bytes  # of their phone
    user_id: str
    held: int  # numbers, live and cooling, at `at`
    at: datetime
    high: int  # the most they held since they are watched
    high_at: datetime
    warned_at: datetime | None  # None: head-room is enough, or was again since the last warning


_PRESSED: Final = select(pool_pressure).where(pool_pressure.c.pool == bindparam("wanted"))
_MOST_PRESSED: Final = _PRESSED.order_by(
    pool_pressure.c.held.desc(), pool_pressure.c.user_id
).limit(bindparam("at_most"))
_HIGHEST: Final = _PRESSED.order_by(pool_pressure.c.high.desc(), pool_pressure.c.high_at).limit(1)


def note(
    conn: Connection, pool: Pool, index: bytes, user_id: str, held: int, size: int, now: datetime
) -> None:
    """Keep that a participant, having just got another number, holds `held` of the pool's `size`.

    Both count active numbers only: a draining one that is still held is no room lost. Does nothing
    for who holds less than half; owes `pool.low` when head-room becomes low, once until it relaxed.
    """
    if not pressed(held, size):
        return
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
