"""Exports that staff asked for: how far each is, and what became of it. The files are elsewhere.

A process that does one says so every few seconds. One that was not heard of for a while is gone,
and with it what it was about: such an export is interrupted, whoever looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update

from masking.ids import export_id
from storage.errors import StorageError
from storage.schema import console_exports as exports

SILENCE: Final = timedelta(seconds=20)  # of a process that is gone
KEPT: Final = timedelta(days=1)  # a file
REMEMBERED: Final = timedelta(days=30)  # that there was one
MOST_PENDING: Final = 3  # of one account
_SHOWN: Final = 50


class State(StrEnum):
    """What an export is."""

    WAITING = "waiting"  # for others to end
    RUNNING = "running"
    READY = "ready"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # its process ended before it
    REMOVED = "removed"  # the day is over


PENDING: Final = (State.WAITING.value, State.RUNNING.value)


class TooManyExports(StorageError):
    """The account has as many under way as it may."""

    error_id = "too_many_exports"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is asked for."""

    account_id: str
    query: str
    user_id: str | None
    by_phone: bool
    format: str
    runner: str


@dataclass(frozen=True, slots=True)
class Export:
    """One of them."""

    id: str
    account_id: str
    query: str
    by_phone: bool
    format: str
    state: State
    created_at: datetime
    seen_at: datetime
    finished_at: datetime | None
    records: int
    thousandths: int
    file_bytes: int | None

    @property
    def pending(self) -> bool:
        """Whether something is still to come."""
        return self.state.value in PENDING

    @property
    def delete_at(self) -> datetime | None:
        """When its file goes."""
        if self.state is not State.READY or self.finished_at is None:
            return None
        return self.finished_at + KEPT


def begin(conn: Connection, draft: Draft, now: datetime, entropy: bytes) -> str:
    """Keep that it is waiting; its id. Raises TooManyExports."""
    alive = exports.c.seen_at > now - SILENCE
    mine = exports.c.account_id == draft.account_id
    pending = select(func.count()).where(mine, exports.c.state.in_(PENDING), alive)
    if conn.execute(pending).scalar_one() >= MOST_PENDING:
        raise TooManyExports
    made = export_id(now, entropy)
    row = {
        "id": made,
        "account_id": draft.account_id,
        "query": draft.query,
        "user_id": draft.user_id,
        "by_phone": draft.by_phone,
        "format": draft.format,
        "state": State.WAITING.value,
        "runner": draft.runner,
        "created_at": now,
        "seen_at": now,
        "records": 0,
        "thousandths": 0,
    }
    conn.execute(exports.insert(), row)
    return made


def progress(
    conn: Connection, which: str, now: datetime, *, records: int, thousandths: int, running: bool
) -> bool:
    """Say how far it is; False: it is to be given up, because it was cancelled or erased."""
    values: dict[str, Any] = {"seen_at": now, "records": records, "thousandths": thousandths}
    if running:
        values["state"] = State.RUNNING.value
    return _change(conn, which, values)


def finish(
    conn: Connection,
    which: str,
    state: State,
    now: datetime,
    *,
    records: int = 0,
    file_bytes: int | None = None,
) -> bool:
    """Say what became of it; False: that was decided before."""
    values: dict[str, Any] = {"state": state.value, "seen_at": now, "finished_at": now}
    if state is State.READY:
        values |= {"records": records, "thousandths": 1000, "file_bytes": file_bytes}
    return _change(conn, which, values)


def _change(conn: Connection, which: str, values: dict[str, Any]) -> bool:
    pending = (exports.c.id == which) & exports.c.state.in_(PENDING)
    return conn.execute(update(exports).where(pending).values(values)).rowcount == 1


def cancel(conn: Connection, account_id: str, which: str, now: datetime) -> bool:
    """End the account's own; says whether it was under way."""
    mine = (exports.c.id == which) & (exports.c.account_id == account_id)
    values = {"state": State.CANCELLED.value, "finished_at": now}
    ended = update(exports).where(mine, exports.c.state.in_(PENDING)).values(values)
    return conn.execute(ended).rowcount == 1


def get(conn: Connection, account_id: str, which: str) -> Export | None:
    """The account's own."""
    mine = (exports.c.id == which) & (exports.c.account_id == account_id)
    row = conn.execute(select(exports).where(mine)).one_or_none()
    return None if row is None else _export(row)


def of_account(conn: Connection, account_id: str) -> list[Export]:
    """The newest of the account, the newest first."""
    query = (
        select(exports)
        .where(exports.c.account_id == account_id)
        .order_by(exports.c.created_at.desc(), exports.c.id.desc())
        .limit(_SHOWN)
    )
    return [_export(row) for row in conn.execute(query)]


def tidy(conn: Connection, now: datetime) -> None:
    """Close those whose process is gone, those whose day is over; forget the old ones."""
    silent = exports.c.state.in_(PENDING) & (exports.c.seen_at <= now - SILENCE)
    over = {"state": State.INTERRUPTED.value, "finished_at": now}
    conn.execute(update(exports).where(silent).values(over))
    stale = (exports.c.state == State.READY.value) & (exports.c.finished_at <= now - KEPT)
    conn.execute(update(exports).where(stale).values(state=State.REMOVED.value))
    conn.execute(delete(exports).where(exports.c.created_at <= now - REMEMBERED))


def with_files(conn: Connection) -> frozenset[str]:
    """Those whose files are wanted: ready, or being written."""
    wanted = (*PENDING, State.READY.value)
    return frozenset(conn.scalars(select(exports.c.id).where(exports.c.state.in_(wanted))))


def _export(row: Row[Any]) -> Export:
    return Export(
        id=row.id,
        account_id=row.account_id,
        query=row.query,
        by_phone=row.by_phone,
        format=row.format,
        state=State(row.state),
        created_at=row.created_at,
        seen_at=row.seen_at,
        finished_at=row.finished_at,
        records=row.records,
        thousandths=row.thousandths,
        file_bytes=row.file_bytes,
    )
