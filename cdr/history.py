"""A conversation's history of calls: one entry a call, whoever it was that called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, select, type_coerce

from masking.model import Listing, Role
from masking.outcome import EndedBy, Outcome
from masking.plan import Channel
from storage.columns import to_ms
from storage.pages import Order, Page
from storage.schema import history_entries as entries

_ORDER = Order("history", (type_coerce(entries.c.at, BigInteger), entries.c.id), (int, int))
_INSERT = entries.insert()


@dataclass(frozen=True, slots=True)
class Side:
    """Who stood on one side of the call."""

    role: Role
    user_id: str


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


def insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `entries.history_row`."""
    if rows:
        conn.execute(_INSERT, rows)


def page(
    conn: Connection, conversation_id: str, *, limit: int, cursor: str | None = None
) -> Page[HistoryEntry]:
    """The conversation's entries, newest call first.

    Raises BadCursor, and ValueError for a limit out of 1 to 500.
    """
    query = select(entries).where(entries.c.conversation_id == conversation_id)
    rows = conn.execute(_ORDER.apply(query, limit=limit, cursor=cursor)).all()
    return _ORDER.page(rows, limit=limit, key=lambda row: (to_ms(row.at), row.id), item=_entry)


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
    )


def _side(kept: dict[str, str] | None) -> Side | None:
    return None if kept is None else Side(Role(kept["role"]), kept["user_id"])
