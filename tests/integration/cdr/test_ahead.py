"""Batches are prepared two ahead: each says what it would have said in its turn."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from cdr import staging
from cdr.ahead import AHEAD, IN_ROW, Ahead
from cdr.batch import Batch, Before, keep
from cdr.beside import Beside
from cdr.events import EventRow, parse
from cdr.prepare import prepare, prepare_ahead
from masking.model import Phone
from storage.database import Database
from storage.schema import metadata
from storage.vault import Vault, VaultKeys
from tests.integration.cdr.test_beside import Here, ingester, many, until_ready
from tests.integration.cdr.test_exactly_once import emptied
from tests.integration.cdr.world import OUR_NUMBER, World, add_number, add_session
from tests.support.mortal import Killed, Mortal
from tests.unit.cdr.calls import call, interleaved, shuffled
from tests.unit.cdr.scenario import NODE, START

T = TypeVar("T")
VAULT = Vault(VaultKeys.generate())


def rows_of(lines: Sequence[bytes]) -> tuple[EventRow, ...]:
    return parse([line.rstrip() for line in lines], NODE).rows


@pytest.fixture(scope="module")
def empty() -> Iterator[Connection]:
    """A database with the session of the calls; whoever writes to it rolls back."""
    engine = create_engine("sqlite://")
    with engine.connect() as conn:
        metadata.create_all(conn)
        add_number(conn, VAULT, OUR_NUMBER)
        add_session(conn, VAULT, "ses_1", "chat-1", (Phone("+79161234567"), Phone("+79267654321")))
        staging.begin(conn, NODE)
        conn.commit()
        yield conn
    engine.dispose()


class Seen:
    """A database of which one connection is all there is."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def read(self, work: Callable[[Connection], T]) -> T:
        return work(self._conn)


def ahead(conn: Connection, rows: Sequence[EventRow], before: Before) -> Batch:
    seen = cast("Database", Seen(conn))
    batch = asyncio.run(prepare_ahead(seen, VAULT, NODE, rows, START, before))
    assert batch is not None
    return batch


def said(batch: Batch) -> tuple[Batch, list[dict[str, Any]]]:
    """All of it but for places in the ledger, and what is drawn by lot for it."""
    calls = [
        {name: value for name, value in row.items() if not name.startswith("ledger_")}
        for row in batch.calls
    ]
    return replace(batch, calls=()), calls


def holds_wherever_written(conn: Connection, pieces: Sequence[Sequence[EventRow]]) -> None:
    """Told of two batches, the third is the same whether none, one or both are written."""
    batches: list[Batch] = []
    for turn, rows in enumerate(pieces):
        batch = prepare(conn, VAULT, NODE, rows, START)
        if batches:
            told = reduce(Before.then, map(Before.of, batches[-AHEAD:]))
            assert said(ahead(conn, rows, told)) == said(batch)
        keep(conn, VAULT, NODE, turn, batch, None)
        batches.append(batch)
    conn.rollback()
    told = reduce(Before.then, map(Before.of, batches[-AHEAD - 1 : -1]))
    before = len(pieces) - 1
    for turn in range(before):
        if turn >= before - AHEAD:
            got = ahead(conn, pieces[-1], told)
            assert said(got) == said(batches[-1]), f"{turn} of {before} are written"
        keep(conn, VAULT, NODE, turn, batches[turn], None)
    conn.rollback()


@pytest.mark.parametrize("n", [0, 1])
def test_a_call_over_three_batches_in_every_split(empty: Connection, n: int) -> None:
    rows = rows_of([row for _, row in call(n).rows])
    for one, other in combinations_with_replacement(range(len(rows) + 1), 2):
        holds_wherever_written(empty, (rows[:one], rows[one:other], rows[other:]))


