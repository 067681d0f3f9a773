"""What is asked and written because of a call goes through an index, however much is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import Connection

from cdr.ingest import Ingester, IngestSettings
from storage import Database
from tests.integration.cdr.world import World
from tests.support.statements import parameters
from tests.unit.cdr.calls import call, interleaved

_NO_TABLE = "SCAN json_each "  # the values that were given
_SMALL = IngestSettings(chunk_bytes=8192, behind_bytes=8192)


class Planned:
    """A database that notes by which steps SQLite takes what is done in it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.steps: list[str] = []

    async def read(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        return await self._db.read(lambda conn: self._noted(conn, work))

    async def write(self, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        return await self._db.write(lambda conn: self._noted(conn, work))

    def _noted(self, conn: Connection, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        with parameters(conn) as seen:
            done = work(conn)
        for statement, values in seen:
            rows = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
            self.steps += [row[3] for row in rows]
        return done


async def test_ingesting_calls_scans_nothing(small_world: World) -> None:
    planned = Planned(small_world.db)
    clock = lambda: small_world.now[0]  # noqa: E731
    of = (small_world.vault, small_world.spool, small_world.node, clock, _SMALL)
    ingester = Ingester(cast("Database", planned), *of)
    small_world.append(b"".join(interleaved([call(n) for n in range(60)])))

    await ingester.drain()

    assert (ingester.stats.recorded, await small_world.open()) == (60, 0)
    scans = {step for step in planned.steps if step.startswith("SCAN")}
    assert {step for step in scans if not step.startswith(_NO_TABLE)} == set()
    for step in (
        "SEARCH calls USING COVERING INDEX sqlite_autoindex_calls_1 (call_id=?)",
        "SEARCH open_calls USING INDEX sqlite_autoindex_open_calls_1 (call_id=?)",
        "SEARCH sessions USING PRIMARY KEY (id=?)",
        "SEARCH leases USING PRIMARY KEY (session_id=?)",
    ):
        assert step in planned.steps
    by_node = [step for step in planned.steps if "ix_open_calls_node" in step]
    assert len(by_node) == 1, "the look for calls whose end was lost"
