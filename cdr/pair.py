"""Other calls of the same two people: the latest before a call, and the first after it.

Bounded, however much either of them calls: of a conversation's calls, and of a caller's, only so
many next to this one are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from cdr import records
from cdr.model import CallRecord
from cdr.record_search import Key
from storage.columns import to_ms
from storage.schema import calls

_LOOKED_AT: Final = 500
_ROW: Final = calls.c


@dataclass(frozen=True, slots=True)
class _Way:
    """What an index finds in the order of time, and what of it is meant."""

    within: ColumnElement[bool]
    meant: Callable[[Any], ColumnElement[bool]]  # of columns


def before(conn: Connection, record: CallRecord, at_most: int) -> tuple[CallRecord, ...]:
    """Earlier calls of the pair, the latest first."""
    return _near(conn, record, at_most, later=False)


def after(conn: Connection, record: CallRecord, at_most: int) -> tuple[CallRecord, ...]:
    """Later calls of the pair, the first first."""
    return _near(conn, record, at_most, later=True)


def _near(
    conn: Connection, record: CallRecord, at_most: int, *, later: bool
) -> tuple[CallRecord, ...]:
    found = {key for way in _ways(record) for key in _some(conn, record, way, at_most, later=later)}
    return records.of_keys(conn, sorted(found, reverse=not later)[:at_most])


def _ways(record: CallRecord) -> Iterator[_Way]:
    one, other = record.caller_user_id, record.callee_user_id
    if one is not None and other is not None:
        if record.conversation_id is not None:
            yield _Way(
                _ROW.conversation_id == record.conversation_id,
                lambda row: or_(_between(row, one, other), _between(row, other, one)),
            )
        yield _Way(_ROW.caller_user_id == one, lambda row: row.callee_user_id == other)
        yield _Way(_ROW.caller_user_id == other, lambda row: row.callee_user_id == one)
    elif record.caller_index is not None:  # a stranger: whatever their phone dialled
        yield _Way(
            _ROW.caller_index == record.caller_index, lambda row: row.caller_user_id.is_(None)
        )


def _between(row: Any, caller: str, callee: str) -> ColumnElement[bool]:  # noqa: ANN401 (columns)
    return and_(row.caller_user_id == caller, row.callee_user_id == callee)


def _some(
    conn: Connection, record: CallRecord, way: _Way, at_most: int, *, later: bool
) -> list[Key]:
    at, call_id = record.offered_at, record.call_id
    if later:
        bound = _ROW.offered_at >= at
        beyond = or_(_ROW.offered_at > at, _ROW.call_id > call_id)
    else:
        bound = _ROW.offered_at <= at
        beyond = or_(_ROW.offered_at < at, _ROW.call_id < call_id)
    columns = _ROW["offered_at", "call_id", "caller_user_id", "callee_user_id"]
    order = [one.asc() if later else one.desc() for one in (_ROW.offered_at, _ROW.call_id)]
    query = select(*columns).where(way.within, bound, beyond).order_by(*order)
    near = query.limit(_LOOKED_AT).subquery()
    by = [one.asc() if later else one.desc() for one in (near.c.offered_at, near.c.call_id)]
    chosen = select(near.c.offered_at, near.c.call_id).where(way.meant(near.c))
    rows = conn.execute(chosen.order_by(*by).limit(at_most))
    return [(to_ms(row.offered_at), row.call_id) for row in rows]
