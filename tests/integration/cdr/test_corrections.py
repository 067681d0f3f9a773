"""A record is never changed silently: what comes late, or is known better, makes a version."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cdr import corrections
from cdr.corrections import Version, Wish
from cdr.cut_calls import KEPT, SETTLES
from cdr.errors import CorrectionRefused, NothingToCorrect, VersionMoved
from cdr.ingest import Ingester
from cdr.model import CallRecord
from masking.outcome import EndedBy, Outcome
from maskline.records_verify import verify_database
from storage.schema import cut_calls, outbox
from tests.integration.cdr.world import World
from tests.support.mortal import Killed, Mortal
from tests.unit.cdr.calls import Call, at_us, call, node_start

DIED_S = 10.0  # after the beginning of an answered call, before its end


def early(one: Call) -> bytes:
    """The rows that were written before the node died."""
    return b"".join(row for at, row in one.rows if at < at_us(DIED_S))


def late(one: Call) -> list[bytes]:
    """Those that came to light afterwards."""
    return [row for at, row in one.rows if at >= at_us(DIED_S)]


async def cut_short(world: World) -> Call:
    """A call whose node died while they talked, as it is recorded then."""
    one = call(0)
    world.append(early(one) + node_start(at_us(DIED_S + 60)))
    await world.ingest()
    return one


async def only(world: World) -> CallRecord:
    (found,) = await world.records()
    return found


async def versions(world: World) -> list[Version]:
    found = await only(world)
    return await world.db.read(lambda conn: corrections.versions(conn, found.call_id))


async def told(world: World) -> list[tuple[str, dict[str, Any]]]:
    rows = await world.db.read(
        lambda conn: conn.execute(select(outbox.c.kind, outbox.c.data).order_by(outbox.c.id)).all()
    )
    return [(row.kind, json.loads(row.data)) for row in rows]


async def whole(world: World) -> bool:
    return (await verify_database(world.db, world.vault)).whole


async def test_an_end_that_comes_late_is_the_second_version(world: World) -> None:
    one = await cut_short(world)
    first = await only(world)
    assert (first.outcome, first.reason, first.ended_by) == (
        Outcome.ANSWERED,
        "node_died",
        EndedBy.SYSTEM,
    )
    world.now[0] += timedelta(minutes=3)
    world.append(b"".join(late(one)))
    ingester = await world.ingest()
    assert ingester.stats.corrected == 1

    found = await only(world)
    assert (found.version, found.corrected_why, found.corrected_by) == (2, "late_events", "system")
    assert (found.reason, found.ended_by, found.talk_ms) == (None, EndedBy.CALLEE, 30_000)
    assert found.talk_ms != first.talk_ms
    before, after = await versions(world)
    assert (before.version, before.reason, before.talk_ms) == (1, "node_died", first.talk_ms)
    assert before.recorded_at == first.recorded_at
    assert (after.version, after.corrected_why) == (2, "late_events")
    assert (before.seq, after.seq) == (1, 2)
    assert await whole(world)


async def test_entries_and_notices_follow_once(world: World) -> None:
    one = await cut_short(world)
    (was,) = await world.history()
    world.append(b"".join(late(one)))
    for _ in range(3):
        await world.ingest()
        world.file.rename(world.file.with_name("events.jsonl.1"))
        world.file.write_bytes(world.file.with_name("events.jsonl.1").read_bytes())
    (entry,) = await world.history()
    assert (entry.talk_ms, entry.reason) == (30_000, None)
    assert entry.id > was.id  # whoever follows the entries hears of it
    assert [(log.user_id, log.talk_ms) for log in await world.logs()] == [
        ("u-1", 30_000),
        ("u-2", 30_000),
    ]
    notices = await told(world)
    assert [kind for kind, _ in notices] == ["call.ended", "call.corrected"]
    data = notices[1][1]
    assert (data["version"], data["corrected_why"], data["talk_ms"]) == (2, "late_events", 30_000)
    assert data["before"]["reason"] == "node_died"
    assert await whole(world)
    kept = await world.db.read(lambda conn: conn.execute(select(cut_calls)).all())
    assert kept == []


async def test_a_call_that_was_missed_after_all_is_told_as_missed(small_world: World) -> None:
    world = small_world
    one = call(1)
    world.append(b"".join(row for _, row in one.rows[:3]) + node_start(at_us(60)))
    await world.ingest()
    assert (await only(world)).outcome is Outcome.FAILED
    assert [log.user_id for log in await world.logs()] == ["u-1"]
    world.append(b"".join(row for _, row in one.rows[3:]))
    await world.ingest()
    assert (await only(world)).outcome is Outcome.MISSED
    logs = await world.logs()
    assert [(log.user_id, log.outcome, log.unread) for log in logs] == [
        ("u-1", Outcome.MISSED, False),
        ("u-2", Outcome.MISSED, True),
    ]
    assert [kind for kind, _ in await told(world)] == [
        "call.ended",
        "call.corrected",
        "call.missed",
    ]


async def test_killed_at_any_statement_it_is_corrected_once(world: World) -> None:
    """At every moment the record, its entries and what was told of it are of one version."""
    one = await cut_short(world)
    world.now[0] += timedelta(minutes=3)
    world.append(b"".join(late(one)))
    mortal, at = Mortal(world.db), world.now[0]
    lives = 0
    alive = False
    while not alive:
        lives += 1
        mortal.live(lives)
        with suppress(Killed):
            await Ingester(mortal, world.vault, world.spool, world.node, lambda: at).drain()
        alive = not mortal.died
        now, (entry,), logs = await only(world), await world.history(), await world.logs()
        assert {now.talk_ms} == {entry.talk_ms, *(log.talk_ms for log in logs)}
        assert [kind for kind, _ in await told(world)] == [
            "call.ended",
            *(["call.corrected"] if now.version == 2 else []),
        ]
        assert len(await versions(world)) == now.version
    assert lives > 20
    found = await only(world)
    assert (found.version, found.reason, found.talk_ms) == (2, None, 30_000)
    assert [one.talk_ms for one in await world.logs()] == [30_000, 30_000]
    assert await whole(world)


async def test_rows_in_several_stretches_make_one_version(small_world: World) -> None:
    world = small_world
    one = await cut_short(world)
    for row in late(one):
        world.append(row)
        await world.ingest()
    assert (await only(world)).version == 2
    assert [kind for kind, _ in await told(world)] == ["call.ended", "call.corrected"]


async def test_late_rows_without_an_end_count_when_no_more_come(small_world: World) -> None:
    world = small_world
    one = call(0)
    world.append(b"".join(row for _, row in one.rows[:3]) + node_start(at_us(60)))
    await world.ingest()
    assert (await only(world)).outcome is Outcome.FAILED
    world.append(one.rows[3][1])  # it was answered
    await world.ingest()
    assert (await only(world)).version == 1
    world.now[0] += SETTLES
    await world.ingest()
    found = await only(world)
    assert (found.version, found.outcome, found.reason) == (2, Outcome.ANSWERED, "node_died")
    world.append(b"".join(row for _, row in one.rows[4:]))
    await world.ingest()
    found = await only(world)
    assert (found.version, found.outcome, found.reason) == (3, Outcome.ANSWERED, None)
    assert [one.version for one in await versions(world)] == [1, 2, 3]
    assert await whole(world)


async def test_what_comes_too_late_is_passed_over(small_world: World) -> None:
    world = small_world
    one = await cut_short(world)
    world.now[0] += KEPT + timedelta(minutes=1)
    await world.ingest()
    world.append(b"".join(late(one)))
    ingester = await world.ingest()
    assert ingester.stats.repeated == len(late(one))
    assert (await only(world)).version == 1


WISH = Wish(1, "the answering machine took it", Outcome.MISSED)


async def corrected(world: World, wish: Wish = WISH, by: str = "key_1") -> CallRecord | None:
    found = await only(world)
    return await world.db.write(
        lambda conn: corrections.correct(
            conn, world.vault, found.call_id, wish, by, world.now[0], ""
        )
    )


async def test_somebody_may_know_better(world: World) -> None:
    world.append(b"".join(row for _, row in call(0).rows))
    await world.ingest()
    world.now[0] += timedelta(hours=1)
    found = await corrected(world)
    assert found is not None
    assert (found.version, found.outcome, found.corrected_by) == (2, Outcome.MISSED, "key_1")
    assert found.talk_ms == 30_000  # what was measured stays
    logs = await world.logs()
    assert [(one.user_id, one.outcome, one.unread) for one in logs] == [
        ("u-1", Outcome.MISSED, False),
        ("u-2", Outcome.MISSED, True),
    ]
    kinds = [kind for kind, _ in await told(world)]
    assert kinds == ["call.ended", "call.corrected", "call.missed"]
    again = await corrected(world, Wish(2, "it was a person", Outcome.ANSWERED))
    assert again is not None
    assert again.version == 3
    assert [one.outcome for one in await world.logs("u-2")] == [Outcome.ANSWERED]
    assert not (await world.logs("u-2"))[0].unread
    assert await whole(world)


async def test_what_is_corrected_must_be_what_was_seen(small_world: World) -> None:
    world = small_world
    world.append(b"".join(row for _, row in call(1).rows))
    await world.ingest()
    with pytest.raises(NothingToCorrect):
        await corrected(world)
    with pytest.raises(VersionMoved):
        await corrected(world, Wish(2, "why", Outcome.BUSY))
    with pytest.raises(CorrectionRefused):
        await corrected(world, Wish(1, "nobody talked", Outcome.ANSWERED))
    assert (await only(world)).version == 1
    assert await whole(world)


async def test_what_a_person_said_is_not_overruled_by_rows(small_world: World) -> None:
    world = small_world
    one = await cut_short(world)
    await corrected(world, Wish(1, "they say so", ended_by=EndedBy.CALLER))
    world.append(b"".join(late(one)))
    await world.ingest()
    found = await only(world)
    assert (found.version, found.ended_by, found.corrected_by) == (2, EndedBy.CALLER, "key_1")


async def test_an_unknown_call_is_none(small_world: World) -> None:
    world = small_world
    found = await world.db.write(
        lambda conn: corrections.correct(conn, world.vault, "cal_0", WISH, "k", world.now[0], "")
    )
    assert found is None
    assert await world.db.read(lambda conn: corrections.versions(conn, "cal_0")) == []
