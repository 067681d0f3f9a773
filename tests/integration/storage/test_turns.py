"""Processes that write to one SQLite file take turns, whatever becomes of any of them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from storage import migrate, open_database
from storage.database import Limits
from storage.errors import DatabaseLocked
from storage.schema import marks
from storage.turns import NEXT, TURN, Turns

_ROOT = Path(__file__).parents[3]
_DEADLINE_S = 15.0


def note(conn: Connection, name: str) -> None:
    conn.execute(insert(marks), {"name": name, "value": b""})


def noted(conn: Connection) -> int:
    query = select(func.count()).where(marks.c.name.startswith("other"))
    found: int = conn.execute(query).scalar_one()
    return found


@asynccontextmanager
async def steady(url: str, count: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Processes that write all the time."""
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.integration.storage.steady_writer", url),
            cwd=_ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(count)
    ]
    try:
        async with asyncio.timeout(60):
            for one in writers:
                assert one.stdout is not None
                assert await one.stdout.readline() == b"writing\n"
        yield writers
    finally:
        for one in writers:
            if one.returncode is None:
                one.kill()
            await one.wait()


@pytest.mark.parametrize("busy", [1, 3])
async def test_one_who_writes_now_and_then_is_not_passed_over(
    migrated_sqlite: str, busy: int
) -> None:
    database = open_database(migrated_sqlite)
    took = []
    try:
        async with steady(migrated_sqlite, busy):
            for n in range(20):
                begun = time.monotonic()
                await database.write(lambda conn, n=n: note(conn, f"other {n}"))  # type: ignore[misc]
                took.append(time.monotonic() - begun)
        assert await database.read(noted) == 20
    finally:
        await database.close()
    assert max(took) < _DEADLINE_S / 3, took


async def test_one_who_is_killed_or_hangs_with_the_turn_keeps_it_no_longer_than_it_lives(
    migrated_sqlite: str,
) -> None:
    database = open_database(migrated_sqlite, Limits(deadline_s=4.0))
    try:
        async with steady(migrated_sqlite, 1) as (writer,):
            await _stopped_with_the_turn(writer, Path(migrated_sqlite.removeprefix("sqlite:///")))
            with pytest.raises(DatabaseLocked):
                await database.write(lambda conn: note(conn, "other: too early"))
            writer.send_signal(signal.SIGKILL)
            await writer.wait()
            await database.write(lambda conn: note(conn, "other"))
        assert await database.read(noted) == 1
    finally:
        await database.close()


async def _stopped_with_the_turn(writer: asyncio.subprocess.Process, path: Path) -> None:
    """Halt the process while it writes: nearly always it does."""
    turn = os.open(f"{path}{TURN}", os.O_RDWR)
    try:
        async with asyncio.timeout(30):
            while True:
                writer.send_signal(signal.SIGSTOP)
                await _state(writer.pid, "T")
                try:
                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                fcntl.flock(turn, fcntl.LOCK_UN)
                writer.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.01)
    finally:
        os.close(turn)


async def _state(pid: int, wanted: str) -> None:
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != wanted:
        await asyncio.sleep(0.001)


async def test_files_of_turns_are_empty_private_and_can_be_done_without(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'maskline.db'}"
    await migrate(url)
    database = open_database(url)
    try:
        await database.write(lambda conn: note(conn, "other 1"))
        beside = [tmp_path / f"maskline.db{suffix}" for suffix in (TURN, NEXT)]
        assert [(one.stat().st_mode & 0o777, one.stat().st_size) for one in beside] == [
            (0o600, 0)
        ] * 2
    finally:
        await database.close()

    for one in beside:
        one.unlink()
        one.symlink_to(tmp_path / "nobody's")  # is not followed
    database = open_database(url)
    try:
        await database.write(lambda conn: note(conn, "other 2"))
        assert await database.read(noted) == 2
        assert not (tmp_path / "nobody's").exists()
    finally:
        await database.close()


def test_a_link_to_a_database_leads_to_the_same_turn(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    with (
        closing(Turns(str(tmp_path / "real.db"))) as mine,
        closing(Turns(str(tmp_path / "link.db"))) as theirs,
    ):
        with mine.turn(0), pytest.raises(DatabaseLocked), theirs.turn(0):
            pass
        with theirs.turn(0):
            pass
