"""What is asked and written because of a call goes through an index, however much is stored."""

from __future__ import annotations

from typing import cast

from cdr.ingest import Ingester, IngestSettings
from storage import Database
from tests.integration.cdr.world import World
from tests.support.planned import Planned
from tests.unit.cdr.calls import call, interleaved

_SMALL = IngestSettings(chunk_bytes=8192, behind_bytes=8192)


async def test_ingesting_calls_scans_nothing(small_world: World) -> None:
    planned = Planned(small_world.db)
    clock = lambda: small_world.now[0]  # noqa: E731
    of = (small_world.vault, small_world.spool, small_world.node, clock, _SMALL)
    ingester = Ingester(cast("Database", planned), *of)
    small_world.append(b"".join(interleaved([call(n) for n in range(60)])))

    await ingester.drain()

    assert (ingester.stats.recorded, await small_world.open()) == (60, 0)
    assert planned.scans() == set()
    for step in (
        "SEARCH calls USING COVERING INDEX sqlite_autoindex_calls_1 (call_id=?)",
        "SEARCH open_calls USING INDEX sqlite_autoindex_open_calls_1 (call_id=?)",
        "SEARCH sessions USING PRIMARY KEY (id=?)",
        "SEARCH leases USING PRIMARY KEY (session_id=?)",
    ):
        assert step in planned.steps
    by_node = [step for step in planned.steps if "ix_open_calls_node" in step]
    assert len(by_node) == 1, "the look for calls whose end was lost"
