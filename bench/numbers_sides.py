"""What `bench.numbers` measures: Maskline's storage, and the driver's bare calls beside it.

The bare rows are those that Maskline writes itself: its INSERT statements, with their values, are
noted in a transaction that is then undone.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Connection, bindparam, delete, event, select, text

from bench import crowd
from masking.ids import session_id
from masking.model import Phone
from masking.routing import RoutingFacts
from storage import Database, routing, sessions
from storage.routing import Dialling
from storage.schema import leases, numbers
from storage.schema import sessions as session_rows

Rows = list[tuple[str, Any]]
"""Statements and the values of each: a tuple, or a list of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A live lease of somebody's."""

    number: Phone
    number_id: int
    phone: Phone


class Bare(Protocol):
    """The driver alone."""

    def insert(self, rows: Rows) -> Callable[[], Awaitable[object]]: ...

    def look_up(self, place: Place) -> Callable[[], Awaitable[object]]: ...

    async def close(self) -> None: ...


class _Undo(Exception):
    """Ends a transaction whose changes are not wanted."""


class Side:
    """A database of Maskline's with `total` live sessions."""

    def __init__(self, db: Database, bare: Bare, total: int) -> None:
        self._db = db
        self.bare = bare
        self.total = total
        self._vault = crowd.a_vault()

    def opening(self, n: int) -> Callable[[], Awaitable[object]]:
        """Opens the new session with serial number `n`."""
        draft = crowd.fresh_draft(n, self.total)
        new_id = session_id(crowd.NOW, n.to_bytes(10, "big"))

        def work(conn: Connection) -> object:
            return sessions.open_session(
                conn, self._vault, draft, now=crowd.NOW, session_id=new_id, rotation=n
            )

        return lambda: self._db.write(work)

    def look_up(self, place: Place) -> Callable[[], Awaitable[object]]:
        """Looks up the way of a call."""

        def work(conn: Connection) -> RoutingFacts:
            return routing.facts(
                conn, self._vault, Dialling(place.number, place.phone, "carrier-a")
            )

        async def look() -> None:
            facts = await self._db.look_up(work)
            assert facts.held

        return look

    async def places(self, count: int, rng: random.Random) -> list[Place]:
        """Live leases drawn from all."""
        drawn = [(rng.randrange(self.total), rng.randrange(2)) for _ in range(count)]
        query = (
            select(numbers.c.id, numbers.c.e164)
            .join(leases, leases.c.number_id == numbers.c.id)
            .where(
                leases.c.session_id == bindparam("session"),
                leases.c.position == bindparam("position"),
            )
        )

        def work(conn: Connection) -> list[Place]:
            found = []
            for n, position in drawn:
                row = conn.execute(query, {"session": crowd.id_of(n), "position": position}).one()
                phone = crowd.draft(n, self.total).participants[position].phone
                assert phone is not None
                found.append(Place(Phone(row.e164), row.id, phone))
            return found

        return await self._db.read(work)

    async def rows_of(self, serials: Sequence[int]) -> list[Rows]:
        """What Maskline would insert for these new sessions."""
        found: list[Rows] = []

        def note(*said: Any) -> None:  # noqa: ANN401 (SQLAlchemy's own)
            _, _, statement, values, *_ = said
            if statement.startswith("INSERT"):
                found[-1].append((statement, values))

        def work(conn: Connection) -> None:
            found.clear()
            event.listen(conn, "before_cursor_execute", note)
            try:
                for n in serials:
                    found.append([])
                    draft = crowd.fresh_draft(n, self.total)
                    new_id = session_id(crowd.NOW, n.to_bytes(10, "big"))
                    sessions.open_session(
                        conn, self._vault, draft, now=crowd.NOW, session_id=new_id, rotation=n
                    )
            finally:
                event.remove(conn, "before_cursor_execute", note)
            raise _Undo

        try:
            await self._db.write(work)
        except _Undo:
            return found
        raise AssertionError

    async def forget(self) -> None:
        """Delete what was opened since it was filled."""
        after = session_id(crowd.NOW, bytes(10))
        await self._db.write(
            lambda conn: conn.execute(delete(session_rows).where(session_rows.c.id >= after))
        )

    async def settle(self) -> None:
        """Wait until nothing is left to do of what came before."""
        await self._db.write(lambda conn: conn.execute(text("SELECT 1")))


class SqliteBare:
    """sqlite3 with the same PRAGMAs."""

    def __init__(self, path: Path) -> None:
        self._run = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-16384",
            "temp_store=MEMORY",
        ):
            self._run.execute(f"PRAGMA {pragma}")

    def insert(self, rows: Rows) -> Callable[[], Awaitable[object]]:
        async def work() -> None:
            self._run.execute("BEGIN IMMEDIATE")
            for statement, values in rows:
                if isinstance(values, list):
                    self._run.executemany(statement, values)
                else:
                    self._run.execute(statement, values)
            self._run.execute("COMMIT")

        return work

    def look_up(self, place: Place) -> Callable[[], Awaitable[object]]:
        index = crowd.a_vault().index(place.phone)

        async def work() -> None:
            found = self._run.execute(
                "SELECT session_id, position FROM leases"
                " WHERE phone_index = ? AND number_id = ? AND active = 1",
                (index, place.number_id),
            ).fetchall()
            assert found

        return work

    async def close(self) -> None:
        self._run.close()


class PostgresBare:
    """asyncpg; it prepares each statement once."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._run = conn

    @classmethod
    async def connect(cls, url: str) -> Self:
        return cls(await asyncpg.connect(url, server_settings={"jit": "off"}))

    def insert(self, rows: Rows) -> Callable[[], Awaitable[object]]:
        async def work() -> None:
            async with self._run.transaction():
                for statement, values in rows:
                    if isinstance(values, list):
                        await self._run.executemany(statement, values)
                    else:
                        await self._run.execute(statement, *values)

        return work

    def look_up(self, place: Place) -> Callable[[], Awaitable[object]]:
        index = crowd.a_vault().index(place.phone)

        async def work() -> None:
            found = await self._run.fetch(
                "SELECT session_id, position FROM leases"
                " WHERE phone_index = $1 AND number_id = $2 AND active",
                index,
                place.number_id,
            )
            assert found

        return work

    async def close(self) -> None:
        await self._run.close()