@st.composite
def torn(draw: st.DrawFn) -> list[tuple[EventRow, ...]]:
    """Rows of a few calls, some without their offer, some told of twice, in several batches."""
    of = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
    lines = shuffled([call(n) for n in of], draw(st.integers(0, 1000)))
    strays = draw(st.sets(st.sampled_from(of)))
    lines = [
        line
        for line in lines
        if not any(line in [row for _, row in call(n).rows[:3]] for n in strays)
    ]
    lines += draw(st.lists(st.sampled_from(lines), max_size=8))
    cuts = draw(st.lists(st.integers(0, len(lines)), min_size=2, max_size=5))
    return [rows_of(lines[a:b]) for a, b in pairwise([0, *sorted(cuts), len(lines)])]


@settings(max_examples=60, deadline=None)
@given(pieces=torn())
def test_batches_told_of_those_before_are_what_they_are_in_turn(
    empty: Connection, pieces: list[tuple[EventRow, ...]]
) -> None:
    holds_wherever_written(empty, pieces)


async def test_two_are_ahead_and_now_and_then_nobody_writes_until_both_are_there(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else SQLite's log might never begin anew."""
    world = small_world
    world.append(b"".join(interleaved([call(n) for n in range(300)])))
    beside = Here(world)
    asked: list[int] = []  # for each batch that was prepared ahead, how many were asked for by then
    take = Ahead.take

    async def noted(self: Ahead) -> Any:  # noqa: ANN401
        found = await take(self)
        if found is not None:
            asked.append(beside.made)
        return found

    monkeypatch.setattr(Ahead, "take", noted)
    it = ingester(world, beside)
    await it.drain()
    assert it.stats.recorded == 300
    assert len(asked) > 3 * IN_ROW
    assert all(made - n <= AHEAD for n, made in enumerate(asked))
    pauses = [asked[n] - n for n in range(IN_ROW - 1, len(asked) - AHEAD, IN_ROW)]
    assert pauses == [AHEAD] * len(pauses)


async def test_killed_at_every_statement_with_two_ahead(small_world: World) -> None:
    world = small_world
    world.append(b"".join(interleaved([call(n) for n in range(12)])))
    await ingester(world, None).drain()
    expected = await world.everything()
    await emptied(world)
    whole, beside = Mortal(world.db, dies_at=0), Here(world)
    await ingester(world, beside, whole).drain()
    assert beside.made >= AHEAD
    assert await world.everything() == expected
    for moment in range(1, whole.moments + 1):
        await emptied(world)
        dying = ingester(world, Here(world), Mortal(world.db, moment))
        with pytest.raises(Killed):
            await dying.drain()
        assert dying._ahead.waiting_bytes == 0
        await ingester(world, Here(world)).drain()
        assert await world.everything() == expected, f"killed at moment {moment}"


async def test_a_process_beside_that_dies_with_two_batches_out_is_done_without(
    small_world: World, tmp_path: Path
) -> None:
    world = small_world
    world.vault = Vault.from_file(tmp_path / "vault.key")
    many(world)
    await ingester(world, None).drain()
    expected = await world.everything()
    await emptied(world)

    beside = Beside(world.url, tmp_path / "vault.key")
    it = ingester(world, beside)
    try:
        await until_ready(beside, world)
        while it.stats.recorded < 10:
            assert await it.step()
        await until_full(it._ahead)
        assert beside._child._process is not None
        os.kill(beside._child._process.pid, signal.SIGKILL)
        await it.drain()
        async with asyncio.timeout(20):
            while beside._child.running:  # until its end is told
                await asyncio.sleep(0.01)
    finally:
        await it.close()
    assert await world.everything() == expected
    assert it.stats.failures == it.stats.conflicts == 0


async def until_full(ahead: Ahead) -> None:
    async with asyncio.timeout(20):
        while len(ahead._made) < AHEAD:
            await asyncio.sleep(0.01)


async def test_what_is_ahead_when_an_ingester_is_closed_is_left_to_the_next(
    small_world: World,
) -> None:
    world = small_world
    world.append(b"".join(interleaved([call(n) for n in range(90)])))
    it = ingester(world, Here(world))
    for _ in range(3):
        await it.step()
    await until_full(it._ahead)
    assert it.stats.lag_bytes > 0
    await it.close()
    assert not it._ahead.waiting_bytes
    await ingester(world, None).drain()
    assert len(await world.records()) == 90
