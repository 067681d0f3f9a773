"""What a driver's error means: the one place that knows SQLite's codes and PostgreSQL's states."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.errors import (
    ConstraintViolated,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseLocked,
    DatabaseOverloaded,
    DatabaseReadOnly,
    DatabaseSilent,
    DatabaseUnavailable,
    SchemaOutdated,
    StorageError,
)

LEASE_CONSTRAINTS: Final = frozenset(
    {
        "uq_leases_live_or_cooling",
        "uq_leases_pin",
        "pk_leases",  # the next slot of a participant
        "uq_shown_numbers_active",
    }
)
"""Rules of places that several may want at once: whoever loses chooses anew."""

_SQLITE: Final[dict[int, type[StorageError]]] = {
    sqlite3.SQLITE_BUSY: DatabaseLocked,
    sqlite3.SQLITE_LOCKED: DatabaseLocked,
    sqlite3.SQLITE_FULL: DatabaseFull,
    sqlite3.SQLITE_READONLY: DatabaseReadOnly,
    sqlite3.SQLITE_CORRUPT: DatabaseCorrupt,
    sqlite3.SQLITE_NOTADB: DatabaseCorrupt,
    sqlite3.SQLITE_CANTOPEN: DatabaseUnavailable,
    sqlite3.SQLITE_IOERR: DatabaseUnavailable,
    sqlite3.SQLITE_CONSTRAINT: ConstraintViolated,
}

_POSTGRES: Final[dict[str, type[StorageError]]] = {  # by state, then by class of states
    "25006": DatabaseReadOnly,
    "42P01": SchemaOutdated,
    "42703": SchemaOutdated,
    "53100": DatabaseFull,
    "53300": DatabaseOverloaded,
    "55P03": DatabaseLocked,
    "57014": DatabaseLocked,  # our own statement_timeout ended it
    "08": DatabaseUnavailable,
    "23": ConstraintViolated,
    "28": DatabaseUnavailable,
    "3D": DatabaseUnavailable,
    "53": DatabaseFull,
    "57": DatabaseUnavailable,
    "58": DatabaseUnavailable,
    "XX": DatabaseCorrupt,
}
_CONFLICTS: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock


def storage_error(error: BaseException) -> StorageError | None:
    """Our name for a driver's or pool's error; None if it is none of theirs."""
    if isinstance(error, PoolTimeout):
        return DatabaseOverloaded()
    if isinstance(error, sqlite3.Error):
        return _sqlite_error(error)
    if not isinstance(error, DBAPIError):
        return DatabaseUnavailable() if isinstance(error, OSError) else None
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_error(error.orig)
    state = sqlstate(error)
    if state is None:
        return DatabaseUnavailable() if error.connection_invalidated else StorageError()
    return (_POSTGRES.get(state) or _POSTGRES.get(state[:2]) or StorageError)()


def commit_error(error: BaseException) -> StorageError | None:
    """The same for an error of COMMIT itself: a lost connection leaves the outcome unknown."""
    known = storage_error(error)
    return DatabaseSilent() if isinstance(known, DatabaseUnavailable) else known


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's five characters, where the server said them."""
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_conflict(error: BaseException) -> bool:
    """Whether the same work, run again, may well succeed: others were quicker this time."""
    if not isinstance(error, DBAPIError):
        return False
    if sqlstate(error) in _CONFLICTS:
        return True
    cause = error.orig.__cause__ if error.orig is not None else None
    return getattr(cause, "constraint_name", None) in LEASE_CONSTRAINTS


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection was lost under the work, which therefore left nothing behind."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _sqlite_error(error: sqlite3.Error) -> StorageError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return StorageError()
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such"):
        return SchemaOutdated()
    return _SQLITE.get(code & 0xFF, StorageError)()
