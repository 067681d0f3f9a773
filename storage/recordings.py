"""Recordings in the database: which there are, what became of each, and its sealed key.

A row goes one way: pending → ready or failed → deleted; whoever is late finds the state moved on
and changes nothing. A recording is deleted by destroying its key: what is left on any disk is noise
then. The row stays, and says when, why, and which file it was.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, Update, and_, bindparam, func, or_, select, update

from masking.notice import Notice, NoticeKind
from masking.recording_states import RecordingDeletion as Deletion
from masking.recording_states import RecordingFailure as Failure
from masking.recording_states import RecordingState as State
from masking.rules import RecordingRules
from storage import outbox
from storage.pool_rules import read_rules
from storage.prepared import PreparedInsert
from storage.schema import pools, recordings
from storage.vault import Vault

RAW_KEPT: Final = timedelta(days=3)  # after a recording has failed, for whoever looks into it
LONGEST_PAUSE: Final = timedelta(minutes=15)  # what is pending is put off for no longer
_INSERT: Final = PreparedInsert(recordings)
_BY_CALL: Final = select(recordings).where(recordings.c.call_id == bindparam("wanted"))
_RULES: Final = select(pools.c.name, pools.c.rules).where(
    pools.c.name.in_(bindparam("wanted", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known of a recording; `key` is sealed."""

    call_id: str
    node: str
    session_id: str | None
    conversation_id: str | None
    state: State
    why: str | None  # a Failure or a Deletion
    created_at: datetime
    tries: int
    due_at: datetime | None
    path: str | None  # below the folder of recordings
    key_sealed: bytes | None = field(repr=False)
    audio_bytes: int | None
    file_bytes: int | None
    digest: bytes | None  # SHA-256 of the file
    duration_ms: int | None
    ready_at: datetime | None
    delete_at: datetime | None
    deleted_at: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made of a recording."""

    path: str
    key: bytes = field(repr=False)
    audio_bytes: int
    file_bytes: int
    digest: bytes
    duration_ms: int


def pending_row(
    *,
    call_id: str,
    node: str,
    session_id: str | None,
    conversation_id: str | None,
    delete_at: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """The row of a call that was recorded: its file is to be made at once."""
    return dict.fromkeys(recordings.c.keys()) | {
        "call_id": call_id,
        "node": node,
        "session_id": session_id,
        "conversation_id": conversation_id,
        "state": State.PENDING.value,
        "created_at": now,
        "tries": 0,
        "due_at": now,
        "delete_at": delete_at,
    }


def failed_row(row: Mapping[str, Any], why: Failure) -> dict[str, Any]:
    """The row of a call that should have been recorded and was not: nothing of it is kept."""
    return {**row, "state": State.FAILED.value, "why": why.value, "delete_at": None}


def keep(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new rows. A call that has one already is an error."""
    if rows:
        _INSERT.insert(conn, rows)


def retention_of(conn: Connection, names: Collection[str]) -> dict[str, timedelta]:
    """How long recordings of these pools are kept."""
    if not names:
        return {}
    rows = conn.execute(_RULES, {"wanted": sorted(names)})
    return {row.name: read_rules(row.rules).recording.retention for row in rows}


DEFAULT_RETENTION: Final = RecordingRules().retention


def get(conn: Connection, call_id: str) -> Recording | None:
    """The recording of the call."""
    row = conn.execute(_BY_CALL, {"wanted": call_id}).first()
    return None if row is None else _recording(row)


def of_calls(conn: Connection, call_ids: Collection[str]) -> dict[str, Recording]:
    """The recordings of those of the calls that have one."""
    if not call_ids:
        return {}
    chosen = select(recordings).where(recordings.c.call_id.in_(sorted(call_ids)))
    return {row.call_id: _recording(row) for row in conn.execute(chosen)}


def states(conn: Connection, call_ids: Collection[str]) -> dict[str, State]:
    """The states of those of the calls that have a recording."""
    if not call_ids:
        return {}
    chosen = select(recordings.c.call_id, recordings.c.state)
    rows = conn.execute(chosen.where(recordings.c.call_id.in_(sorted(call_ids))))
    return {row.call_id: State(row.state) for row in rows}


def due(
    conn: Connection,
    node: str,
    now: datetime,
    limit: int,
    *,
    without: Collection[str] = (),
    since: datetime | None = None,
) -> tuple[Recording, ...]:
    """What is to be done on `node` by `now`, what waits longest first; due at or after `since`.

    Any node may delete what is ready: it takes no more than destroying the key.
    """
    column = recordings.c
    ours = or_(column.node == node, column.state == State.READY.value)
    wanted = select(recordings).where(and_(column.due_at <= now, ours))
    if since is not None:
        wanted = wanted.where(column.due_at >= since)
    if without:
        wanted = wanted.where(column.call_id.not_in(sorted(without)))
    rows = conn.execute(wanted.order_by(column.due_at, column.call_id).limit(limit))
    return tuple(map(_recording, rows))


def made(conn: Connection, vault: Vault, call_id: str, file: Made, now: datetime) -> bool:
    """The file is there: the recording is ready, and the platform is told.

    False: it is pending no longer, and nobody will ever be able to read this file.
    """
    found = get(conn, call_id)
    if found is None or found.state is not State.PENDING:
        return False
    values = {
        "state": State.READY.value,
        "path": file.path,
        "key_sealed": vault.seal_secret(b64encode(file.key).decode()),
        "audio_bytes": file.audio_bytes,
        "file_bytes": file.file_bytes,
        "digest": file.digest,
        "duration_ms": file.duration_ms,
        "ready_at": now,
        "due_at": found.delete_at,
    }
    if conn.execute(_moves(call_id, State.PENDING).values(values)).rowcount != 1:
        return False
    told = {
        "duration_ms": file.duration_ms,
        "delete_at": None if found.delete_at is None else _text(found.delete_at),
    }
    outbox.owe(conn, _notice(NoticeKind.RECORDING_READY, found, told, now))
    return True


