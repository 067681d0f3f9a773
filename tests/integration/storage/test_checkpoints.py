"""SQLite's log comes into the file beside the writer, whatever the writer does meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, insert

from maskline.demo.spec import PATIENCE_S
from storage import open_database
from storage.database import parse_url
from storage.schema import marks
from storage.sqlite import make_engine

_ROWS = 100  # of one work
_WORKS = 12


async def test_what_was_committed_comes_into_the_file_while_it_is_open(
    migrated_sqlite: str,
) -> None:
    db = open_database(migrated_sqlite)
    try:
        for n in range(_WORKS):
            await db.write(_marking(n))
        # Of the last works some stay in the log until as many are changed again.
        await _until(lambda: _in_the_file(_path(migrated_sqlite)) >= 1_000)
    finally:
        await db.close()


async def test_a_log_that_somebody_reads_is_copied_when_he_is_done(migrated_sqlite: str) -> None:
    db = open_database(migrated_sqlite)
    reader = make_engine(parse_url(migrated_sqlite), read_only=True).connect()
    try:
        await db.write(_marking(0))
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM marks").all()
        for n in range(1, _WORKS):
            await db.write(_marking(n))  # nobody waits for him
        assert _in_the_file(_path(migrated_sqlite)) <= _ROWS
        reader.exec_driver_sql("COMMIT")
        for n in range(_WORKS, 2 * _WORKS):
            await db.write(_marking(n))
        await _until(lambda: _in_the_file(_path(migrated_sqlite)) >= _WORKS * _ROWS)
    finally:
        reader.close()
        await db.close()


def _marking(n: int) -> Callable[[Connection], object]:
    rows = [{"name": f"{n}-{m}", "value": b"x" * 40} for m in range(_ROWS)]
    return lambda conn: conn.execute(insert(marks), rows)


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _in_the_file(path: Path) -> int:
    """The marks that are found without the log; 0 while pages are being copied."""
    conn = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    try:
        return int(conn.execute("SELECT count(*) FROM marks").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0
    finally:
        conn.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.02)
