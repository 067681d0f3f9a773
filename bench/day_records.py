"""A day's calls through ingestion: `python -m bench.day_records [--calls N]`.

The event rows of N calls (a million a day; a tenth of it where nothing is said), 60 a second and
all mixed, are read, folded, and kept with their entries of history and call log, their notices,
their places in the ledger and what analytics counts: in pieces, each into the file that the
ingester follows, so that neither the disk nor memory holds the whole day. Making the rows is not
measured. Fails if a million would take longer than MOST_S at the rate of the slowest tenth, or if
memory grew from the second tenth to the last by more than MOST_GROWTH_MB.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from bench.ingest_calls import NODE, START_S, add_sessions, rows_mixed
from cdr.beside import Beside
from cdr.ingest import Ingester
from masking.model import Phone
from storage import migrate, open_database
from storage.schema import call_log_entries, calls, history_entries, outbox
from storage.vault import Vault

A_DAY: Final = 1_000_000
MOST_S: Final = 20 * 60.0
MOST_GROWTH_MB: Final = 64.0
PIECES: Final = 10
_SESSIONS: Final = 20_000
_AT_ONCE: Final = 2_000  # sessions that are written together


async def main(count: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="maskline-bench-day-"))
    try:
        return await _live(folder, count)
    finally:
        shutil.rmtree(folder)


async def _live(folder: Path, count: int) -> int:
    vault = Vault.from_file(folder / "vault.key")
    url = f"sqlite:///{folder / 'day.db'}"
    await migrate(url)
    db = open_database(url)
    phones = (Phone("+79161234567"), Phone("+79267654321"))
    for first in range(0, _SESSIONS, _AT_ONCE):
        which = range(first, first + _AT_ONCE)
        await db.write(lambda conn, which=which: add_sessions(conn, vault, phones, which))  # type: ignore[misc]
    clock = datetime.fromtimestamp(START_S, UTC)
    spool = folder / "spool"
    spool.mkdir()
    ingester = Ingester(
        db, vault, spool, NODE, lambda: clock, beside=Beside(url, folder / "vault.key")
    )
    piece, took, memory = count // PIECES, [], []
    print(f"{count:,} calls in {PIECES} pieces, {_SESSIONS:,} sessions, SQLite:")
    for n in range(PIECES):
        live = spool / "events.jsonl"
        live.unlink(missing_ok=True)  # all of it was read
        live.write_bytes(rows_mixed(piece, n * piece, _SESSIONS))
        clock += timedelta(days=1) / PIECES
        gc.collect()
        began_s = time.perf_counter()
        await ingester.drain()
        took.append(time.perf_counter() - began_s)
        memory.append(_resident_mb())
        print(
            f"  {n + 1:>3}: {piece / took[-1]:>6.0f} calls/s, {memory[-1]:>5.0f} MB resident",
            flush=True,
        )
    await ingester.close()
    kept = await db.read(_kept)
    await db.close()
    whole_s = A_DAY / piece * max(took)
    grown_mb = memory[-1] - memory[1]
    print(
        f"{sum(took):.0f} s in all; a million at the slowest piece's rate {whole_s / 60:.1f} min; "
        f"memory {grown_mb:+.0f} MB from the second piece to the last; rows {kept}"
    )
    wrong = kept[0] != kept[1] or kept[0] != piece * PIECES
    failed = wrong or whole_s > MOST_S or grown_mb > MOST_GROWTH_MB
    said = "FAILED" if failed else "met"
    print(
        f"{said}: no call lost, {MOST_S / 60:.0f} min at most ({A_DAY / MOST_S:.0f} calls/s in the "
        f"slowest piece), {MOST_GROWTH_MB:.0f} MB more at most; {count:,} of {A_DAY:,} were run"
    )
    return int(failed)


def _kept(conn: Connection) -> list[int]:
    """Records, entries of histories, of call logs, notices."""
    tables = (calls, history_entries, call_log_entries, outbox)
    return [conn.execute(select(func.count()).select_from(one)).scalar_one() for one in tables]


def _resident_mb() -> float:
    """Without what is a file's: SQLite reads through a mapping of it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1000


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)  # as Maskline's processes do
    chosen = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    chosen.add_argument("--calls", type=int, default=A_DAY // 10)
    sys.exit(asyncio.run(main(chosen.parse_args().calls)))
