"""The ingester beside bare SQL, in one run: `python -m bench.ingest`.

Both end with the same rows of the same calls in the same kind of SQLite file, in transactions of
the same number of calls, on the disk after each (synchronous=FULL). The bare side is handed the
rows ready made; ours reads the event file, folds, joins the sessions, stages what is open, and
keeps its checkpoint. Rounds alternate; medians are compared.

- together: each call's rows follow one another, as with little traffic;
- mixed: 60 calls a second, answered ones talk 30 s: every long call is staged and taken up again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from bench.ingest_calls import NODE, SESSIONS, START_S, add_sessions, rows_mixed, rows_together
from cdr.ingest import Ingester
from masking.model import Phone
from storage import migrate, open_database
from storage.schema import call_log_entries, calls, history_entries, outbox
from storage.vault import Vault, VaultKeys

CALLS = 3_000
ROUNDS = 5
MOST_CPU_MS = 0.6  # a call, on the machine this was written on
MOST_RATIO = 12.0
TABLES = (calls, history_entries, call_log_entries, outbox)
_NOTE_CALL = "UPDATE sessions SET last_call_at = ? WHERE id = ?"
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a round took, per call."""

    cpu_ms: float
    wall_ms: float


async def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="maskline-bench-ingest-"))
    try:
        return await _compare(folder)
    finally:
        shutil.rmtree(folder)


async def _compare(folder: Path) -> int:
    vault = Vault(VaultKeys.generate())
    template = folder / "template.db"
    url = f"sqlite:///{template}"
    await migrate(url)
    db = open_database(url)
    phones = (Phone("+79161234567"), Phone("+79267654321"))
    await db.write(lambda conn: add_sessions(conn, vault, phones))
    await db.close()

    failed = False
    print(f"{CALLS} calls, {SESSIONS} sessions, medians of {ROUNDS} alternating rounds; per call:")
    print(f"{'':10}{'bare CPU':>12}{'ours CPU':>12}{'ratio':>8}{'ours wall':>12}{'calls/s':>10}")
    for name, make in (("together", rows_together), ("mixed", rows_mixed)):
        raw = make(CALLS)
        bare, ours = await _rounds(folder, template, vault, raw)
        ratio = ours.cpu_ms / bare.cpu_ms
        print(
            f"{name:10}{bare.cpu_ms:>9.3f} ms{ours.cpu_ms:>9.3f} ms{ratio:>8.1f}"
            f"{ours.wall_ms:>9.3f} ms{1000 / ours.wall_ms:>10.0f}"
        )
        failed |= ratio > MOST_RATIO
        if ours.cpu_ms > MOST_CPU_MS:
            print(f"  over the {MOST_CPU_MS} ms that were aimed at")
    if failed:
        print(f"FAILED: over {MOST_RATIO} times the bare insert")
    return int(failed)


async def _rounds(folder: Path, template: Path, vault: Vault, raw: bytes) -> tuple[Spent, Spent]:
    bare: list[Spent] = []
    ours: list[Spent] = []
    rows: Rows | None = None
    batch = 50
    for n in range(ROUNDS):
        place = folder / f"round-{n}"
        place.mkdir()
        spent, rows, batch = await _ours(place, template, vault, raw)
        ours.append(spent)
        bare.append(await _bare(place, template, rows, batch))
        shutil.rmtree(place)
    return _median(bare), _median(ours)


async def _ours(place: Path, template: Path, vault: Vault, raw: bytes) -> tuple[Spent, Rows, int]:
    """One ingest of the whole file; also the rows that came of it, and the calls per batch."""
    shutil.copy(template, place / "ours.db")
    (place / "events.jsonl").write_bytes(raw)
    db = open_database(f"sqlite:///{place / 'ours.db'}")
    await db.read(lambda conn: conn.execute(select(calls.c.call_id).limit(1)).all())
    ingester = Ingester(db, vault, place, NODE, lambda: datetime.fromtimestamp(START_S, UTC))
    spent = await _measure(ingester.drain)
    await db.close()
    stats = ingester.stats
    if stats.recorded != CALLS:
        msg = f"{stats.recorded} of {CALLS} calls were recorded"
        raise RuntimeError(msg)
    return spent, _rows_of(place / "ours.db"), max(1, CALLS // stats.batches)


def _rows_of(path: Path) -> Rows:
    conn = sqlite3.connect(path)
    try:
        return {
            table.name: conn.execute(f"SELECT * FROM {table.name}").fetchall()  # noqa: S608
            for table in TABLES
        }
    finally:
        conn.close()


def _call_of(table: Table, row: tuple[Any, ...]) -> str:
    names = list(table.c.keys())
    if table is outbox:
        return str(row[names.index("key")]).split()[1]
    return str(row[names.index("call_id")])


def _note(rows: dict[str, list[tuple[Any, ...]]]) -> tuple[Any, ...]:
    row = dict(zip(calls.c.keys(), rows[calls.name][0], strict=True))
    return row["ended_at"], row["session_id"]


async def _bare(place: Path, template: Path, rows: Rows, batch: int) -> Spent:
    """The same rows, handed over in the same order by executemany."""
    shutil.copy(template, place / "bare.db")
    conn = sqlite3.connect(place / "bare.db", isolation_level=None)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    by_call: dict[str, dict[str, list[tuple[Any, ...]]]] = {}
    for table in TABLES:
        for row in rows[table.name]:
            by_call.setdefault(_call_of(table, row), {}).setdefault(table.name, []).append(row)
    statements = {
        table.name: f"INSERT INTO {table.name} VALUES ({','.join('?' * len(table.c))})"  # noqa: S608
        for table in TABLES
    }
    order = list(by_call.values())

    async def insert() -> None:
        for begin in range(0, len(order), batch):
            conn.execute("BEGIN IMMEDIATE")
            for name, statement in statements.items():
                calls_now = order[begin : begin + batch]
                conn.executemany(statement, [row for one in calls_now for row in one.get(name, ())])
            conn.executemany(_NOTE_CALL, [_note(one) for one in order[begin : begin + batch]])
            conn.execute("COMMIT")

    spent = await _measure(insert)
    conn.close()
    return spent


async def _measure(work: Callable[[], Coroutine[Any, Any, None]]) -> Spent:
    os.sync()
    cpu, wall = time.process_time(), time.perf_counter()
    await work()
    return Spent(
        (time.process_time() - cpu) * 1000 / CALLS, (time.perf_counter() - wall) * 1000 / CALLS
    )


def _median(spent: list[Spent]) -> Spent:
    return Spent(
        statistics.median(one.cpu_ms for one in spent),
        statistics.median(one.wall_ms for one in spent),
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
