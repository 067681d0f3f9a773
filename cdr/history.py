"""A conversation's history of calls: one entry a call, whoever it was that called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, delete, func, select, type_coerce

from cdr.missed import Why
from cdr.model import CameBy
from masking.model import Listing, Role
from masking.outcome import EndedBy, Outcome
from masking.plan import Channel
from storage.columns import from_ms, to_ms
from storage.pages import Order, Page
from storage.prepared import PreparedInsert
from storage.schema import history_entries as entries

_ORDER = Order("history", (type_coerce(entries.c.at, BigInteger), entries.c.id), (int, int))
_INSERT = PreparedInsert(entries, numbered="id")


@dataclass(frozen=True, slots=True)
class Side:
    """Who stood on one side of the call."""

    role: Role
    user_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A side that went over to another channel while they talked."""

    side: EndedBy  # caller or callee
    target: Channel
    at: datetime


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A call as the messenger shows it. What each side reads of it: `wording`."""

    id: int
    conversation_id: str
    call_id: str
    at: datetime  # when the call was offered
    outcome: Outcome
    reason: str | None
    session_id: str | None
    listing: Listing | None
    caller: Side | None
    callee: Side | None
    shown_to: tuple[EndedBy, ...]  # the sides that see the entry: caller, callee
    channel: Channel | None
    ended_by: EndedBy | None
    ring_ms: int
    talk_ms: int
    why: Why | None = None  # nobody talked
    came_by: CameBy = CameBy.GSM
    handovers: tuple[Moved, ...] = ()


def insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `entries.history_row`."""
    if rows:
        _INSERT.insert(conn, rows)


def replace(conn: Connection, row: dict[str, Any], *, was_in: str | None) -> None:
    """Write the call's entry anew, with a new id; it stood in the conversation `was_in`."""
    conn.execute(
        delete(entries).where(
            entries.c.call_id == row["call_id"],
            entries.c.conversation_id.in_({was_in or "", row["conversation_id"]}),
        )
    )
    insert(conn, [row])


def page(
    conn: Connection, conversation_id: str, *, limit: int, cursor: str | None = None
) -> Page[HistoryEntry]:
    """The conversation's entries, newest call first.

    Raises BadCursor, and ValueError for a limit out of 1 to 500.
    """
    query = select(entries).where(entries.c.conversation_id == conversation_id)
    rows = conn.execute(_ORDER.apply(query, limit=limit, cursor=cursor)).all()
    return _ORDER.page(rows, limit=limit, key=lambda row: (to_ms(row.at), row.id), item=_entry)


def of_call(conn: Connection, conversation_id: str, call_id: str) -> HistoryEntry | None:
    """The entry made of the call in that conversation."""
    which = (entries.c.conversation_id == conversation_id, entries.c.call_id == call_id)
    row = conn.execute(select(entries).where(*which)).first()
    return None if row is None else _entry(row)


def newest_id(conn: Connection) -> int:
    """The id of the entry written last, of any conversation; 0 if there is none."""
    return conn.execute(select(func.max(entries.c.id))).scalar() or 0


def written_after(conn: Connection, entry_id: int, *, limit: int) -> list[tuple[int, str]]:
    """Ids and conversations of what was written after the entry `entry_id`, the first first."""
    query = select(entries.c.id, entries.c.conversation_id).where(entries.c.id > entry_id)
    found = conn.execute(query.order_by(entries.c.id).limit(limit))
    return [(row.id, row.conversation_id) for row in found]


def of_conversation_after(
    conn: Connection, conversation_id: str, entry_id: int, until_id: int, *, limit: int
) -> list[HistoryEntry]:
    """Entries after `entry_id` and up to `until_id`, in the order of their writing."""
    query = (
        select(entries)
        .where(
            entries.c.conversation_id == conversation_id,
            entries.c.id > entry_id,
            entries.c.id <= until_id,
        )
        .order_by(entries.c.id)
        .limit(limit)
    )
    return [_entry(row) for row in conn.execute(query)]


def newest_until(
    conn: Connection, conversation_id: str, until_id: int, *, limit: int
) -> list[HistoryEntry]:
    """The `limit` entries up to `until_id` that were written last, in the order of writing."""
    query = (
        select(entries)
        .where(entries.c.conversation_id == conversation_id, entries.c.id <= until_id)
        .order_by(entries.c.id.desc())
        .limit(limit)
    )
    return [_entry(row) for row in reversed(conn.execute(query).all())]


def _entry(row: Row[Any]) -> HistoryEntry:
    body = row.body
    listing = body["listing"]
    return HistoryEntry(
        id=row.id,
        conversation_id=row.conversation_id,
        call_id=row.call_id,
        at=row.at,
        outcome=Outcome(body["outcome"]),
        reason=body["reason"],
        session_id=body["session_id"],
        listing=None if listing is None else Listing(listing["id"], listing["title"]),
        caller=_side(body["caller"]),
        callee=_side(body["callee"]),
        shown_to=tuple(EndedBy(side) for side in body["shown_to"]),
        channel=None if body["channel"] is None else Channel(body["channel"]),
        ended_by=None if body["ended_by"] is None else EndedBy(body["ended_by"]),
        ring_ms=body["ring_ms"],
        talk_ms=body["talk_ms"],
        why=Why(body["why"]) if "why" in body else None,
        came_by=CameBy(body.get("came_by", CameBy.GSM)),
        handovers=tuple(
            Moved(EndedBy(one["side"]), Channel(one["to"]), from_ms(one["at_ms"]))
            for one in body.get("handovers", ())
        ),
    )


def _side(kept: dict[str, str] | None) -> Side | None:
    return None if kept is None else Side(Role(kept["role"]), kept["user_id"])
