"""The door to the database: work goes in as a function over a connection, its result comes out.

A work is synchronous, runs in one transaction and has no effect but on its connection: it may be
run again after a conflict, and it may be run in another thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from storage.errors import DatabaseUnavailable

T = TypeVar("T")


class Database(Protocol):
    """Runs works, each in a transaction of its own."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot that nobody changes; it may not write."""
        ...

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        """Like `read`, for a few rows by index that a call waits for: by the shortest way."""
        ...

    def peek(self, work: Callable[[Connection], T]) -> T:
        """Like `look_up`, but now, on the caller's own thread. Raises NotAtOnce where it cannot."""
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and make its changes last, all or none; returns once they are on the disk.

        What `work` raises is raised here, and nothing of it is kept. Else raises StorageError.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun, refuse what is new, let go of every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what may wait for a database, and for how long."""

    waiting: int = 4096  # works; one more is refused with DatabaseOverloaded
    deadline_s: float = 15.0  # for one work, waiting included
    readers: int = 2  # SQLite: threads that read
    group: int = 256  # SQLite: works in one commit
    connections: int = 10  # PostgreSQL


def open_database(url: str, limits: Limits = Limits()) -> Database:
    """The database at `url`: ``sqlite:///PATH`` or ``postgresql://…``. Connects when first used.

    Raises DatabaseUnavailable if `url` names no database that Maskline knows.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        from storage.sqlite import SqliteDatabase  # noqa: PLC0415 (load one driver only)

        return SqliteDatabase(parsed, limits)
    from storage.postgres import PostgresDatabase  # noqa: PLC0415 (load one driver only)

    return PostgresDatabase(parsed, limits)


def parse_url(url: str) -> URL:
    """`url` with the driver Maskline uses. Raises DatabaseUnavailable; never shows the password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnavailable("the database URL cannot be understood") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+pysqlite")
        case "sqlite":
            raise DatabaseUnavailable("the database URL names no file: sqlite:///PATH")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+asyncpg")
        case other:
            raise DatabaseUnavailable(f"no support for {other}: use sqlite:// or postgresql://")
