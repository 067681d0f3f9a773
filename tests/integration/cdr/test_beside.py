"""An ingester far behind has batches prepared beside: the records are the same, whatever fails."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest

from cdr.beside import Beside, Prepared, Question, Setting
from cdr.beside_child import Preparer
from cdr.child import Child
from cdr.ingest import Ingester, IngestSettings
from storage import Database
from storage.vault import Vault
from tests.integration.cdr.test_exactly_once import emptied, fill
from tests.integration.cdr.world import World
from tests.support.mortal import Killed, Mortal
from tests.unit.cdr.calls import at_us, call, interleaved, node_start, shuffled

FAR = IngestSettings(chunk_bytes=8192, behind_bytes=8192, far_behind_bytes=0)
NOT_FAR = IngestSettings(chunk_bytes=8192, behind_bytes=8192)


class Here(Beside):
    """What the child does, done in this process, by the database of the test."""

    def __init__(self, world: World) -> None:
        super().__init__(world.url, Path("unused"))
        self.asked = self.made = 0
        self._preparer = Preparer()
        self._preparer._db, self._preparer._vault = world.db, world.vault

    def ready(self, node: str, app_host: str) -> bool:
        self._preparer._setting = Setting("", Path("unused"), node, app_host)
        return True

    async def prepare(self, question: Question) -> Prepared | None:
        self.asked += 1
        found = await self._preparer._prepared(question)
        self.made += found is not None
        return found


def many(world: World) -> None:
    """Calls of two lives of the node, told of in any order, some of it twice."""
    calls = [call(n) for n in range(60)]
    rows = interleaved(calls)
    world.append(b"".join(rows))
    world.append(b"".join(rows[100:160]))
    world.append(node_start(at_us(1000)))
    world.append(b"garbage\n")
    world.append(b"".join(shuffled([call(n) for n in range(2000, 2060)], 7)[:-4]))


def ingester(world: World, beside: Beside | None, db: Database | None = None) -> Ingester:
    how = NOT_FAR if beside is None else FAR
    clock = lambda: world.now[0]  # noqa: E731
    return Ingester(db or world.db, world.vault, world.spool, world.node, clock, how, beside=beside)


async def test_what_is_prepared_beside_is_what_is_prepared_in_turn(world: World) -> None:
    many(world)
    in_turn = ingester(world, None)
    await in_turn.drain()
    expected = await world.everything()
    assert len(expected["calls"]) == 119
    await emptied(world)

    beside = Here(world)
    ahead = ingester(world, beside)
    await ahead.drain()

    assert await world.everything() == expected
    assert beside.made > 10
    assert beside.made < beside.asked  # not where the node was started
    for figure in ("rows", "garbage", "recorded", "repeated", "strays"):
        assert getattr(ahead.stats, figure) == getattr(in_turn.stats, figure), figure


async def test_killed_at_every_statement_while_the_next_batch_is_made(small_world: World) -> None:
    world = small_world
    fill(world)
    await ingester(world, None).drain()
    expected = await world.everything()
    await emptied(world)
    whole = Mortal(world.db, dies_at=0)
    await ingester(world, Here(world), whole).drain()
    assert await world.everything() == expected
    for moment in range(1, whole.moments + 1):
        await emptied(world)
        with pytest.raises(Killed):
            await ingester(world, Here(world), Mortal(world.db, moment)).drain()
        await ingester(world, Here(world)).drain()
        assert await world.everything() == expected, f"killed at moment {moment}"


@pytest.fixture
def vault_file(small_world: World, tmp_path: Path) -> Path:
    path = tmp_path / "vault.key"
    small_world.vault = Vault.from_file(path)
    return path


def asks(beside: Beside, world: World) -> asyncio.Task[None] | None:
    """What starts its process, if anything does."""
    assert not beside.ready(world.node, "")
    return beside._starting


async def until_ready(beside: Beside, world: World) -> None:
    async with asyncio.timeout(60):
        while not beside.ready(world.node, ""):
            await asyncio.sleep(0.02)


async def test_a_process_beside_that_is_killed_is_done_without(
    small_world: World, vault_file: Path
) -> None:
    world = small_world
    many(world)
    await ingester(world, None).drain()
    expected = await world.everything()
    await emptied(world)

    beside = Beside(world.url, vault_file)
    ahead = ingester(world, beside)
    try:
        await until_ready(beside, world)
        while await ahead.step():
            if ahead.stats.recorded > 20 and (process := beside._child._process) is not None:
                os.kill(process.pid, signal.SIGKILL)
        assert not beside._child.running
        assert ahead.stats.batches > 10
    finally:
        await ahead.close()
    assert await world.everything() == expected
    assert ahead.stats.failures == 0


async def test_a_process_beside_prepares_what_it_is_asked(
    small_world: World, vault_file: Path
) -> None:
    world = small_world
    world.append(b"".join(interleaved([call(n) for n in range(60)])))
    beside = Beside(world.url, vault_file)
    made: list[Prepared | None] = []
    prepare = beside.prepare

    async def noted(question: Question) -> Prepared | None:
        made.append(await prepare(question))
        return made[-1]

    beside.prepare = noted  # type: ignore[method-assign]
    ahead = ingester(world, beside)
    try:
        await until_ready(beside, world)
        await ahead.drain()
    finally:
        await ahead.close()
    assert ahead.stats.recorded == 60
    assert sum(one.rows for one in made if one is not None) > 300
    assert not beside._child.running


async def test_a_process_beside_that_cannot_work_is_done_without_for_a_while(
    small_world: World, tmp_path: Path
) -> None:
    elapsed_s = [0.0]
    broken = Child(sys.executable, "-c", "import sys; sys.exit(3)")
    beside = Beside(small_world.url, tmp_path / "none", broken, lambda: elapsed_s[0])
    started = asks(beside, small_world)
    assert started is not None
    async with asyncio.timeout(20):
        await started
    assert asks(beside, small_world) is None
    elapsed_s[0] = 61.0
    assert asks(beside, small_world) is not None
    await beside.close()


async def test_a_process_beside_is_let_go_when_it_is_not_needed(
    small_world: World, vault_file: Path
) -> None:
    elapsed_s = [0.0]
    beside = Beside(small_world.url, vault_file, elapsed=lambda: elapsed_s[0])
    ahead = ingester(small_world, beside)
    try:
        await until_ready(beside, small_world)
        await ahead.step()
        assert beside._child.running
        elapsed_s[0] = 61.0
        await ahead.step()
        assert not beside._child.running
    finally:
        await ahead.close()


async def test_what_the_child_says_of_an_error_holds_nothing_of_it(tmp_path: Path) -> None:
    preparer = Preparer()
    try:
        path = tmp_path / "vault.key"
        Vault.from_file(path)
        setting = Setting(f"sqlite:///{tmp_path / 'empty.db'}", path, "n0123456789ab", "")
        raw = b"".join(interleaved([call(1)]))
        no_tables = Question(raw, None, None)  # type: ignore[arg-type]
        no_bytes = Question("a row with +79161234567", None, None)  # type: ignore[arg-type]
        answers = await asyncio.to_thread(
            lambda: [
                pickle.loads(preparer.answer(pickle.dumps(one)))  # noqa: S301
                for one in (setting, no_tables, no_bytes)
            ]
        )
    finally:
        await asyncio.to_thread(preparer.close)
    assert answers == [None, "schema_outdated", "TypeError"]


def test_an_answer_is_written_out_nowhere_on_its_way() -> None:
    written = 0

    class Answer:
        def __repr__(self) -> str:
            nonlocal written
            written += 1
            return ""

    async def work() -> Answer:
        return Answer()

    preparer = Preparer()
    preparer._run(work())
    preparer.close()

    assert written == 0
