"""Sessions of the console. Only the SHA-256 of a token is kept: who reads the table is not in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from storage.schema import staff_accounts, staff_sessions
from storage.staff import Account, account_of

_S: Final = staff_sessions.c
_BY_TOKEN: Final = (
    select(
        staff_accounts,
        _S.id.label("session_id"),
        _S.stage,
        _S.device,
        _S.address,
        _S.created_at.label("begun_at"),
        _S.seen_at,
        _S.expires_at,
        _S.known,
    )
    .join(staff_accounts, staff_accounts.c.id == _S.account_id)
    .where(_S.token_hash == bindparam("token_hash"))
)
MOST: Final = 20  # of one account; the one that was used least lately ends


class Stage(StrEnum):
    """How far somebody has come."""

    CODE = "code"  # the password was right; the second factor is still to come
    ENROL = "enrol"  # their role asks for a second factor, and they have none
    PASSWORD = "password"  # noqa: S105 (a stage: they must choose their own)
    IN = "in"


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in, or on its way."""

    id: str
    account_id: str
    stage: Stage
    device: str
    address: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    known: str | None = None  # the mark of a device that signed in to the account before


def hashed(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def add(conn: Connection, token: str, session: Session) -> None:
    """Keep a new session, and no more than MOST of its account."""
    row = {
        "token_hash": hashed(token),
        "id": session.id,
        "account_id": session.account_id,
        "stage": session.stage.value,
        "device": session.device,
        "address": session.address,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "known": session.known,
    }
    conn.execute(staff_sessions.insert(), row)
    kept = (
        select(_S.id)
        .where(_S.account_id == session.account_id)
        .order_by(_S.seen_at.desc(), _S.id)
        .limit(MOST)
    )
    old = (_S.account_id == session.account_id) & _S.id.not_in(kept)
    conn.execute(delete(staff_sessions).where(old))


def find(conn: Connection, token_hash: bytes) -> tuple[Session, Account] | None:
    """Whose session it is, over or not."""
    row = conn.execute(_BY_TOKEN, {"token_hash": token_hash}).first()
    if row is None:
        return None
    account = account_of(row)
    session = Session(
        row.session_id,
        account.id,
        Stage(row.stage),
        row.device,
        row.address,
        row.begun_at,
        row.seen_at,
        row.expires_at,
        row.known,
    )
    return session, account


def touch(conn: Connection, session_id: str, now: datetime) -> None:
    """It is in use."""
    conn.execute(update(staff_sessions).where(_S.id == session_id).values(seen_at=now))


def of_account(conn: Connection, account_id: str) -> tuple[Session, ...]:
    """The sessions of an account, the one used last first."""
    query = select(staff_sessions).where(_S.account_id == account_id).order_by(_S.seen_at.desc())
    return tuple(map(_session, conn.execute(query).all()))


def end(conn: Connection, session_id: str, account_id: str) -> bool:
    """End a session of that account; False: there is none such."""
    which = (_S.id == session_id) & (_S.account_id == account_id)
    return conn.execute(delete(staff_sessions).where(which)).rowcount == 1


def end_token(conn: Connection, token: str) -> None:
    """End the session of this token, if it is one."""
    conn.execute(delete(staff_sessions).where(_S.token_hash == hashed(token)))


def end_all(conn: Connection, account_id: str, *, but: str | None = None) -> int:
    """End the sessions of an account, but that one; how many they were."""
    which = _S.account_id == account_id
    if but is not None:
        which &= _S.id != but
    return conn.execute(delete(staff_sessions).where(which)).rowcount


def sweep(conn: Connection, now: datetime, *, at_most: int) -> int:
    """Let go of those that are over; how many they were."""
    over = select(_S.token_hash).where(_S.expires_at <= now).limit(at_most)
    return conn.execute(delete(staff_sessions).where(_S.token_hash.in_(over))).rowcount


def _session(row: Row[Any]) -> Session:
    return Session(
        row.id,
        row.account_id,
        Stage(row.stage),
        row.device,
        row.address,
        row.created_at,
        row.seen_at,
        row.expires_at,
        row.known,
    )
