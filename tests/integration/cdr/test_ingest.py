"""The ingester over time: it follows, waits, rotates, and bears faults."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection, select

from cdr.ingest import Ingester, IngestSettings
from masking.model import Phone
from masking.outcome import Outcome
from storage import Database
from storage.errors import DatabaseUnavailable, NotAtOnce
from storage.schema import ingest_checkpoints
from tests.integration.cdr.world import OUR_NUMBER, World
from tests.unit.cdr.calls import at_us, call, head, interleaved, line, tail

T = TypeVar("T")
QUICK = IngestSettings(
    chunk_bytes=8192,
    behind_bytes=8192,
    poll_min_s=0.001,
    poll_max_s=0.01,
    retry_min_s=0.001,
    retry_max_s=0.01,
)


class Faulty:
    """A database that is away while `away`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.away = True

    async def read(self, work: Callable[[Connection], T]) -> T:
        if self.away:
            raise DatabaseUnavailable
        return await self._db.read(work)

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        return await self.read(work)

    def peek(self, work: Callable[[Connection], T]) -> T:
        raise NotAtOnce

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.away:
            raise DatabaseUnavailable
        return await self._db.write(work)

    async def close(self) -> None:
        """Belongs to the world."""


@asynccontextmanager
async def running(ingester: Ingester) -> AsyncIterator[None]:
    task = asyncio.create_task(ingester.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.005)


async def test_calls_are_recorded_while_it_runs(world: World) -> None:
    ingester = world.ingester(QUICK)
    async with running(ingester):
        for n in range(3):
            world.append(b"".join(interleaved([call(n)])))

            async def recorded(count: int = n + 1) -> bool:
                # Whoever reads may see a record a moment before its keeper hears that it is kept.
                return len(await world.records()) == count == ingester.stats.recorded

            await until(recorded)
    stats = ingester.stats
    assert (stats.recorded, stats.garbage, stats.lag_bytes, stats.failing) == (3, 0, 0, None)
    assert stats.rows == sum(len(call(n).rows) for n in range(3))
    assert stats.batches >= 3


async def test_a_call_that_is_up_over_a_restart_is_one_record(world: World) -> None:
    one = call(0)
    world.append(head(one, 5))
    await world.ingest()
    assert await world.records() == []
    assert await world.open() == 1
    world.append(tail(one, 5))
    await world.ingest()
    [record] = await world.records()
    assert record.outcome is Outcome.ANSWERED
    assert await world.open() == 0


async def test_rows_after_the_last_row_change_nothing(world: World) -> None:
    one = call(2)
    world.append(b"".join(interleaved([one])))
    await world.ingest()
    before = await world.records()
    world.append(line(at_us(60), "LEG", one.linked_id, one.linked_id, "side=caller;codec=opus"))
    ingester = await world.ingest()
    assert await world.records() == before
    assert await world.open() == 0
    assert ingester.stats.repeated == 1


async def test_a_call_of_a_session_that_is_gone_is_recorded_without_names(world: World) -> None:
    world.append(b"".join(interleaved([call(2, session_id="ses_gone")])))
    await world.ingest()
    [record] = await world.records()
    assert (record.session_id, record.caller_user_id) == ("ses_gone", None)
    assert record.caller_role == "buyer"
    assert await world.history() == []
    assert await world.logs() == []


async def test_a_call_nobody_decided_names_what_was_dialled_if_it_is_a_number_of_ours(
    world: World,
) -> None:
    somebodys = Phone("+79161110001")
    for n, dialled in enumerate((OUR_NUMBER, somebodys), start=1):
        linked_id = call(n).linked_id
        facts = (
            ("OFFER", f"trunk=carrier-a;called={dialled}"),
            ("REFUSE", "reason=no_controller;cause=41;announce=try-again"),
            ("END", "by=system;cause=42"),
            ("LINKEDID_END", ""),
        )
        for second, (kind, extra) in enumerate(facts):
            world.append(line(at_us(10 * n + second), kind, linked_id, linked_id, extra))
    await world.ingest()

    found = {record.call_id: record.number_in for record in await world.records()}
    assert sorted(found.values(), key=str) == [OUR_NUMBER, None]
    assert {one.reason for one in await world.records()} == {"no_controller"}


