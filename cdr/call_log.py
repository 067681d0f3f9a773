"""A user's list of calls, as a phone shows it: who it was, when, how it ended, what is unread.

The other side appears as their card; no phone is here, not even sealed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    exists,
    func,
    select,
    type_coerce,
    update,
)

from masking.model import Card, Listing, Role
from masking.outcome import Outcome
from storage.columns import to_ms
from storage.dialect import one_of
from storage.pages import Order, Page
from storage.prepared import PreparedInsert
from storage.schema import call_log_entries as entries
from storage.schema import history_entries

_at = type_coerce(entries.c.at, BigInteger)
_ORDER = Order("call_log", (_at, entries.c.id), (int, int))
# Of what is unread: by its own index, for that of times is of all that a user ever had.
_at_unread = _at + 0
_ORDER_UNREAD = Order("call_log", (_at_unread, entries.c.id), (int, int))
_INSERT = PreparedInsert(entries, numbered="id")


_FEW = 1_000  # entries of all users, read one after the other
_FOR_ATTENTION = frozenset({Outcome.MISSED.value, Outcome.BUSY.value})


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
    reason: str | None  # why it was missed
    read_at: datetime | None  # None: unread
    erased: bool = False  # the other side's data was erased; that a call took place stays

    @property
    def unread(self) -> bool:
        """Whether the user has not seen yet that this call came."""
        return self.read_at is None


def insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `entries.log_rows`."""
    if rows:
        _INSERT.insert(conn, rows)


def replace(
    conn: Connection, call_id: str, rows: Sequence[dict[str, Any]], *, were: Iterable[str | None]
) -> None:
    """Write the call's entries anew, with new ids; they stood in the logs of the users `were`.

    What was read stays read. Unread is what calls for attention now and did not before.
    """
    users = {row["user_id"] for row in rows} | {user for user in were if user is not None}
    which = (entries.c.call_id == call_id, entries.c.user_id.in_(sorted(users)))
    known = {row.user_id: row for row in conn.execute(select(entries).where(*which))}
    conn.execute(delete(entries).where(*which))
    insert(conn, [row | {"read_at": _read_at(row, known.get(row["user_id"]))} for row in rows])


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
    order, query = _ORDER, select(entries).where(entries.c.user_id == user_id)
    if outcome is not None:
        query = query.where(entries.c.outcome == outcome)
    if unread is True:
        order, query = _ORDER_UNREAD, query.where(entries.c.read_at.is_(None))
    elif unread is False:
        query = query.where(entries.c.read_at.is_not(None))
    rows = conn.execute(order.apply(query, limit=limit, cursor=cursor)).all()
    return order.page(rows, limit=limit, key=lambda row: (to_ms(row.at), row.id), item=_entry)


def unread_count(conn: Connection, user_id: str) -> int:
    """How many calls the user has not seen yet."""
    query = select(func.count()).where(entries.c.user_id == user_id, entries.c.read_at.is_(None))
    return conn.execute(query).scalar_one()


def unread_counts(conn: Connection, user_ids: Collection[str]) -> dict[str, int]:
    """How many calls each of the users has not seen yet; those who have seen all have 0."""
    counts = dict.fromkeys(user_ids, 0)
    query = (
        select(entries.c.user_id, func.count().label("unread"))
        .where(one_of(entries.c.user_id, "wanted"), entries.c.read_at.is_(None))
        .group_by(entries.c.user_id)
    )
    found = conn.execute(query, {"wanted": sorted(counts)})
    counts.update({row.user_id: row.unread for row in found})
    return counts


def unread_of_conversation(conn: Connection, user_id: str, conversation_id: str) -> frozenset[str]:
    """The calls of the conversation that the user has not seen yet."""
    query = select(entries.c.call_id).where(_unread_in(user_id, conversation_id))
    return frozenset(conn.scalars(query))


