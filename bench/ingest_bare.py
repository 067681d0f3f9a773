"""The bare side of `bench.ingest`: the rows that came of an ingest, by executemany."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Table

from storage.schema import call_log_entries, calls, history_entries, outbox
from tests.support.postgres import PostgresServer

TABLES: Final = (calls, history_entries, call_log_entries, outbox)
BareRows = dict[str, list[tuple[Any, ...]]]
Insert = Callable[[Sequence[BareRows]], Awaitable[None]]


class Place(Protocol):
    """A kind of database."""

    name: str
    template: str  # the URL of what every round begins with

    def fresh(self, name: str) -> str:
        """The URL of a copy of the template."""

    def drop(self, name: str) -> None:
        """Take the copy away."""

    async def rows(self, url: str) -> BareRows:
        """All rows of TABLES, as the driver gives and takes them."""

    def connected(self, url: str) -> AbstractAsyncContextManager[Insert]:
        """A connection's way to write the rows of some calls in one transaction."""


def by_call(rows: BareRows) -> list[BareRows]:
    """The rows call by call, in the order of the records."""
    found: dict[str, BareRows] = {}
    for table in TABLES:
        place = list(table.c.keys()).index("key" if table is outbox else "call_id")
        for row in rows[table.name]:
            call = str(row[place]).split()[1] if table is outbox else str(row[place])
            found.setdefault(call, {}).setdefault(table.name, []).append(row)
    return list(found.values())


def _notes(some: Sequence[BareRows]) -> list[tuple[Any, Any]]:
    """When each session's last call ended, and of which session."""
    names = list(calls.c.keys())
    ended, session = names.index("ended_at"), names.index("session_id")
    return [(one[calls.name][0][ended], one[calls.name][0][session]) for one in some]


def _of(table: Table, some: Sequence[BareRows]) -> list[tuple[Any, ...]]:
    return [row for one in some for row in one.get(table.name, ())]


class OnSqlite:
    """Files."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.template = f"sqlite:///{folder / 'template.db'}"

    def fresh(self, name: str) -> str:
        """See `Place`."""
        shutil.copy(self._folder / "template.db", self._folder / f"{name}.db")
        return f"sqlite:///{self._folder / name}.db"

    def drop(self, name: str) -> None:
        """See `Place`."""
        for file in self._folder.glob(f"{name}.db*"):
            file.unlink()

    async def rows(self, url: str) -> BareRows:
        """See `Place`."""
        conn = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            return {
                table.name: conn.execute(f"SELECT * FROM {table.name}").fetchall()  # noqa: S608
                for table in TABLES
            }
        finally:
            conn.close()

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncIterator[Insert]:
        """See `Place`."""
        conn = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")

        async def insert(some: Sequence[BareRows]) -> None:
            conn.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                marks = ",".join("?" * len(table.c))
                conn.executemany(
                    f"INSERT INTO {table.name} VALUES ({marks})",  # noqa: S608
                    _of(table, some),
                )
            conn.executemany("UPDATE sessions SET last_call_at = ? WHERE id = ?", _notes(some))
            conn.execute("COMMIT")

        try:
            yield insert
        finally:
            conn.close()


class OnPostgres:
    """Databases of one server."""

    name = "PostgreSQL"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        server.execute("CREATE DATABASE bench_template")
        self.template = server.url("bench_template")

    def fresh(self, name: str) -> str:
        """See `Place`."""
        self._server.execute(f"CREATE DATABASE bench_{name} TEMPLATE bench_template")
        return self._server.url(f"bench_{name}")

    def drop(self, name: str) -> None:
        """See `Place`."""
        self._server.execute(f"DROP DATABASE bench_{name} WITH (FORCE)")

    async def rows(self, url: str) -> BareRows:
        """See `Place`."""
        conn = await asyncpg.connect(url)
        try:
            found: BareRows = {}
            for table in TABLES:
                # In the order of our columns, which need not be that of the database.
                columns = ",".join(f'"{name}"' for name in table.c.keys())  # noqa: SIM118
                rows = await conn.fetch(f"SELECT {columns} FROM {table.name}")  # noqa: S608
                found[table.name] = [tuple(row) for row in rows]
            return found
        finally:
            await conn.close()

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncIterator[Insert]:
        """See `Place`."""
        conn = await asyncpg.connect(url)

        async def insert(some: Sequence[BareRows]) -> None:
            async with conn.transaction():
                for table in TABLES:
                    columns = ",".join(f'"{name}"' for name in table.c.keys())  # noqa: SIM118
                    marks = ",".join(f"${n}" for n in range(1, len(table.c) + 1))
                    await conn.executemany(
                        f"INSERT INTO {table.name} ({columns}) VALUES ({marks})",  # noqa: S608
                        _of(table, some),
                    )
                await conn.executemany(
                    "UPDATE sessions SET last_call_at = $1 WHERE id = $2", _notes(some)
                )

        try:
            yield insert
        finally:
            await conn.close()
