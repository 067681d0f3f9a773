"""Calls of a node's earlier life, and calls whose end was lost: closed, each once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cdr import prepare as preparing
from masking.outcome import Outcome
from tests.integration.cdr.world import World
from tests.unit.cdr.calls import at_us, call, head, node_start


async def test_a_node_start_closes_the_calls_of_the_life_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than one batch may close."""
    monkeypatch.setattr(preparing, "MOST_CUT", 7)
    calls = [call(3 * n) for n in range(20)]
    world.append(b"".join(head(one, 5) for one in calls))
    await world.ingest()
    assert await world.open() == 20
    new = call(3000)
    world.append(node_start(at_us(200)) + head(new, 5))
    await world.ingest()
    records = await world.records()
    assert {(one.outcome, one.reason) for one in records} == {(Outcome.ANSWERED, "node_died")}
    assert len(records) == 20
    assert len({one.ended_at for one in records}) == 1
    assert await world.open() == 1


async def test_a_node_start_that_is_read_again_closes_nothing_of_the_present_life(
    world: World,
) -> None:
    world.append(node_start(at_us(-10)) + head(call(0), 5) + head(call(1), 3))
    await world.ingest()
    raw = world.file.read_bytes()
    world.file.write_bytes(raw[:300])
    await world.ingest()
    assert await world.records() == []
    assert await world.open() == 2


async def test_another_nodes_calls_are_left_alone(world: World) -> None:
    world.append(head(call(0), 5))
    await world.ingest()
    world.node = "nother"
    other = world.spool / "other"
    other.mkdir()
    world.spool = other
    world.append(node_start(at_us(100)))
    await world.ingest()
    assert await world.records() == []
    assert await world.open() == 1


async def test_several_node_starts_in_one_batch_each_close_their_own(world: World) -> None:
    first, second, third = call(0), call(300), call(600)
    world.append(head(first, 5) + node_start(at_us(20)))
    world.append(head(second, 5) + node_start(at_us(50)))
    world.append(head(third, 5))
    await world.ingest()
    ended = {one.linked_id: one.ended_at for one in await world.records()}
    assert ended.keys() == {first.linked_id, second.linked_id}
    assert ended[first.linked_id] < ended[second.linked_id]
    assert await world.open() == 1


async def test_a_call_whose_end_was_lost_is_closed_after_a_day(world: World) -> None:
    world.append(head(call(0), 5))
    ingester = world.ingester()
    await ingester.drain()
    world.now[0] += timedelta(hours=24)
    await ingester.drain()
    assert await world.records() == []
    world.now[0] += timedelta(hours=2)
    await ingester.drain()
    [record] = await world.records()
    assert record.reason == "end_lost"
    assert await world.open() == 0
