"""A bounded SIPp load on one SIP address, and what SIPp counted of it."""

from __future__ import annotations

import asyncio
import csv
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from maskline.demo.sipp import is_bound

SCENARIOS = Path(__file__).parent / "sipp"
SETTLE_S = 40  # how long SIPp may take beyond the load itself: all retransmissions of an INVITE


@dataclass(frozen=True, slots=True)
class Load:
    """`rate` call set-ups a second for `seconds`, to `target`; each row is (dialled, from, …)."""

    target: tuple[str, int]
    rows: Sequence[tuple[str, ...]]
    rate: float
    seconds: float
    scenario: str = "caller"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What SIPp saw."""

    calls: int
    failed: int
    ringing_ms: tuple[float, ...]  # INVITE to 180, of every call that rang

    @property
    def median_ms(self) -> float:
        """Median post-dial delay."""
        return statistics.median(self.ringing_ms)

    @property
    def p99_ms(self) -> float:
        """99th percentile of the post-dial delay."""
        return sorted(self.ringing_ms)[int(len(self.ringing_ms) * 0.99)]


@asynccontextmanager
async def callees(sipp: Sequence[str], host: str, port: int, folder: Path) -> AsyncIterator[None]:
    """Phones at `host`:`port` that answer, for as long as the context lasts (an hour at most)."""
    folder.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *sipp, *("-sf", str(SCENARIOS / "callee.xml"), "-i", host, "-p", str(port), "-nostdin"),
        *("-mp", "30000", "-timeout", "3600s", "-skip_rlimit"),
        cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(10):
            while not is_bound(host, port):
                await asyncio.sleep(0.01)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(sipp: Sequence[str], load: Load, host: str, port: int, folder: Path) -> Outcome:
    """Place the calls from `host`:`port` and wait until all have ended."""
    folder.mkdir(parents=True, exist_ok=True)
    calls = round(load.rate * load.seconds)
    rows = folder / "rows.csv"
    scenario = SCENARIOS / f"{load.scenario}.xml"
    rows.write_text("SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in load.rows))
    process = await asyncio.create_subprocess_exec(
        *sipp, *("-sf", str(scenario), "-i", host, "-p", str(port), "-nostdin"),
        *("-inf", str(rows), "-m", str(calls), "-r", f"{load.rate:g}", "-l", "5000"),
        *("-mp", "35000", "-timeout", f"{load.seconds + SETTLE_S:.0f}s", "-timeout_error"),
        *("-trace_stat", "-fd", "1", "-stf", str(folder / "stat.csv"), "-skip_rlimit"),
        *("-trace_rtt", "-rtt_freq", "1", f"{load.target[0]}:{load.target[1]}"),
        cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(load.seconds + SETTLE_S + 10):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _outcome(folder, calls)


def _outcome(folder: Path, calls: int) -> Outcome:
    with (folder / "stat.csv").open() as table:
        last = list(csv.DictReader(table, delimiter=";"))[-1]
    good = int(last["SuccessfulCall(C)"])
    delays: list[float] = []
    for path in folder.glob("*_rtt.csv"):
        with path.open() as table:
            rows = list(csv.reader(table, delimiter=";"))[1:]
        delays.extend(float(row[1]) for row in rows)
    return Outcome(calls, calls - good, tuple(delays))
