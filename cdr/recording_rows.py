"""What a batch of call records leaves to the keeper of recordings. No phone is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection

from cdr import people
from cdr.model import CallRecord
from cdr.people import Parties
from masking.notice import Notice
from masking.recording import NotRecorded
from masking.recording_states import RecordingFailure
from storage import recordings

_FAILURES: Final = MappingProxyType(
    {
        NotRecorded.ANNOUNCEMENT_FAILED: RecordingFailure.ANNOUNCEMENT_FAILED,
        NotRecorded.NOT_STARTED: RecordingFailure.NOT_STARTED,
    }
)
"""What the platform is told of. The other reasons are people's own doing."""


@dataclass(frozen=True, slots=True)
class RecordingRows:
    """Rows of `recordings`, and what is told of them at once."""

    rows: tuple[dict[str, Any], ...] = ()
    notices: tuple[Notice, ...] = ()


NO_ROWS: Final = RecordingRows()


def rows_of(
    conn: Connection, calls: Iterable[CallRecord], known: Mapping[str, Parties], now: datetime
) -> RecordingRows:
    """The rows of those of the calls that were recorded, or should have been."""
    wanted = [
        call
        for call in calls
        if call.recording is not None
        and (call.recording.has_audio or call.recording.reason in _FAILURES)
    ]
    if not wanted:
        return NO_ROWS
    parties = {call.call_id: known.get(call.session_id or "") for call in wanted}
    kept = recordings.retention_of(conn, {one.pool for one in parties.values() if one is not None})
    rows, notices = [], []
    for call in wanted:
        theirs = parties[call.call_id]
        retention = kept.get(theirs.pool if theirs else "", recordings.DEFAULT_RETENTION)
        row = recordings.pending_row(
            call_id=call.call_id,
            node=call.node,
            session_id=call.session_id,
            conversation_id=theirs.conversation_id if theirs else None,
            delete_at=call.ended_at + retention,
            now=now,
        )
        failure = _failure_of(call)
        if failure is not None:
            row = recordings.failed_row(row, failure)
            notices.append(recordings.failed_notice(row))
        rows.append(row)
    return RecordingRows(tuple(rows), tuple(notices))


def corrected(conn: Connection, calls: Iterable[CallRecord], now: datetime) -> None:
    """The records of these calls say something else from now on.

    Where one says only now that there is sound, its recording is to be made; what there is stays.
    """
    wanted = [one for one in calls if one.recording is not None and one.recording.has_audio]
    there = recordings.states(conn, [one.call_id for one in wanted])
    new = [one for one in wanted if one.call_id not in there]
    if new:
        known = people.parties_of(conn, {one.session_id for one in new if one.session_id})
        recordings.keep(conn, rows_of(conn, new, known, now).rows)


def _failure_of(call: CallRecord) -> RecordingFailure | None:
    if call.recording is None or call.recording.has_audio or call.recording.reason is None:
        return None
    return _FAILURES.get(call.recording.reason)
