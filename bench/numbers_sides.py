"""What `bench.numbers` measures: Maskline's storage, and the driver's bare calls beside it.

The bare rows are those that Maskline writes itself: its INSERT statements, with their values, are
noted in a transaction that is then undone.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Connection, bindparam, delete, select, text

from bench import crowd
from masking.ids import session_id
from masking.model import Phone
from masking.routing import RoutingFacts
from storage import Database, routing, sessions
from storage.routing import Dialling
from storage.schema import leases, numbers
from storage.schema import sessions as session_rows
from tests.support.statements import whole_parameters

_SETTLE_S: Final = 60.0  # to copy what a hundred megabytes of log hold

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

    warm_up: int  # look-ups before anything is measured

    def insert(self, rows: Rows) -> Callable[[], Awaitable[object]]: ...

    def look_up(self, place: Place) -> Callable[[], Awaitable[object]]: ...

    async def begin(self) -> None: ...

    async def settle(self) -> None: ...

    async def close(self) -> None: ...


class _Undo(Exception):
    """Ends a transaction whose changes are not wanted."""


def in_cache(path: Path) -> None:
    """Leave `path` in the system's cache, where a database in use is.

    Virtual machines take it away from whoever does not touch all of it for some seconds.
    """
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


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

        def work(conn: Connection) -> None:
            found.clear()
            for n in serials:
                with whole_parameters(conn) as said:
                    new_id = session_id(crowd.NOW, n.to_bytes(10, "big"))
                    draft = crowd.fresh_draft(n, self.total)
                    sessions.open_session(
                        conn, self._vault, draft, now=crowd.NOW, session_id=new_id, rotation=n
                    )
                found.append([one for one in said if one[0].startswith("INSERT")])
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
        """Wait until nothing is left to do of what came before: what copies a log included."""
        await self._db.write(lambda conn: conn.execute(text("SELECT 1")))
        await self.bare.settle()


class SqliteBare:
    """sqlite3 with the same PRAGMAs."""

    warm_up = 60_000  # as many as an hour and a half of a million calls a day brings

    def __init__(self, path: Path) -> None:
        self._path = path
        self._run = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536",
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

    async def begin(self) -> None:
        """Each measurement begins with `settle`: there is nothing else to do."""

    async def settle(self) -> None:
        """Until all of the log is copied, by whomever, and the file is in the system's cache.

        Raises TimeoutError where somebody reads an old state all along.
        """
        async with asyncio.timeout(_SETTLE_S):
            while True:
                _, log, copied = self._run.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if log == copied:
                    break
                await asyncio.sleep(0.01)
        in_cache(self._path)

    async def close(self) -> None:
        self._run.close()


class PostgresBare:
    """asyncpg; it prepares each statement once."""

    warm_up = 4_000  # for its plans: every page is in the server's cache already

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

    async def begin(self) -> None:
        """Leave nothing of what came before, and a checkpoint behind: the next one is far off."""
        await self._run.execute("VACUUM (ANALYZE)", timeout=_SETTLE_S)
        await self._run.execute("CHECKPOINT", timeout=_SETTLE_S)

    async def settle(self) -> None:
        """PostgreSQL writes at its own times."""

    async def close(self) -> None:
        await self._run.close()
