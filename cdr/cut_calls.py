"""Calls that were closed without their end, kept for a while: their end may come late.

What comes late is folded together with what was known. Only rows that end the call count at once;
others wait a little for more, so that one late stretch of a file makes one correction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, select

from cdr.events import EventRow, thaw
from cdr.fold import Cut, CutReason
from storage.dialect import insert_for
from storage.schema import cut_calls

KEPT: Final = timedelta(days=7)  # longer than event files are kept
SETTLES: Final = timedelta(minutes=10)  # late rows without an end are folded when no more came
_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class CutCall:
    """A call that was closed without its end."""

    call_id: str
    linked_id: str
    rows: tuple[EventRow, ...]
    cut: Cut
    kept_until: datetime


def row_of(
    call_id: str,
    node: str,
    rows: Sequence[EventRow],
    cut: Cut,
    kept_until: datetime,
    late_at: datetime | None = None,
) -> dict[str, Any]:
    """The row that keeps a call. `late_at`: rows came then that its record does not know."""
    return {
        "call_id": call_id,
        "node": node,
        "events": {"linked_id": rows[0].linked_id, "rows": [row.freeze() for row in rows]},
        "reason": cut.reason.value,
        "alive_us": cut.alive_us,
        "kept_until": kept_until,
        "late_at": late_at,
    }


def put(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep calls, in the place of what was kept of them."""
    if not rows:
        return
    insert = insert_for(conn, cut_calls)
    replaced = {name: insert.excluded[name] for name in ("events", "late_at")}
    conn.execute(insert.on_conflict_do_update(index_elements=["call_id"], set_=replaced), rows)


def load(conn: Connection, call_ids: Collection[str]) -> dict[str, CutCall]:
    """Those of the calls that are kept."""
    if not call_ids:
        return {}
    return _read(conn.execute(select(cut_calls).where(cut_calls.c.call_id.in_(sorted(call_ids)))))


def settled(conn: Connection, node: str, now: datetime) -> dict[str, CutCall]:
    """Calls of which late rows came, and no more since a while."""
    query = (
        select(cut_calls)
        .where(cut_calls.c.node == node, cut_calls.c.late_at <= now - SETTLES)
        .order_by(cut_calls.c.late_at)
        .limit(_AT_ONCE)
    )
    return _read(conn.execute(query))


def expired(conn: Connection, now: datetime) -> tuple[str, ...]:
    """Calls that need not be kept any longer."""
    query = select(cut_calls.c.call_id).where(cut_calls.c.kept_until <= now)
    return tuple(conn.scalars(query.order_by(cut_calls.c.kept_until).limit(_AT_ONCE)))


def forget(conn: Connection, call_ids: Collection[str]) -> None:
    """What comes of these calls from now on is passed over."""
    if call_ids:
        conn.execute(_FORGET, [{"gone": call_id} for call_id in sorted(call_ids)])


_FORGET: Final = delete(cut_calls).where(cut_calls.c.call_id == bindparam("gone"))


def _read(rows: Iterable[Row[Any]]) -> dict[str, CutCall]:
    found: dict[str, CutCall] = {}
    for row in rows:
        linked_id = row.events["linked_id"]
        found[row.call_id] = CutCall(
            row.call_id,
            linked_id,
            tuple(thaw(linked_id, kept) for kept in row.events["rows"]),
            Cut(CutReason(row.reason), row.alive_us),
            row.kept_until,
        )
    return found
