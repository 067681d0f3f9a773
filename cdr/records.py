"""Call records in the database: written once when a call is over, read one by one or in pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, select, type_coerce

from cdr.codec import attempts_from, attempts_json, legs_from, legs_json
from cdr.model import CallRecord
from cdr.people import Parties
from masking.model import Role
from masking.outcome import EndedBy, Outcome
from masking.plan import Announcement, Channel
from storage.columns import to_ms
from storage.pages import Order, Page
from storage.schema import calls

_ORDER = Order("calls", (type_coerce(calls.c.offered_at, BigInteger), calls.c.call_id), (int, str))
_INSERT = calls.insert()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are asked for: those that meet all that is given."""

    session_id: str | None = None
    conversation_id: str | None = None
    user_id: str | None = None  # on either side
    outcomes: tuple[Outcome, ...] = ()  # any of them; empty: all
    node: str | None = None
    since: datetime | None = None  # offered at or after it
    until: datetime | None = None  # offered before it


def row_of(record: CallRecord, recorded_at: datetime, parties: Parties | None) -> dict[str, Any]:
    """The row that keeps `record`, with who they are as the call's session says."""
    caller, callee = parties.sides(record.caller_role) if parties else (None, None)
    listing = parties.listing if parties else None
    return {
        "call_id": record.call_id,
        "node": record.node,
        "linked_id": record.linked_id,
        "session_id": record.session_id,
        "conversation_id": parties.conversation_id if parties else None,
        "listing_id": listing.id if listing else None,
        "listing_title": listing.title if listing else None,
        "direction": "pstn_in",
        "caller_role": record.caller_role,
        "caller_user_id": caller.user_id if caller else None,
        "callee_role": callee.role if callee else record.callee_role,
        "callee_user_id": callee.user_id if callee else None,
        "caller_sealed": record.caller_sealed,
        "caller_index": record.caller_index,
        "number_in": record.number_in,
        "number_out": record.number_out,
        "trunk_in": record.trunk_in,
        "trunk_out": record.trunk_out,
        "channel": record.channel,
        "outcome": record.outcome,
        "reason": record.reason,
        "announcement": record.announcement,
        "ended_by": record.ended_by,
        "cause": record.cause,
        "offered_at": record.offered_at,
        "rang_at": record.rang_at,
        "answered_at": record.answered_at,
        "ended_at": record.ended_at,
        "ring_ms": record.ring_ms,
        "talk_ms": record.talk_ms,
        "attempts": attempts_json(record.attempts),
        "legs": legs_json(record.legs),
        "recorded_at": recorded_at,
        "version": record.version,
    }


def insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `row_of`. A call that has a record already is an error."""
    if rows:
        conn.execute(_INSERT, rows)


def recorded(conn: Connection, call_ids: Iterable[str]) -> frozenset[str]:
    """Those of the calls that have a record."""
    wanted = sorted(call_ids)
    if not wanted:
        return frozenset()
    return frozenset(conn.scalars(select(calls.c.call_id).where(calls.c.call_id.in_(wanted))))


def get(conn: Connection, call_id: str) -> CallRecord | None:
    """The record of the call."""
    row = conn.execute(select(calls).where(calls.c.call_id == call_id)).one_or_none()
    return None if row is None else _record(row)


def page(
    conn: Connection, wanted: Filter, *, limit: int, cursor: str | None = None
) -> Page[CallRecord]:
    """The records that `wanted` asks for, newest offer first.

    Raises BadCursor, and ValueError for a limit out of 1 to 500.
    """
    query = _ORDER.apply(_filtered(wanted), limit=limit, cursor=cursor)
    if wanted.user_id is None:
        rows = conn.execute(query).all()
    else:
        # Each side has its own index in the list's order. Asked for with OR, both would be read
        # whole and sorted.
        sides = (calls.c.caller_user_id, calls.c.callee_user_id)
        both = [row for side in sides for row in conn.execute(query.where(side == wanted.user_id))]
        unique = {row.call_id: row for row in both}.values()
        rows = sorted(unique, key=lambda row: (row.offered_at, row.call_id), reverse=True)
    return _ORDER.page(
        rows[: limit + 1],
        limit=limit,
        key=lambda row: (to_ms(row.offered_at), row.call_id),
        item=_record,
    )


def _filtered(wanted: Filter) -> Select[Any]:
    query = select(calls)
    if wanted.session_id is not None:
        query = query.where(calls.c.session_id == wanted.session_id)
    if wanted.conversation_id is not None:
        query = query.where(calls.c.conversation_id == wanted.conversation_id)
    if wanted.outcomes:
        query = query.where(calls.c.outcome.in_(wanted.outcomes))
    if wanted.node is not None:
        query = query.where(calls.c.node == wanted.node)
    if wanted.since is not None:
        query = query.where(calls.c.offered_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(calls.c.offered_at < wanted.until)
    return query


def _record(row: Row[Any]) -> CallRecord:
    return CallRecord(
        call_id=row.call_id,
        node=row.node,
        linked_id=row.linked_id,
        session_id=row.session_id,
        caller_role=Role(row.caller_role) if row.caller_role else None,
        callee_role=Role(row.callee_role) if row.callee_role else None,
        number_in=row.number_in,
        number_out=row.number_out,
        trunk_in=row.trunk_in,
        trunk_out=row.trunk_out,
        channel=Channel(row.channel) if row.channel else None,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        announcement=Announcement(row.announcement) if row.announcement else None,
        ended_by=EndedBy(row.ended_by) if row.ended_by else None,
        cause=row.cause,
        offered_at=row.offered_at,
        rang_at=row.rang_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        ring_ms=row.ring_ms,
        talk_ms=row.talk_ms,
        attempts=attempts_from(row.attempts),
        legs=legs_from(row.legs),
        caller_sealed=row.caller_sealed,
        caller_index=row.caller_index,
        conversation_id=row.conversation_id,
        listing_id=row.listing_id,
        listing_title=row.listing_title,
        caller_user_id=row.caller_user_id,
        callee_user_id=row.callee_user_id,
        recorded_at=row.recorded_at,
        version=row.version,
    )
