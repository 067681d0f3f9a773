"""By which steps SQLite takes a work, and how many they are: for tests of cost.

A plan says which index a statement goes by, not how much of it: `cost` counts what is really done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, cast

from sqlalchemy import Connection

from storage import Database
from tests.support.statements import parameters

_GIVEN = ("SCAN json_each ", "CONSTANT ROW", "SCAN (subquery")  # what a statement was given
_EACH = 10  # instructions of SQLite's machine that are counted as one


class Planned:
    """A database that notes by which steps SQLite takes what is done in it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.steps: list[str] = []

    async def read(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        return await self._db.read(lambda conn: self._noted(conn, work))

    async def look_up(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        return await self.read(work)

    async def write(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        return await self._db.write(lambda conn: self._noted(conn, work))

    def scans(self, *besides: str) -> set[str]:
        """The steps that go through a whole table, but for those in which this stands."""
        found = {step for step in self.steps if step.startswith("SCAN")}
        return {step for step in found if not any(one in step for one in (*_GIVEN, *besides))}

    def sorts(self) -> set[str]:
        """The steps that sort whatever was found; not those of rows that are equal by an index."""
        return {step for step in self.steps if step.startswith("USE TEMP B-TREE FOR ORDER BY")}

    def _noted(self, conn: Connection, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        with parameters(conn) as seen:
            done = work(conn)
        self.steps += plans(conn, seen)
        return done


def plans(conn: Connection, seen: Iterable[tuple[str, Any]]) -> list[str]:
    """The steps of statements, each with its parameters."""
    return [
        str(row[3])
        for statement, values in seen
        if not statement.startswith(("PRAGMA", "INSERT"))
        for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
    ]


def cost(conn: Connection, work: Callable[[Connection], object]) -> int:
    """How much SQLite does for `work`: instructions of its machine, by tens."""
    driver = cast("sqlite3.Connection", conn.connection.driver_connection)
    count = 0

    def counted() -> int:
        nonlocal count
        count += 1
        return 0

    driver.set_progress_handler(counted, _EACH)
    try:
        work(conn)
    finally:
        driver.set_progress_handler(None, 0)
    return count
