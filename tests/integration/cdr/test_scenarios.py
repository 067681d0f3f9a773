"""Every scenario, from the file on the disk to what the API reads, on each kind of database."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from masking.model import Phone
from tests.integration.cdr.world import World
from tests.unit.cdr.scenario import Scenario, scenarios, told

STRANGER = Phone("+79031112233")


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
async def test_what_stands_in_the_file_becomes_what_the_api_reads(
    world: World, scenario: Scenario
) -> None:
    seal = urlsafe_b64encode(world.vault.seal(STRANGER)).decode()
    world.append(scenario.file(seal))

    ingester = await world.ingest()

    records = await world.records()
    if not scenario.recorded:
        assert records == []
        assert await world.history() == []
        assert await world.logs() == []
        if scenario.expected == ("stray",):
            assert ingester.stats.strays == 1
            assert await world.open() == 0
        else:
            assert await world.open() == 1
        return
    [record] = records
    assert await world.open() == 0
    history = await world.history()
    assert [entry.call_id for entry in history] == [record.call_id] * bool(record.session_id)
    story = told(record, history[0] if history else None, await world.logs())
    expected = dict(line.split(": ", 1) for line in scenario.expected)
    assert {name: story[name] for name in expected} == expected
    unexpected = {"reason", "announcement"} - expected.keys()
    assert {story[name] for name in unexpected} <= {"-"}


async def test_a_stranger_is_kept_sealed_and_can_be_found_by_index(world: World) -> None:
    [scenario] = [one for one in scenarios() if one.name == "unknown_caller"]
    world.append(scenario.file(urlsafe_b64encode(world.vault.seal(STRANGER)).decode()))
    await world.ingest()
    [record] = await world.records()
    assert record.caller_sealed is not None
    assert world.vault.open(record.caller_sealed) == STRANGER
    assert record.caller_index == world.vault.index(STRANGER)
    assert STRANGER[1:] not in repr(record)


async def test_a_seal_that_is_not_ours_is_not_kept(world: World) -> None:
    [scenario] = [one for one in scenarios() if one.name == "unknown_caller"]
    world.append(scenario.file("AAAA"))
    ingester = await world.ingest()
    [record] = await world.records()
    assert (record.caller_sealed, record.caller_index) == (None, None)
    assert ingester.stats.broken_seals == 1
