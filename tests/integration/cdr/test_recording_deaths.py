"""What dies while a recording is made: the child that encodes, or the keeper itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from cdr.child import Child
from cdr.recording_encoder import Encoder
from masking.recording_states import RecordingState
from storage import open_database
from tests.integration.cdr.keeper_process import MOMENTS
from tests.integration.cdr.keeping import Here, Keeping
from tests.support.recordings import NODE, heard
from tests.support.storage import NOW

_ROOT = Path(__file__).parents[3]


@pytest.fixture
async def child(keeping: Keeping) -> AsyncIterator[Keeping]:
    """The same with a process of its own."""
    keeping.encoder = Encoder()
    yield keeping
    await keeping.encoder.close()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """With nothing in it, unlike those of the folder."""
    found: str = request.getfixturevalue(f"migrated_{request.param}")
    return found


async def test_a_child_that_dies_is_started_anew(child: Keeping) -> None:
    keeping = child
    await keeping.call(1)
    await keeping.call(2)
    await keeping.step()
    process = keeping.encoder.child._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    await keeping.step()

    assert await keeping.told() == ["recording.ready"] * 2


async def test_a_child_that_says_nothing_is_killed(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdr.recording_encoder._START_S", 0.2)
    await keeping.call()
    silent = Encoder(Child(sys.executable, "-c", "import time; time.sleep(60)"))

    await keeping.step(silent)

    one = await keeping.of()
    assert (one.state, one.tries, silent.child._process) == (RecordingState.PENDING, 1, None)


async def test_a_child_ends_when_nobody_is_there_to_ask() -> None:
    encoder = Encoder()
    child = await encoder.child._started()
    assert child.stdin is not None
    child.stdin.close()

    async with asyncio.timeout(20):
        assert await child.wait() == 0
    await encoder.close()


async def test_whenever_it_is_killed_each_recording_is_kept_once(url: str, tmp_path: Path) -> None:
    """A process is killed at each moment of the work in turn; the next one goes on."""
    db = open_database(url)
    try:
        keeping = Keeping(db, tmp_path, Here(), now=NOW + timedelta(minutes=1))
        # What a kill leaves in the folders is the same over either database: the one moment that
        # is between the two is enough for the slower one.
        moments = MOMENTS if url.startswith("sqlite") else ("placed",)
        numbers = range(len(moments) + 1)
        for n in numbers:
            await keeping.call(n, 0.3)

        for moment in (*moments, "never"):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.integration.cdr.keeper_process", url, str(tmp_path), moment),
                cwd=_ROOT,
            )
            async with asyncio.timeout(60):
                code = await process.wait()
            assert code == (0 if moment == "never" else -signal.SIGKILL), moment

        assert await keeping.told() == ["recording.ready"] * len(numbers)
        for n in numbers:
            assert len(heard(await keeping.sound(n))[0]) > 2000
        await _sweep_an_hour_later(keeping)
        named = [(await keeping.of(n)).path for n in numbers]
        assert sorted(keeping.paths()) == sorted(one for one in named if one)
        assert keeping.raw() == []
        drafts = keeping.folder / "kept" / "drafts"
        assert [path for path in drafts.rglob("*") if path.is_file()] == []
    finally:
        await db.close()


async def _sweep_an_hour_later(keeping: Keeping) -> None:
    from cdr.recording_orphans import sweep  # noqa: PLC0415 (as above)

    for path in keeping.paths():
        os.utime(keeping.folder / "kept" / path, (0, 0))
    assert await sweep(keeping.db, keeping.files, keeping.tapes, NODE, keeping.now) == 0
