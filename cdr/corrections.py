"""Corrections: a record is never changed silently, it gets a new version with a reason.

The version that was is kept whole and stays in its place of the chain; the new one takes a place of
its own. History, call logs, counters and recordings follow in the same transaction, each once, and
the platform is told by one `call.corrected`. Entries are written anew, with new ids: whoever reads
them as they come hears of them again.

Whoever corrects must hold the turn of the call's node (`staging.take_turn`, `staging.hold_turn`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from cdr import (
    analytics,
    call_log,
    cut_calls,
    history,
    ledger,
    ledger_rows,
    people,
    recording_rows,
    records,
    staging,
)
from cdr.entries import history_row, log_rows
from cdr.errors import CorrectionRefused, NothingToCorrect, VersionMoved
from cdr.ledger import ERASABLE
from cdr.model import CallRecord
from cdr.notices import correction_notices
from cdr.people import Parties
from cdr.ways_back import WaysBack
from masking.funnel import Variant
from masking.outcome import EndedBy, Outcome
from storage import conversations, endings, outbox
from storage.columns import from_ms
from storage.endings import EndedCall
from storage.schema import call_versions, calls
from storage.vault import Vault

SYSTEM: Final = "system"
LATE_EVENTS: Final = "late_events"
_FOUND: Final = ("category", "variant")  # beside who they were


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a record said, and what it says now: the next version."""

    before: CallRecord
    after: CallRecord


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants corrected, of the version that they have seen. None: left as it is."""

    version: int
    why: str  # for people; no phone may stand in it
    outcome: Outcome | None = None
    ended_by: EndedBy | None = None


def next_version(before: CallRecord, after: CallRecord, why: str, by: str) -> Corrected:
    """`after` as the version that follows `before`."""
    version = before.version + 1
    return Corrected(before, replace(after, version=version, corrected_why=why, corrected_by=by))


def says_the_same(before: CallRecord, after: CallRecord) -> bool:
    """Whether nothing of what happened differs; who they are was found when it was recorded."""
    return before == replace(
        after,
        conversation_id=before.conversation_id,
        listing_id=before.listing_id,
        listing_title=before.listing_title,
        caller_user_id=before.caller_user_id,
        callee_user_id=before.callee_user_id,
        caller_sealed=before.caller_sealed,
        caller_index=before.caller_index,
        recorded_at=before.recorded_at,
        category=before.category,
        variant=before.variant,
        version=before.version,
        corrected_why=before.corrected_why,
        corrected_by=before.corrected_by,
    )


def wished(before: CallRecord, wish: Wish, by: str) -> Corrected:
    """The correction that was wished for.

    Raises VersionMoved, NothingToCorrect, CorrectionRefused.
    """
    if wish.version != before.version:
        raise VersionMoved
    after = replace(
        before,
        outcome=wish.outcome or before.outcome,
        ended_by=wish.ended_by or before.ended_by,
    )
    if after == before:
        raise NothingToCorrect
    if after.outcome is Outcome.ANSWERED and before.answered_at is None:
        raise CorrectionRefused
    return next_version(before, after, wish.why, by)


def correct(
    conn: Connection,
    vault: Vault,
    call_id: str,
    wish: Wish,
    by: str,
    now: datetime,
    app_host: str = "",
) -> CallRecord | None:
    """Correct a record as somebody wishes; None: there is no such call.

    Rows that come late change it no more. Raises VersionMoved, NothingToCorrect, CorrectionRefused.
    """
    found = records.get(conn, call_id)
    if found is None:
        return None
    staging.hold_turn(conn, found.node)
    before = records.get(conn, call_id)
    if before is None:
        return None
    keep(conn, vault, before.node, [wished(before, wish, by)], now, app_host)
    cut_calls.forget(conn, [call_id])
    return records.get(conn, call_id)


def keep(
    conn: Connection,
    vault: Vault,
    node: str,
    corrected: Sequence[Corrected],
    now: datetime,
    app_host: str,
) -> None:
    """Write the corrections, and all that follows from them. Raises VersionMoved."""
    if not corrected:
        return
    sessions = {one.after.session_id for one in corrected if one.after.session_id}
    known = people.parties_of(conn, sessions)
    rows = [_superseded(conn, one, known, now) for one in corrected]
    placed = ledger_rows.place(
        conn, node, ledger.day_of(now), ledger_rows.sealed(vault, [new for _, new in rows])
    )
    ledger_rows.insert_versions(conn, [_version(old) for old, _ in rows])
    for one, row in zip(corrected, placed, strict=True):
        which = (calls.c.call_id == row["call_id"], calls.c.version == one.before.version)
        if conn.execute(update(calls).where(*which).values(**row)).rowcount != 1:
            raise VersionMoved
    conversations.follow(conn, ((row["session_id"], row["conversation_id"]) for row in placed))
    back = WaysBack(conn, [one.after for one in corrected], known, now, app_host)
    for one, row in zip(corrected, placed, strict=True):
        parties = known.get(one.after.session_id or "")
        variant = row["variant"]
        after = replace(
            one.after,
            category=row["category"],
            variant=None if variant is None else Variant(variant),
        )
        analytics.corrected(conn, one.before, after)
        if parties is not None:
            _entries(conn, one, parties)
        outbox.owe_all(
            conn, list(correction_notices(one.before, after, parties, back.of(after), now))
        )
    recording_rows.corrected(conn, [one.after for one in corrected], now)
    endings.calls_ended(conn, _ended(corrected))


def _superseded(
    conn: Connection, one: Corrected, known: Mapping[str, Parties], now: datetime
) -> tuple[RowMapping, dict[str, Any]]:
    """The row that is, and the one that takes its place. Raises VersionMoved."""
    which = (calls.c.call_id == one.before.call_id, calls.c.version == one.before.version)
    old = conn.execute(select(calls).where(*which)).mappings().one_or_none()
    if old is None:
        raise VersionMoved
    new = records.row_of(one.after, now, known.get(one.after.session_id or ""))
    new["stars"] = old["stars"]
    if one.before.recording is not None:
        new["recorded"] = old["recorded"]  # it may be deleted by now
    if one.after.session_id == one.before.session_id:
        # Who they were, and whom nobody may know any more.
        new |= {name: old[name] for names in (_FOUND, *ERASABLE.values()) for name in names}
    return old, new


def _version(old: RowMapping) -> dict[str, Any]:
    """The row of `call_versions` that keeps what the record said."""
    row = dict(old)
    kept = {name: row[name] for name in call_versions.c.keys() if name != "content"}  # noqa: SIM118 (a collection of columns)
    return kept | {"content": ledger.content_of(row).decode()}


def _entries(conn: Connection, one: Corrected, parties: Parties) -> None:
    """History and logs say what the record says now."""
    entry = history_row(one.after, parties)
    history.replace(conn, entry, was_in=one.before.conversation_id)
    were = (one.before.caller_user_id, one.before.callee_user_id)
    call_log.replace(conn, one.before.call_id, log_rows(one.after, parties), were=were)


def _ended(corrected: Iterable[Corrected]) -> list[EndedCall]:
    """What sessions are told: only of what came to light, not of what somebody judged."""
    return [
        EndedCall(one.after.session_id, one.after.ended_at, one.after.outcome is Outcome.ANSWERED)
        for one in corrected
        if one.after.corrected_by == SYSTEM
        and one.after.session_id is not None
        and one.after.attempts
    ]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record, as far as it is told."""

    version: int
    recorded_at: datetime
    outcome: Outcome
    reason: str | None
    ended_by: EndedBy | None
    talk_ms: int
    corrected_why: str | None
    corrected_by: str | None
    day: int | None  # its place in the ledger, and its hash
    seq: int | None
    hash: bytes | None


def versions(conn: Connection, call_id: str) -> list[Version]:
    """Every version of the record, the first one first; empty: there is no such call."""
    now = conn.execute(select(calls).where(calls.c.call_id == call_id)).mappings().one_or_none()
    if now is None:
        return []
    before = conn.execute(
        select(call_versions)
        .where(call_versions.c.call_id == call_id)
        .order_by(call_versions.c.version)
    ).mappings()
    rows = [dict(row) | ledger.read(row["content"]) for row in before]
    rows.append(dict(now) | ledger.read(ledger.content_of(dict(now))))
    return [_told(row) for row in rows]


def _told(row: Mapping[str, Any]) -> Version:
    ended_by = row.get("ended_by")
    return Version(
        version=row["version"],
        recorded_at=from_ms(row["recorded_at"]),
        outcome=Outcome(row["outcome"]),
        reason=row.get("reason"),
        ended_by=None if ended_by is None else EndedBy(ended_by),
        talk_ms=row["talk_ms"],
        corrected_why=row.get("corrected_why"),
        corrected_by=row.get("corrected_by"),
        day=row["ledger_day"],
        seq=row["ledger_seq"],
        hash=row["ledger_hash"],
    )
