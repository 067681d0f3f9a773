"""All that a call's page shows, read at once. Opens no phone; says only whether there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from cdr import call_log, corrections, history, pair, people, records
from cdr.call_log import LogEntry
from cdr.corrections import Version
from cdr.history import HistoryEntry
from cdr.model import CallRecord
from cdr.people import Person
from masking.model import Role
from masking.outcome import EndedBy
from storage import call_notes, call_tags, complaints, ratings, recordings, told
from storage.call_notes import Disposed, Note
from storage.call_tags import Tag
from storage.complaints import Complaint
from storage.ratings import Rating
from storage.recordings import Recording
from storage.schema import participants
from storage.told import Told

NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Side:
    """Who stood on a side: by role, id and card. `phone`: there is one that may be revealed."""

    side: EndedBy  # caller or callee
    role: Role | None
    user_id: str | None
    person: Person | None
    phone: bool


@dataclass(frozen=True, slots=True)
class Whole:
    """A call with everything that was made of it."""

    record: CallRecord
    caller: Side
    callee: Side
    pool: str | None  # of its session
    recording: Recording | None
    ratings: tuple[Rating, ...]
    history: HistoryEntry | None
    log: tuple[LogEntry, ...]
    told: tuple[Told, ...]
    versions: tuple[Version, ...]
    tags: tuple[Tag, ...]
    notes: tuple[Note, ...]
    dispositions: tuple[Disposed, ...]
    complaints: tuple[Complaint, ...]
    earlier: tuple[CallRecord, ...]
    later: tuple[CallRecord, ...]

    @property
    def sides(self) -> tuple[Side, Side]:
        """The caller first."""
        return self.caller, self.callee

    @property
    def disposition(self) -> Disposed | None:
        """The one that counts."""
        return self.dispositions[-1] if self.dispositions else None


def whole(conn: Connection, call_id: str) -> Whole | None:
    """The call; None: there is no record of it."""
    record = records.get(conn, call_id)
    if record is None:
        return None
    caller, callee, pool = _sides(conn, record)
    users = {one.user_id for one in (caller, callee) if one.user_id is not None}
    conversation = record.conversation_id
    return Whole(
        record=record,
        caller=caller,
        callee=callee,
        pool=pool,
        recording=recordings.get(conn, call_id),
        ratings=ratings.of_calls(conn, [call_id]).get(call_id, ()),
        history=None if conversation is None else history.of_call(conn, conversation, call_id),
        log=call_log.of_call(conn, call_id, users),
        told=told.of_call(conn, call_id, record.version),
        versions=tuple(corrections.versions(conn, call_id)) if record.version > 1 else (),
        tags=call_tags.of_calls(conn, [call_id]).get(call_id, ()),
        notes=call_notes.of_call(conn, call_id),
        dispositions=call_notes.dispositions(conn, call_id),
        complaints=complaints.of_call(conn, call_id),
        earlier=pair.before(conn, record, NEIGHBOURS),
        later=pair.after(conn, record, NEIGHBOURS),
    )


def sealed_phone(conn: Connection, record: CallRecord, side: EndedBy) -> bytes | None:
    """The phone of a side, sealed: the participant's, else what a stranger called from."""
    role = record.caller_role if side is EndedBy.CALLER else record.callee_role
    sealed = _phones(conn, record.session_id).get(role) if role is not None else None
    if sealed is None and side is EndedBy.CALLER:
        return record.caller_sealed
    return sealed


def _sides(conn: Connection, record: CallRecord) -> tuple[Side, Side, str | None]:
    session = record.session_id
    parties = people.parties_of(conn, {session}).get(session) if session is not None else None
    caller, callee = parties.sides(record.caller_role) if parties else (None, None)
    phones = _phones(conn, session)
    return (
        Side(
            EndedBy.CALLER,
            record.caller_role,
            record.caller_user_id,
            caller,
            phones.get(record.caller_role) is not None or record.caller_sealed is not None,
        ),
        Side(
            EndedBy.CALLEE,
            record.callee_role,
            record.callee_user_id,
            callee,
            phones.get(record.callee_role) is not None,
        ),
        None if parties is None else parties.pool or None,
    )


def _phones(conn: Connection, session_id: str | None) -> Mapping[Role | None, bytes | None]:
    if session_id is None:
        return {}
    row = participants.c
    query = select(row.role, row.phone_sealed).where(row.session_id == session_id)
    return {Role(one.role): one.phone_sealed for one in conn.execute(query)}
