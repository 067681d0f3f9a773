"""Reads a page of the list of calls: what its columns show, and no more. Never a phone.

Bounded: whoever asks for what hardly ever comes together gets a short page and a place to go on
from (`cdr.record_search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from cdr import records
from cdr.ledger import public_name
from cdr.record_filter import Filter
from cdr.record_search import Key, search_within
from storage import call_tags
from storage.columns import from_ms
from storage.schema import calls

PAGE: Final = 50
_SHOWN: Final = calls.c[
    *("call_id", "offered_at", "outcome", "reason", "ended_by", "cause", "channel", "channel_in"),
    *("caller_role", "caller_user_id", "callee_role", "callee_user_id", "conversation_id"),
    *("listing_id", "listing_title", "session_id", "number_in", "number_out", "trunk_in"),
    *("trunk_out", "node", "ring_ms", "talk_ms", "mos_min", "stars", "recorded", "version"),
]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as a line of the list."""

    call_id: str
    offered_at: datetime
    outcome: str
    reason: str | None
    ended_by: str | None
    cause: int | None
    channel: str | None
    came_by: str
    caller_role: str | None
    caller_user_id: str | None
    callee_role: str | None
    callee_user_id: str | None
    conversation_id: str | None
    listing_id: str | None
    listing_title: str | None
    session_id: str | None
    number_in: str | None
    number_out: str | None
    trunk_in: str | None
    trunk_out: str | None
    node: str
    ring_ms: int
    talk_ms: int
    mos: float | None  # the worst of either side
    stars: int | None  # the worst rating
    recorded: bool
    corrected: bool
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallsPage:
    """Some calls, newest first."""

    rows: tuple[CallRow, ...]
    cursor: str | None  # where to go on
    reached: datetime | None = None  # the search stopped there before the page was full


def read(conn: Connection, wanted: Filter, cursor: str | None, *, limit: int = PAGE) -> CallsPage:
    """The calls of a filter behind a place in the list. Raises BadCursor."""
    after = None if cursor is None else records.place_of(cursor)
    found = search_within(conn, wanted, limit=limit, after=after)
    stopped = found.resume is not None and len(found.keys) < limit
    return CallsPage(
        rows=rows_of(conn, found.keys),
        cursor=None if found.resume is None else records.cursor_of(found.resume),
        reached=from_ms(found.resume[0]) if stopped and found.resume is not None else None,
    )


def rows_of(conn: Connection, keys: Sequence[Key]) -> tuple[CallRow, ...]:
    """The calls of what a search found, in its order."""
    if not keys:
        return ()
    ids = [call_id for _, call_id in keys]
    query = select(*_SHOWN).where(calls.c.call_id.in_(ids))
    found = {row.call_id: row for row in conn.execute(query)}
    tags = call_tags.of_calls(conn, ids)
    return tuple(
        _row(found[one], tuple(tag.tag for tag in tags.get(one, ()))) for one in ids if one in found
    )


def _row(row: Row[Any], tags: tuple[str, ...]) -> CallRow:
    return CallRow(
        call_id=row.call_id,
        offered_at=row.offered_at,
        outcome=row.outcome,
        reason=row.reason,
        ended_by=row.ended_by,
        cause=row.cause,
        channel=row.channel,
        came_by=row.channel_in or "gsm",
        caller_role=row.caller_role,
        caller_user_id=row.caller_user_id,
        callee_role=row.callee_role,
        callee_user_id=row.callee_user_id,
        conversation_id=row.conversation_id,
        listing_id=row.listing_id,
        listing_title=row.listing_title,
        session_id=row.session_id,
        number_in=row.number_in,
        number_out=row.number_out,
        trunk_in=row.trunk_in,
        trunk_out=row.trunk_out,
        node=public_name(row.node),
        ring_ms=row.ring_ms,
        talk_ms=row.talk_ms,
        mos=None if row.mos_min is None else row.mos_min / 100,
        stars=row.stars,
        recorded=bool(row.recorded),
        corrected=row.version > 1,
        tags=tags,
    )
