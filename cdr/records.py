"""Call records in the database: written once when a call is over, read one by one or in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import BigInteger, Connection, Row, or_, select, type_coerce

from cdr.bands import DURATION_EDGES_MS, MOS_EDGES, band, worst_mos
from cdr.codec import (
    attempts_from,
    attempts_json,
    handovers_from,
    handovers_json,
    legs_from,
    legs_json,
    prompts_from,
    prompts_json,
    quality_from,
    quality_json,
    recording_from,
    recording_json,
)
from cdr.ledger_rows import NO_PLACE
from cdr.model import CallRecord, CameBy
from cdr.people import Parties
from cdr.record_filter import DIRECTIONS, Filter
from cdr.record_search import Key, search_within
from masking.funnel import Variant
from masking.model import Role
from masking.outcome import EndedBy, Outcome
from masking.plan import Announcement, Channel
from storage.dialect import one_of
from storage.pages import LARGEST, Order, Page
from storage.prepared import Prepared, PreparedInsert
from storage.schema import calls

__all__ = [
    "Filter",
    "cursor_of",
    "get",
    "insert",
    "of_keys",
    "page",
    "place_of",
    "places_of",
    "record_of",
    "recorded",
    "row_of",
]

_ORDER = Order("calls", (type_coerce(calls.c.offered_at, BigInteger), calls.c.call_id), (int, str))
_INSERT = PreparedInsert(calls)
_RECORDED = Prepared(select(calls.c.call_id).where(one_of(calls.c.call_id, "wanted")))


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
        "direction": DIRECTIONS[record.came_by or CameBy.GSM],
        "channel_in": None if record.came_by is None else record.came_by.value,
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
        "prompts": prompts_json(record.prompts),
        "handovers": handovers_json(record.handovers),
        "quality": quality_json(record.quality),
        "recording": recording_json(record.recording),
        "category": listing.category if listing else None,
        "variant": parties.variant_of(record.came_by).value if parties else None,
        **_searched(record),
        "recorded_at": recorded_at,
        "version": record.version,
        "corrected_why": record.corrected_why,
        "corrected_by": record.corrected_by,
        **NO_PLACE,
    }


def _searched(record: CallRecord) -> dict[str, Any]:
    """What is kept for searching alone; it follows from the rest, or is filled in later."""
    mos = worst_mos(record.quality, record.legs)
    recorded = record.recording is not None and record.recording.has_audio
    return {
        "mos_min": mos,
        "mos_band": None if mos is None else band(mos, MOS_EDGES),
        "ring_band": band(record.ring_ms, DURATION_EDGES_MS),
        "talk_band": band(record.talk_ms, DURATION_EDGES_MS),
        "stars": None,
        "recorded": recorded or None,
    }


def insert(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `row_of`. A call that has a record already is an error."""
    if rows:
        _INSERT.insert(conn, rows)


def recorded(conn: Connection, call_ids: Iterable[str]) -> frozenset[str]:
    """Those of the calls that have a record."""
    wanted = sorted(call_ids)
    if not wanted:
        return frozenset()
    return frozenset([row.call_id for row in _RECORDED.rows(conn, {"wanted": wanted})])


def get(conn: Connection, call_id: str) -> CallRecord | None:
    """The record of the call."""
    row = conn.execute(select(calls).where(calls.c.call_id == call_id)).one_or_none()
    return None if row is None else record_of(row)


def page(
    conn: Connection, wanted: Filter, *, limit: int, cursor: str | None = None
) -> Page[CallRecord]:
    """The records that `wanted` asks for, newest offer first.

    It may hold fewer than `limit`, even none, and yet name where the next one begins: what is
    asked for is so rare that the search stopped before it had found them.
    Raises BadCursor, and ValueError for a limit out of 1 to 500.
    """
    if not 1 <= limit <= LARGEST:
        msg = f"a page has 1 to {LARGEST} items"
        raise ValueError(msg)
    after = None if cursor is None else place_of(cursor)
    found = search_within(conn, wanted, limit=limit, after=after)
    items = of_keys(conn, found.keys)
    return Page(items, None if found.resume is None else cursor_of(found.resume))


def place_of(cursor: str) -> Key:
    """The place in the list that a cursor names. Raises BadCursor."""
    at_ms, call_id = _ORDER.decode(cursor)
    return cast("int", at_ms), str(call_id)  # as the order's kinds say


def cursor_of(place: Key) -> str:
    """The cursor behind a place in the list."""
    return _ORDER.encode(place)


def of_keys(conn: Connection, keys: Sequence[Key]) -> tuple[CallRecord, ...]:
    """The records of what a search found, in its order."""
    if not keys:
        return ()
    query = select(calls).where(calls.c.call_id.in_([call_id for _, call_id in keys]))
    found = {row.call_id: row for row in conn.execute(query)}
    return tuple(record_of(found[call_id]) for _, call_id in keys)


def places_of(
    conn: Connection,
    user_ids: Collection[str],
    indexes: Collection[bytes],
    after: Key,
    *,
    limit: int,
) -> list[Key]:
    """Places of the first calls behind `after` that one of these users or phones was on.

    Each user and phone by its own index: together they would be sorted anew for every page.
    """
    at, call_id = _ORDER.columns
    found: set[Key] = set()
    for side, values in (
        (calls.c.caller_user_id, user_ids),
        (calls.c.callee_user_id, user_ids),
        (calls.c.caller_index, indexes),
    ):
        for value in values:
            theirs = select(at, call_id).where(side == value, at >= after[0])
            behind = theirs.where(or_(at > after[0], call_id > after[1]))
            rows = conn.execute(behind.order_by(at, call_id).limit(limit))
            found.update((row[0], row[1]) for row in rows)
    return sorted(found)[:limit]


def record_of(row: Row[Any]) -> CallRecord:
    """The record in a whole row of `calls`."""
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
        corrected_why=row.corrected_why,
        corrected_by=row.corrected_by,
        came_by=CameBy(row.channel_in) if row.channel_in else None,
        prompts=prompts_from(row.prompts),
        handovers=handovers_from(row.handovers),
        quality=quality_from(row.quality),
        recording=recording_from(row.recording),
        category=row.category,
        variant=Variant(row.variant) if row.variant else None,
    )