def mark_conversation_read(
    conn: Connection, user_id: str, conversation_id: str, *, until: datetime, now: datetime
) -> int:
    """The user has seen the conversation's calls offered at or before `until`; how many were not.

    They are read in the user's log as well: it is the same call.
    """
    query = (
        update(entries)
        .where(_unread_in(user_id, conversation_id), _at_unread <= to_ms(until))
        .values(read_at=now)
    )
    return conn.execute(query).rowcount


def _unread_in(user_id: str, conversation_id: str) -> ColumnElement[bool]:
    there = exists().where(
        history_entries.c.conversation_id == conversation_id,
        history_entries.c.call_id == entries.c.call_id,
    )
    return and_(entries.c.user_id == user_id, entries.c.read_at.is_(None), there)


def of_call(conn: Connection, call_id: str, user_ids: Collection[str]) -> tuple[LogEntry, ...]:
    """The entries made of the call in these users' logs; whoever called comes first."""
    if not user_ids:
        return ()
    which = (entries.c.call_id == call_id, entries.c.user_id.in_(sorted(user_ids)))
    found = conn.execute(select(entries).where(*which).order_by(entries.c.direction.desc()))
    return tuple(map(_entry, found))


def newest_id(conn: Connection) -> int:
    """The id of the entry written last, of anybody; 0 if there is none."""
    return conn.execute(select(func.max(entries.c.id))).scalar() or 0


def written_after(conn: Connection, entry_id: int, *, limit: int) -> list[tuple[int, str]]:
    """Ids and users of what was written after the entry `entry_id`, the first first."""
    query = select(entries.c.id, entries.c.user_id).where(entries.c.id > entry_id)
    return [
        (row.id, row.user_id) for row in conn.execute(query.order_by(entries.c.id).limit(limit))
    ]


def of_user_after(
    conn: Connection, user_id: str, entry_id: int, until_id: int, *, limit: int
) -> list[LogEntry]:
    """The user's entries after `entry_id` and up to `until_id`, in the order of their writing.

    Of those written lately, few, everybody's are looked at; else the user's own, all of them: an
    index of each user's in this order would cost every call more than it saves here.
    """
    few = until_id - entry_id <= _FEW
    user = entries.c.user_id.concat("") if few else entries.c.user_id  # not by the user's index
    written = entries.c.id if few else entries.c.id + 0  # not by the order of writing
    query = (
        select(entries)
        .where(user == user_id, written > entry_id, written <= until_id)
        .order_by(written)
        .limit(limit)
    )
    return [_entry(row) for row in conn.execute(query)]


def unread_until(conn: Connection, user_id: str, until_id: int, *, limit: int) -> list[LogEntry]:
    """The newest `limit` of the user's unread entries up to `until_id`, in the order of writing."""
    query = (
        select(entries)
        .where(
            entries.c.user_id == user_id,
            entries.c.read_at.is_(None),
            entries.c.id <= until_id,
        )
        .order_by(entries.c.id.desc())
        .limit(limit)
    )
    return [_entry(row) for row in reversed(conn.execute(query).all())]


def mark_read(conn: Connection, user_id: str, *, until: datetime, now: datetime) -> int:
    """The user has seen the calls offered at or before `until`. Returns how many were unread."""
    query = (
        update(entries)
        .where(
            entries.c.user_id == user_id, entries.c.read_at.is_(None), _at_unread <= to_ms(until)
        )
        .values(read_at=now)
    )
    return conn.execute(query).rowcount


def _read_at(row: dict[str, Any], old: Row[Any] | None) -> datetime | None:
    new: datetime | None = row["read_at"]
    if new is not None or old is None:
        return new
    called_for_attention = old.direction == Direction.IN and old.outcome in _FOR_ATTENTION
    seen: datetime | None = old.read_at
    return seen if called_for_attention else None


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
        reason=row.reason,
        read_at=row.read_at,
        erased=row.card.get("erased", False),
    )
