"""The ingester beside bare SQL, in one run, on SQLite and on PostgreSQL: `python -m bench.ingest`.

Both end with the same rows of the same calls in the same kind of database, in transactions of the
same number of calls, on the disk after each. The bare side is handed the rows ready made, and runs
one executemany for each table; ours reads the event file, folds, joins the sessions, chains,
counts, stages what is open, and keeps its checkpoint. Rounds alternate; medians are compared.

The CPU told is that of the ingester's own process; what helps it beside has its own.

- together: each call's rows follow one another, as with little traffic;
- mixed: 60 calls a second, answered ones talk 30 s: every long call is staged and taken up again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select

from bench.ingest_bare import BareRows, OnPostgres, OnSqlite, Place, by_call
from bench.ingest_calls import NODE, SESSIONS, START_S, add_sessions, rows_mixed, rows_together
from cdr.beside import Beside
from cdr.ingest import Ingester
from masking.model import Phone
from storage import migrate, open_database
from storage.schema import calls
from storage.vault import Vault
from tests.support.postgres import PostgresMissing, running_postgres

CALLS: Final = 12_000
ROUNDS: Final = 3
LEAST_RATE: Final = 1_500.0  # calls a second, by the clock
LEAST_RATIO: Final = 0.3  # of the bare side's rate
# What a server in use is set to; only the sockets and the memory are for this.
_SERVER: Final = {"listen_addresses": "", "shared_buffers": "128MB", "max_connections": "20"}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a round took, per call."""

    cpu_ms: float  # of this process
    wall_ms: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return 1000 / self.wall_ms


async def main() -> int:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="maskline-bench-ingest-"))
        stack.callback(shutil.rmtree, folder)
        vault = Vault.from_file(folder / "vault.key")
        met = True
        places: list[Place] = [OnSqlite(folder)]
        try:
            places.append(OnPostgres(stack.enter_context(running_postgres(_SERVER))))
        except PostgresMissing as missing:
            print(f"without PostgreSQL: {missing}")
        print(f"{CALLS} calls, {SESSIONS} sessions, medians of {ROUNDS} alternating rounds:")
        print(f"{'':22}{'bare':>10}{'ours':>10}{'ratio':>8}{'bare CPU':>13}{'ours CPU':>13}")
        for place in places:
            await _furnish(place, vault)
            for name, make in (("together", rows_together), ("mixed", rows_mixed)):
                bare, ours = await _rounds(folder, place, vault, make(CALLS))
                ratio = ours.rate / bare.rate
                print(
                    f"{place.name:12}{name:10}{bare.rate:>8.0f}/s{ours.rate:>8.0f}/s{ratio:>8.2f}"
                    f"{bare.cpu_ms:>10.3f} ms{ours.cpu_ms:>10.3f} ms  {_verdict(ours.rate, ratio)}",
                    flush=True,
                )
                met &= ratio >= LEAST_RATIO and ours.rate >= LEAST_RATE
    said = "met" if met else "FAILED"
    print(f"{said}: {LEAST_RATE:.0f} calls/s at least, and {LEAST_RATIO} of the bare rate")
    return int(not met)


def _verdict(rate: float, ratio: float) -> str:
    """Which of the bounds are missed."""
    missed = [
        *(["rate"] if rate < LEAST_RATE else []),
        *(["ratio"] if ratio < LEAST_RATIO else []),
    ]
    return f"missed: {', '.join(missed)}" if missed else "met"


async def _furnish(place: Place, vault: Vault) -> None:
    """The sessions of the calls, in what every round begins with."""
    await migrate(place.template)
    db = open_database(place.template)
    phones = (Phone("+79161234567"), Phone("+79267654321"))
    await db.write(lambda conn: add_sessions(conn, vault, phones))
    await db.close()


async def _rounds(folder: Path, place: Place, vault: Vault, raw: bytes) -> tuple[Spent, Spent]:
    bare: list[Spent] = []
    ours: list[Spent] = []
    for n in range(ROUNDS):
        spool = folder / f"spool-{n}"
        spool.mkdir()
        url = place.fresh("ours")
        spent, batch = await _ours(spool, url, vault, raw)
        ours.append(spent)
        rows = await place.rows(url)
        place.drop("ours")
        bare.append(await _bare(place, rows, batch))
        shutil.rmtree(spool)
    return _median(bare), _median(ours)


async def _ours(spool: Path, url: str, vault: Vault, raw: bytes) -> tuple[Spent, int]:
    """One ingest of the whole file; also the calls per batch."""
    (spool / "events.jsonl").write_bytes(raw)
    db = open_database(url)
    await db.read(lambda conn: conn.execute(select(calls.c.call_id).limit(1)).all())
    assert vault.path is not None
    beside = Beside(url, vault.path)  # as far behind as it is, it soon starts another process
    now = datetime.fromtimestamp(START_S, UTC)
    ingester = Ingester(db, vault, spool, NODE, lambda: now, beside=beside)
    spent = await _measure(ingester.drain)
    await ingester.close()
    await db.close()
    stats = ingester.stats
    if stats.recorded != CALLS:
        msg = f"{stats.recorded} of {CALLS} calls were recorded"
        raise RuntimeError(msg)
    return spent, max(1, CALLS // stats.batches)


async def _bare(place: Place, rows: BareRows, batch: int) -> Spent:
    """The same rows, handed over in the same order by executemany."""
    url = place.fresh("bare")
    order = by_call(rows)
    async with place.connected(url) as insert:

        async def work() -> None:
            for begin in range(0, len(order), batch):
                await insert(order[begin : begin + batch])

        spent = await _measure(work)
    place.drop("bare")
    return spent


async def _measure(work: Callable[[], Awaitable[None]]) -> Spent:
    os.sync()
    gc.collect()
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
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)  # as Maskline's processes do
    sys.exit(asyncio.run(main()))
