"""What an exported record says: one row of plain values, without any phone, and with its link.

A walk reads the records that a filter asks for, newest first, in pieces behind a place in the list:
what is written meanwhile neither moves nor repeats any. It holds one piece in memory, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Row, func, select, type_coerce

from cdr import ledger
from cdr.record_filter import Filter
from cdr.record_search import Key, search
from storage.columns import to_ms
from storage.schema import calls

Value = str | int | bool | datetime | None
Values = tuple[Value, ...]

PIECE: Final = 500  # records that are read at once
EXAMINED: Final = 20_000  # calls that are looked at for them, at most


class Kind(Enum):
    """What a column holds. Any of them may be empty."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export; it is never renamed, and new ones come behind the old."""

    name: str
    kind: Kind
    value: Callable[[Row[Any]], Value]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records, and behind which place to go on (None: that was all)."""

    rows: tuple[Values, ...]
    resume: Key | None


def read(conn: Connection, wanted: Filter, after: Key | None, *, limit: int = PIECE) -> Piece:
    """The next records behind `after`. They may be none although more come."""
    found = search(conn, wanted, limit=limit, after=after, examined=EXAMINED)
    if not found.keys:
        return Piece((), found.resume)
    query = select(calls).where(calls.c.call_id.in_([call_id for _, call_id in found.keys]))
    rows = {row.call_id: row for row in conn.execute(query)}
    return Piece(tuple(values_of(rows[call_id]) for _, call_id in found.keys), found.resume)


def oldest_ms(conn: Connection, wanted: Filter) -> int:
    """Where a walk ends at the latest, in milliseconds since 1970."""
    oldest = conn.execute(select(type_coerce(func.min(calls.c.offered_at), BigInteger))).scalar()
    return max(oldest or 0, 0 if wanted.since is None else to_ms(wanted.since))


def share(first_ms: int, last_ms: int, after: Key) -> float:
    """How much of the time between two moments a walk from the newest has gone through, 0 to 1."""
    gone = last_ms - after[0]
    return min(max(gone / max(last_ms - first_ms, 1), 0.0), 1.0)


def values_of(row: Row[Any]) -> Values:
    """The values of a whole row of `calls`, in the order of `COLUMNS`."""
    if row.ledger_hash is None:
        return (*[column.value(row) for column in _OWN], *_NO_LINK)
    link = ledger.exported(row._mapping)  # type: ignore[arg-type]  # noqa: SLF001 (public, by another name)
    return (*[column.value(row) for column in _OWN], *[link[name] for name in LINK])


def _named(name: str, kind: Kind = Kind.TEXT, column: str | None = None) -> Column:
    place = calls.c.keys().index(column or name)
    return Column(name, kind, lambda row: row[place])


def _sip_status(row: Row[Any]) -> int | None:
    """As `CallRecord.sip_status`, from the row's JSON."""
    for attempt in reversed(row.attempts):
        for step in reversed(attempt["steps"]):
            if step["sip"] is not None:
                status: int = step["sip"]
                return status
    return None


_OWN: Final = (
    _named("call_id"),
    Column("node", Kind.TEXT, lambda row: ledger.public_name(row.node)),  # its own is nobody's
    *map(_named, ("session_id", "conversation_id", "listing_id")),
    *map(_named, ("listing_title", "category", "caller_role", "caller_user_id", "callee_role")),
    *map(_named, ("callee_user_id", "outcome", "reason", "announcement", "ended_by")),
    _named("cause", Kind.INTEGER),
    Column("sip_status", Kind.INTEGER, _sip_status),
    _named("came_by", column="channel_in"),
    *map(_named, ("channel", "number_in", "number_out", "trunk_in", "trunk_out")),
    *(_named(name, Kind.TIME) for name in ("offered_at", "rang_at", "answered_at", "ended_at")),
    *(_named(name, Kind.INTEGER) for name in ("ring_ms", "talk_ms")),
    _named("mos_hundredths", Kind.INTEGER, "mos_min"),
    Column("recorded", Kind.BOOLEAN, lambda row: bool(row.recorded)),
    _named("stars", Kind.INTEGER),
    *(
        Column(f"{name}_count", Kind.INTEGER, lambda row, name=name: len(row._mapping[name] or ()))  # type: ignore[misc]  # noqa: SLF001 (as above)
        for name in ("attempts", "handovers")
    ),
    _named("version", Kind.INTEGER),
    _named("recorded_at", Kind.TIME),
)
LINK: Final = ("node", "day", "seq", "hash", "personal", "content")
"""What `cdr.ledger.exported` gives, in this order the last columns."""

_NO_LINK: Final = (None,) * len(LINK)


def _no_value(_: Row[Any]) -> Value:
    raise NotImplementedError


COLUMNS: Final = (
    *_OWN,
    *(
        Column(f"ledger_{name}", Kind.INTEGER if name == "seq" else Kind.TEXT, _no_value)
        for name in LINK
    ),
)


def link_of(values: Sequence[Value]) -> dict[str, Value] | None:
    """The record's place in its chain, as `cdr.ledger.exported` says it; None: it has none."""
    link = values[-len(LINK) :]
    return None if link[0] is None else dict(zip(LINK, link, strict=True))
