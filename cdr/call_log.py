"""A user's list of calls, as a phone shows it: who it was, when, how it ended, what is unread.

The other side appears as their card; no phone is here, not even sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, func, select, type_coerce, update

from masking.model import Card, Listing, Role
from masking.outcome import Outcome
from storage.columns import to_ms
from storage.pages import Order, Page
from storage.schema import call_log_entries as entries

_ORDER = Order("call_log", (type_coerce(entries.c.at, BigInteger), entries.c.id), (int, int))
_INSERT = entries.insert()


class Direction(StrEnum):
    """Whether the user was called or called."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A call in a user's log."""

    id: int
    user_id: str
    call_id: str
    direction: Direction
    outcome: Outcome  # as this user sees it
    at: datetime  # when the call was offered
    ring_ms: int
    talk_ms: int
    role: Role  # the other side's
    card: Card  # the other side's
    listing: Listing | None
    session_id: str | None
    read_at: datetime | None  # None: unread

    @property
    def unread(self) -> bool:
        """Whether the user has not seen yet that this call came."""
        return self.read_at is None


def insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `entries.log_rows`."""
    if rows:
        conn.execute(_INSERT, rows)


def page(
    conn: Connection,
    user_id: str,
    *,
    limit: int,
    cursor: str | None = None,
    outcome: Outcome | None = None,
    unread: bool | None = None,
) -> Page[LogEntry]:
    """The user's calls, newest first; only those of `outcome`, only the (un)read ones if given.

    Raises BadCursor, and ValueError for a limit out of 1 to 500.
    """
    query = select(entries).where(entries.c.user_id == user_id)
    if outcome is not None:
        query = query.where(entries.c.outcome == outcome)
    if unread is not None:
        query = query.where(
            entries.c.read_at.is_(None) if unread else entries.c.read_at.is_not(None)
        )
    rows = conn.execute(_ORDER.apply(query, limit=limit, cursor=cursor)).all()
    return _ORDER.page(rows, limit=limit, key=lambda row: (to_ms(row.at), row.id), item=_entry)


def unread_count(conn: Connection, user_id: str) -> int:
    """How many calls the user has not seen yet."""
    query = select(func.count()).where(entries.c.user_id == user_id, entries.c.read_at.is_(None))
    return conn.execute(query).scalar_one()


def mark_read(conn: Connection, user_id: str, *, until: datetime, now: datetime) -> int:
    """The user has seen the calls offered at or before `until`. Returns how many were unread."""
    query = (
        update(entries)
        .where(entries.c.user_id == user_id, entries.c.read_at.is_(None), entries.c.at <= until)
        .values(read_at=now)
    )
    return conn.execute(query).rowcount


def _entry(row: Row[Any]) -> LogEntry:
    card, listing = row.card, row.listing
    return LogEntry(
        id=row.id,
        user_id=row.user_id,
        call_id=row.call_id,
        direction=Direction(row.direction),
        outcome=Outcome(row.outcome),
        at=row.at,
        ring_ms=row.ring_ms,
        talk_ms=row.talk_ms,
        role=Role(card["role"]),
        card=Card(
            card["name"], card["rating"], tuple((key, value) for key, value in card["facts"])
        ),
        listing=None if listing is None else Listing(listing["id"], listing["title"]),
        session_id=row.session_id,
        read_at=row.read_at,
    )
