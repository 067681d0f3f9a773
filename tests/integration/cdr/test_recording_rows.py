"""What the ingester leaves to the keeper of recordings: in the transaction of the call's record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from cdr.model import Recording as Recorded
from cdr.recording_rows import corrected
from masking.model import Pool
from masking.recording_states import RecordingState
from masking.rules import PoolRules, RecordingMode, RecordingRules
from storage import numbers, recordings
from storage.recordings import Recording
from storage.schema import outbox
from tests.integration.cdr.world import CAPS, World
from tests.unit.cdr.calls import Call, call, line
from tests.unit.cdr.scenario import START

KEPT = timedelta(days=90)
HEARD = (
    ("ANNOUNCED", "side=caller;ms=1871;went=SUCCESS"),
    ("ANNOUNCED", "side=callee;ms=1869;went=SUCCESS"),
    ("RECORDING", ""),
    ("RECORDING_END", ""),
)


@pytest.fixture(autouse=True)
async def recording_pool(world: World) -> None:
    rules = PoolRules(
        caps=CAPS, recording=RecordingRules(mode=RecordingMode.ALWAYS, retention=KEPT)
    )

    def work(conn: Connection) -> None:
        numbers.put_pool(conn, Pool("default", rules=rules), START)

    await world.db.write(work)


def taped(*rows: tuple[str, str], n: int = 0, plan: str = "record=always") -> bytes:
    """An answered call with these rows between the answer and the end."""
    one: Call = call(n)
    answered = next(at for at, raw in one.rows if b'"ANSWER"' in raw)
    added = [
        (
            answered + 10 + place,
            line(answered + 10 + place, name, one.linked_id, one.linked_id, said),
        )
        for place, (name, said) in enumerate(rows)
    ]
    planned = [(at, raw.replace(b"lang=ru", f"lang=ru;{plan}".encode())) for at, raw in one.rows]
    one = replace(one, rows=tuple(sorted([*planned, *added])))
    return b"".join(raw for _, raw in one.rows)


async def kept(world: World) -> list[Recording]:
    return list(await world.db.read(lambda conn: recordings.behind(conn, "", 10)))


async def told(world: World) -> list[str]:
    def work(conn: Connection) -> list[str]:
        chosen = select(outbox.c.kind).where(outbox.c.kind.like("recording.%"))
        return list(conn.scalars(chosen))

    return await world.db.read(work)


async def test_a_call_with_sound_leaves_a_recording_to_be_made(world: World) -> None:
    world.append(taped(*HEARD))
    await world.ingest()
    world.append(taped(*HEARD))  # once more, as after a restart
    await world.ingest()

    [record] = await world.records()
    [one] = await kept(world)
    assert (one.call_id, one.node, one.conversation_id) == (record.call_id, world.node, "chat-1")
    assert (one.state, one.due_at) == (RecordingState.PENDING, world.now[0])
    assert one.delete_at == record.ended_at + KEPT
    assert await told(world) == []


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((("ANNOUNCED", "side=caller;ms=20;went=FAILED"),), "announcement_failed"),
        (HEARD[:2], "not_started"),
    ],
)
async def test_what_should_have_been_recorded_and_was_not_is_told(
    world: World, rows: tuple[tuple[str, str], ...], why: str
) -> None:
    world.append(taped(*rows))
    await world.ingest()

    [record] = await world.records()
    assert record.recording is not None
    assert record.recording.reason == why
    [one] = await kept(world)
    assert (one.state, one.why, one.delete_at) == (RecordingState.FAILED, why, None)
    assert await told(world) == ["recording.failed"]


@pytest.mark.parametrize("plan", ["record=consent;unrecorded=no_consent", "out2=1"])
async def test_a_call_that_was_not_to_be_recorded_leaves_nothing(world: World, plan: str) -> None:
    world.append(taped(plan=plan))
    await world.ingest()

    assert len(await world.records()) == 1
    assert (await kept(world), await told(world)) == ([], [])


async def test_a_record_that_says_only_later_that_there_is_sound_leaves_one(world: World) -> None:
    world.append(taped(plan="record=consent;unrecorded=no_consent"))
    await world.ingest()
    [before] = await world.records()
    after = replace(
        before,
        recording=Recorded(RecordingMode.CONSENT, 1871, 1869, before.answered_at, before.ended_at),
    )

    for said in (before, after, after):
        await world.db.write(lambda conn, said=said: corrected(conn, [said], START))  # type: ignore[misc]

    [one] = await kept(world)
    assert (one.state, one.delete_at) == (RecordingState.PENDING, before.ended_at + KEPT)