async def test_garbage_is_counted_and_never_logged(
    small_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = b"+79161234567"
    small_world.append(head(call(0), 1) + secret + b"\n" + b"\xff\xfe\n" + tail(call(0), 1))
    ingester = await small_world.ingest()
    assert ingester.stats.garbage == 2
    assert len(await small_world.records()) == 1
    assert secret.decode() not in caplog.text


async def test_no_row_that_is_kept_holds_a_phone(world: World) -> None:
    world.append(b"".join(interleaved([call(n) for n in range(3)])))
    await world.ingest()
    text = repr(await world.everything())
    assert "9161234567" not in text
    assert "9267654321" not in text
    assert "Anna" in text


async def test_a_database_that_is_away_is_waited_for(
    small_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    small_world.append(b"".join(interleaved([call(n) for n in range(4)])))
    db = Faulty(small_world.db)
    ingester = Ingester(
        db,
        small_world.vault,
        small_world.spool,
        small_world.node,
        lambda: small_world.now[0],
        QUICK,
    )
    async with running(ingester):

        async def failing() -> bool:
            return ingester.stats.failures > 3

        await until(failing)
        assert ingester.stats.failing == "database_unavailable"
        db.away = False

        async def well() -> bool:
            return ingester.stats.recorded == 4 and ingester.stats.failing is None

        await until(well)
    assert caplog.text.count("database_unavailable") == 1


async def test_drain_says_what_it_could_not_do(small_world: World) -> None:
    small_world.append(b"".join(interleaved([call(0)])))
    db = Faulty(small_world.db)
    ingester = Ingester(
        db, small_world.vault, small_world.spool, small_world.node, lambda: small_world.now[0]
    )
    with pytest.raises(DatabaseUnavailable):
        await ingester.drain()
    db.away = False
    await ingester.drain()
    assert len(await small_world.records()) == 1


async def test_a_spool_that_cannot_be_read_is_named(small_world: World) -> None:
    small_world.spool.rmdir()
    small_world.spool.write_bytes(b"")
    ingester = small_world.ingester(QUICK)
    async with running(ingester):

        async def failing() -> bool:
            return ingester.stats.failing is not None

        await until(failing)
    assert ingester.stats.failing == "spool_unreadable"


async def test_an_unexpected_fault_does_not_end_it(
    small_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small_world.append(b"".join(interleaved([call(0)])))
    monkeypatch.setattr("cdr.ingest.prepare", _fail)
    ingester = small_world.ingester(QUICK)
    async with running(ingester):

        async def failing() -> bool:
            return ingester.stats.failures > 1

        await until(failing)
        monkeypatch.undo()

        async def well() -> bool:
            return ingester.stats.recorded == 1

        await until(well)
    assert "RuntimeError" in caplog.text
    assert "quotes a row" not in caplog.text


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("quotes a row")


async def test_two_that_run_at_once_share_the_work(small_world: World) -> None:
    both = [small_world.ingester(QUICK), small_world.ingester(QUICK)]
    async with running(both[0]), running(both[1]):
        for n in range(20):
            small_world.append(b"".join(interleaved([call(n)])))
            await asyncio.sleep(0)

        async def recorded() -> bool:
            return sum(one.stats.recorded for one in both) == 20

        await until(recorded)
    assert len(await small_world.history()) == 20


async def test_drain_while_it_runs(small_world: World) -> None:
    ingester = small_world.ingester(QUICK)
    async with running(ingester):
        small_world.append(b"".join(interleaved([call(n) for n in range(10)])))
        await ingester.drain()
        assert len(await small_world.records()) == 10


async def test_cancelled_in_the_middle_it_goes_on_where_it_was(small_world: World) -> None:
    small_world.append(b"".join(interleaved([call(n) for n in range(30)])))
    ingester = small_world.ingester(QUICK)
    for _ in range(12):
        task = asyncio.create_task(ingester.run())
        await asyncio.sleep(0.004)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await ingester.drain()
    assert len(await small_world.records()) == 30
    assert len(await small_world.history()) == 30


async def test_the_file_is_rotated_and_old_ones_go(small_world: World) -> None:
    settings = IngestSettings(
        chunk_bytes=8192, behind_bytes=8192, rotate_bytes=20_000, keep_files=1
    )
    ingester = small_world.ingester(settings)
    for n in range(40):
        small_world.append(b"".join(interleaved([call(n)])))
        small_world.now[0] = _wall_clock_from_now(minutes=2 * n)
        await ingester.drain()
    files = sorted(path.name for path in small_world.spool.iterdir())
    assert 1 <= len(files) <= 3
    assert len(await small_world.records()) == 40
    known = await small_world.db.read(
        lambda conn: conn.scalars(
            select(ingest_checkpoints.c.file).where(ingest_checkpoints.c.file != "")
        ).all()
    )
    assert len(known) <= 3


def _wall_clock_from_now(minutes: float) -> datetime:
    return datetime.fromtimestamp(time.time(), UTC) + timedelta(minutes=minutes)


async def test_a_file_that_lost_its_tail_doubles_nothing(world: World) -> None:
    world.append(b"".join(interleaved([call(n) for n in range(4)])))
    await world.ingest()
    before = await world.everything()
    raw = world.file.read_bytes()
    world.file.write_bytes(raw[: len(raw) // 2])
    ingester = await world.ingest()
    assert ingester.stats.rereads == 1
    after = await world.everything()
    del before["ingest_checkpoints"], after["ingest_checkpoints"]
    assert after == before


async def test_a_call_has_a_bound_of_rows(world: World) -> None:
    one = call(0)
    flood = b"".join(
        line(at_us(5) + n, "LEG", f"x.{n}", one.linked_id, "side=callee") for n in range(500)
    )
    world.append(head(one, 5) + flood + tail(one, 5))
    ingester = await world.ingest()
    [record] = await world.records()
    assert record.outcome is Outcome.ANSWERED
    assert record.ended_by == "callee"
    assert ingester.stats.surplus > 100


async def test_idle_it_costs_next_to_nothing(small_world: World) -> None:
    small_world.append(b"".join(interleaved([call(0)])))
    ingester = small_world.ingester()
    await ingester.drain()
    batches_before = ingester.stats.batches
    before_s = time.process_time()
    async with running(ingester):
        await asyncio.sleep(1.0)  # the thing measured is a second of idleness
    assert time.process_time() - before_s < 0.2
    assert ingester.stats.batches == batches_before
