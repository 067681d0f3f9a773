"""What participants did with a pool's numbers, for those who plan. Only reads; people are indexes.

The busiest participants come first and one at a time: they alone decide how many numbers are
needed, so a reader of this may stop early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from masking.planning import Use
from storage.columns import UtcMillis
from storage.schema import calls, leases, numbers
from storage.session_rows import OWN


@dataclass(frozen=True, slots=True)
class Busy:
    """A participant, by the keyed index of their phone."""

    index: bytes
    sessions: int


_in_pool: Final = (
    leases.c.slot == OWN,
    leases.c.since >= bindparam("begin", type_=UtcMillis()),
    numbers.c.pool == bindparam("wanted"),
)
_of_pool: Final = leases.join(numbers, numbers.c.id == leases.c.number_id)
_sessions: Final = func.count().label("sessions")
_BUSIEST: Final = (
    select(leases.c.phone_index, _sessions)
    .select_from(_of_pool)
    .where(*_in_pool)
    .group_by(leases.c.phone_index)
    .order_by(_sessions.desc(), leases.c.phone_index)
    .limit(bindparam("at_most"))
)
_ALL: Final = select(_sessions).select_from(_of_pool).where(*_in_pool)
_columns: Final = leases.c["session_id", "since", "expires_at"]
_with_calls: Final = _of_pool.outerjoin(calls, calls.c.session_id == leases.c.session_id)
_OF_ONE: Final[tuple[Select[Any], ...]] = tuple(
    select(*_columns, calls.c.ended_at.label("called_at"))
    .select_from(_with_calls)
    .where(*_in_pool, leases.c.phone_index == bindparam("index"), active)
    for active in (leases.c.active, ~leases.c.active)  # apart: each has an index of its own
)


def sessions_since(conn: Connection, pool: str, begin: datetime) -> int:
    """How many leases of `pool` were taken since `begin`: for most sessions two."""
    taken: int = conn.execute(_ALL, {"wanted": pool, "begin": begin}).scalar_one()
    return taken


def busiest(conn: Connection, pool: str, begin: datetime, *, at_most: int) -> tuple[Busy, ...]:
    """Those who had most sessions in `pool` since `begin`, the busiest first.

    Reads every lease since then once.
    """
    rows = conn.execute(_BUSIEST, {"wanted": pool, "begin": begin, "at_most": at_most})
    return tuple(Busy(row.phone_index, row.sessions) for row in rows)


def uses(conn: Connection, pool: str, begin: datetime, index: bytes) -> tuple[Use, ...]:
    """The sessions of one participant in `pool` since `begin`, with the ends of their calls."""
    which = {"wanted": pool, "begin": begin, "index": index}
    rows = [row for query in _OF_ONE for row in conn.execute(query, which)]
    return tuple(_uses(rows))


def _uses(rows: list[Row[Any]]) -> Iterator[Use]:
    by_session: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_session.setdefault(row.session_id, []).append(row)
    for found in by_session.values():
        called = sorted(row.called_at for row in found if row.called_at is not None)
        yield Use(found[0].since, found[0].expires_at, tuple(called))