def failed(conn: Connection, call_id: str, why: Failure, now: datetime) -> bool:
    """It will not be made: the platform is told; what was recorded is kept for a while."""
    found = get(conn, call_id)
    if found is None or found.state is not State.PENDING:
        return False
    values = {
        "state": State.FAILED.value,
        "why": why.value,
        "due_at": now + RAW_KEPT,
        "delete_at": None,
    }
    if conn.execute(_moves(call_id, State.PENDING).values(values)).rowcount != 1:
        return False
    outbox.owe(conn, _notice(NoticeKind.RECORDING_FAILED, found, {"reason": why.value}, now))
    return True


def failed_notice(row: Mapping[str, Any]) -> Notice:
    """What the platform is told when a row of `failed_row` is written."""
    return Notice(
        NoticeKind.RECORDING_FAILED,
        f"{NoticeKind.RECORDING_FAILED} {row['call_id']}",
        row["created_at"],
        row["conversation_id"],
        {"call_id": row["call_id"], "session_id": row["session_id"], "reason": row["why"]},
    )


def put_off(conn: Connection, call_id: str, until: datetime, *, counts: bool) -> None:
    """Try a pending one again at `until`; `counts`: this try was one of those it has."""
    tries = recordings.c.tries + (1 if counts else 0)
    conn.execute(_moves(call_id, State.PENDING).values(due_at=until, tries=tries))


def delete(conn: Connection, call_id: str, why: Deletion, now: datetime) -> Recording | None:
    """Destroy the key; the files are due for removal. What it was before; None: nothing to delete.

    What was deleted, or never came to be, stays as it is.
    """
    found = get(conn, call_id)
    if found is None or found.state not in _LIVING:
        return None
    values = {
        "state": State.DELETED.value,
        "why": why.value,
        "key_sealed": None,
        "due_at": now,
        "delete_at": None,
        "deleted_at": now,
    }
    with _overwritten(conn):
        if conn.execute(_moves(call_id, found.state).values(values)).rowcount != 1:
            return None
    return found


def erase(conn: Connection, call_ids: Collection[str], now: datetime) -> int:
    """Delete the recordings of these calls, because a person was on them; how many there were.

    What failed keeps its raw files no longer either.
    """
    erased = sum(delete(conn, one, Deletion.ERASURE, now) is not None for one in set(call_ids))
    for call_id in sorted(set(call_ids)):
        conn.execute(
            _moves(call_id, State.FAILED).where(recordings.c.due_at > now).values(due_at=now)
        )
    return erased


def tidied(conn: Connection, call_id: str, now: datetime) -> None:
    """No file is left of a recording that failed or was deleted."""
    conn.execute(_over(call_id).values(due_at=None, removed_at=now))


def tidy_later(conn: Connection, call_id: str, until: datetime) -> None:
    """Files of a recording that failed or was deleted could not be removed yet."""
    conn.execute(_over(call_id).values(due_at=until))


def waiting(conn: Connection, now: datetime) -> tuple[int, float]:
    """How many are still to be made, and for how long the oldest has waited, in seconds."""
    column = recordings.c
    chosen = select(func.count(), func.min(column.created_at))
    # Not all that will ever be due: nearly all of that is ready, and kept for months.
    some = and_(column.due_at <= now + LONGEST_PAUSE, column.state == State.PENDING.value)
    number, oldest = conn.execute(chosen.where(some)).one()
    return number, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def key_of(vault: Vault, recording: Recording) -> bytes | None:
    """The key; None: there is none, or no longer. Raises SealBroken."""
    if recording.key_sealed is None:
        return None
    return b64decode(vault.open_secret(recording.key_sealed))


def behind(conn: Connection, after: str, limit: int) -> tuple[Recording, ...]:
    """Those whose calls' ids come after `after`, in that order."""
    column = recordings.c.call_id
    chosen = select(recordings).where(column > after).order_by(column).limit(limit)
    return tuple(map(_recording, conn.execute(chosen)))


_LIVING: Final = (State.PENDING, State.READY)


class _overwritten:  # noqa: N801 (reads as a clause)
    """What SQLite lets go of inside is overwritten with zeros, not only forgotten."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def __enter__(self) -> None:
        self._set("ON")

    def __exit__(self, *_: object) -> None:
        self._set("OFF")

    def _set(self, value: str) -> None:
        if self._conn.dialect.name == "sqlite":
            self._conn.exec_driver_sql(f"PRAGMA secure_delete={value}")


def _over(call_id: str) -> Update:
    column = recordings.c
    living = [one.value for one in _LIVING]
    return update(recordings).where(column.call_id == call_id, column.state.not_in(living))


def _moves(call_id: str, state: State) -> Update:
    column = recordings.c
    return update(recordings).where(column.call_id == call_id, column.state == state.value)


def _notice(
    kind: NoticeKind, recording: Recording, told: Mapping[str, str | int | None], now: datetime
) -> Notice:
    key = f"{kind} {recording.call_id}"
    about = {"call_id": recording.call_id, "session_id": recording.session_id, **told}
    return Notice(kind, key, now, recording.conversation_id, about)


def _text(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def _recording(row: Row[Any]) -> Recording:
    return Recording(**(row._asdict() | {"state": State(row.state)}))
