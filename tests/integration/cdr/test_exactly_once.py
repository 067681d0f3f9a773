"""Wherever the ingester is killed: each call once, nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from cdr.errors import CheckpointMoved
from cdr.ingest import Ingester, IngestSettings
from storage import Database
from storage.schema import ingest_checkpoints as checkpoints
from storage.schema import sessions
from tests.integration.cdr.world import TABLES, World
from tests.support.mortal import Killed, Mortal
from tests.unit.cdr.calls import at_us, call, interleaved, node_start, shuffled

SMALL = IngestSettings(chunk_bytes=8192, behind_bytes=8192)


def ingester(world: World, db: Database) -> Ingester:
    return Ingester(db, world.vault, world.spool, world.node, lambda: world.now[0], SMALL)


def fill(world: World) -> None:
    """Calls of two lives of the node in one file: some are open when it dies."""
    calls = [call(n) for n in range(6)]
    world.append(b"".join(interleaved(calls)[:40]))
    world.append(node_start(at_us(100)))
    world.append(b"garbage\n")
    world.append(b"".join(shuffled([call(n) for n in range(2000, 2006)], 7)[:-4]))


async def undisturbed(world: World) -> dict[str, list[tuple[Any, ...]]]:
    await ingester(world, world.db).drain()
    return await world.everything()


async def emptied(world: World) -> None:
    """As before any call; what analytics counted of the session is noted with it."""

    def work(conn: Connection) -> None:
        for table in TABLES:
            conn.execute(table.delete())
        nothing = dict.fromkeys(("contact_at", "contact_variant", "contact_reached"))
        conn.execute(sessions.update().values(nothing))

    await world.db.write(work)


async def test_killed_at_every_statement(world: World) -> None:
    fill(world)
    expected = await undisturbed(world)
    assert len(expected["calls"]) > 9
    assert expected["open_calls"]
    await emptied(world)

    whole = Mortal(world.db, dies_at=0)
    await ingester(world, whole).drain()
    assert whole.moments > 40
    for moment in range(1, whole.moments + 1):
        await emptied(world)
        with pytest.raises(Killed):
            await ingester(world, Mortal(world.db, moment)).drain()
        await ingester(world, world.db).drain()
        assert await world.everything() == expected, f"killed at moment {moment}"


async def test_killed_again_and_again(small_world: World) -> None:
    """No life is long enough for all of it: progress is made of pieces."""
    fill(small_world)
    expected = await undisturbed(small_world)
    await emptied(small_world)
    lives = 0
    while True:
        lives += 1
        try:
            await ingester(small_world, Mortal(small_world.db, 5 + 7 * lives % 73)).drain()
        except Killed:
            continue
        break
    assert lives > 3
    assert await small_world.everything() == expected


async def test_a_file_read_twice_doubles_nothing(world: World) -> None:
    fill(world)
    expected = await undisturbed(world)
    await world.db.write(
        lambda conn: conn.execute(
            update(checkpoints).where(checkpoints.c.file != "").values(offset=0)
        )
    )
    again = ingester(world, world.db)
    await again.drain()
    assert await world.everything() == expected
    assert again.stats.recorded == 0
    assert again.stats.repeated > 50


async def test_two_ingesters_at_once_keep_each_batch_once(world: World) -> None:
    world.append(b"".join(interleaved([call(n) for n in range(90)])))
    expected = await undisturbed(world)
    await emptied(world)
    both = [ingester(world, world.db), ingester(world, world.db)]
    await asyncio.gather(*(one.drain() for one in both))
    assert await world.everything() == expected
    assert sum(one.stats.recorded for one in both) == 90


async def test_the_one_that_comes_late_writes_nothing(world: World) -> None:
    world.append(b"".join(interleaved([call(n) for n in range(6)])))
    late, quick = ingester(world, world.db), ingester(world, world.db)
    await late.drain()
    world.append(b"".join(interleaved([call(n) for n in range(600, 606)])))
    await quick.drain()
    with pytest.raises(CheckpointMoved):
        await late.step()
    assert late.stats.conflicts == 1
    assert not await late.step()
    assert len(await world.records()) == 12


async def test_kill_9_in_a_loop(small_world: World) -> None:
    """A real process is killed at any moment while the file grows and is rotated."""
    chance = random.Random(9)
    rows = shuffled([call(n) for n in range(300)], 9)
    kills = 0
    while rows:
        process = await _start(small_world)
        until = time.monotonic() + chance.uniform(0.05, 0.3)
        while rows and time.monotonic() < until:
            piece = b"".join(rows[:40])
            torn = chance.randrange(len(piece))
            with small_world.file.open("ab", buffering=0) as file:  # held open: renamed meanwhile
                file.write(piece[:torn])
                await asyncio.sleep(0.001)
                file.write(piece[torn:])
            del rows[:40]
            await asyncio.sleep(chance.uniform(0, 0.02))
        os.kill(process.pid, signal.SIGKILL)
        await process.communicate()
        kills += 1
    assert kills > 2
    await small_world.ingest()
    records = await small_world.records()
    log = await small_world.logs()
    more = await small_world.history()
    assert await small_world.open() == 0
    everything = await small_world.everything()
    assert len(records) == len(more) == 300
    assert len(log) == 600
    assert [len(everything[name]) for name in ("calls", "history_entries", "call_log_entries")] == [
        300,
        300,
        600,
    ]

    kept = {name: everything[name] for name in ("calls", "history_entries", "call_log_entries")}
    await emptied(small_world)
    await small_world.ingest()
    clean = await small_world.everything()
    assert {name: clean[name] for name in kept} == kept


async def _start(world: World) -> asyncio.subprocess.Process:
    """The ingester as a process of its own; returns once it follows the file."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("ingest_process.py")),
        world.url,
        str(world.spool),
        world.node,
        world.now[0].isoformat(),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"following\n"
    return process
