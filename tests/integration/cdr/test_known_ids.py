"""A call keeps the id it has, though ids of calls are made another way since."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert

from cdr.call_ids import MARK
from masking.ids import begun, call_id, call_id_without_time
from maskline.records_verify import verify_database
from storage.schema import marks
from tests.integration.cdr.world import World
from tests.unit.cdr.calls import call, head, interleaved, tail

SHORT = call(1)  # begins before the change, and ends
LONG = call(0)  # begins before it, and ends after it
LATER = call(20)  # begins in a later second


@pytest.fixture
async def changed(world: World) -> AsyncIterator[World]:
    """The change was made in the second in which LONG began."""
    began_s = begun(LONG.linked_id)
    assert began_s is not None
    noted = {"name": MARK, "value": began_s.to_bytes(8, "big")}
    await world.db.write(lambda conn: conn.execute(insert(marks).values(noted)))
    yield world
    await world.db.write(lambda conn: conn.execute(delete(marks).where(marks.c.name == MARK)))


async def ids(world: World) -> set[str]:
    return {record.call_id for record in await world.records()}


async def test_calls_from_before_the_change_keep_their_ids(changed: World) -> None:
    world = changed
    world.append(b"".join(interleaved([SHORT])) + head(LONG, 5))
    await world.ingest()
    world.append(tail(LONG, 5) + b"".join(interleaved([LATER])))
    await world.ingest()

    before = {call_id_without_time(world.node, one.linked_id) for one in (SHORT, LONG)}
    assert await ids(world) == before | {call_id(world.node, LATER.linked_id)}
    assert {entry.call_id for entry in await world.history()} == await ids(world)


async def test_what_is_read_again_is_still_one_record(changed: World) -> None:
    world = changed
    rows = b"".join(interleaved([SHORT, LONG, LATER]))
    world.append(rows)
    await world.ingest()
    kept = await ids(world)
    world.append(rows)
    ingester = await world.ingest()

    assert await ids(world) == kept
    assert ingester.stats.recorded == 0


async def test_a_ledger_with_ids_of_both_kinds_is_whole(changed: World) -> None:
    world = changed
    world.append(b"".join(interleaved([SHORT, LONG, LATER])))
    await world.ingest()

    report = await verify_database(world.db, world.vault)
    assert report.whole
    assert sum(one.calls for one in report.verdicts) == 3
