"""Call set-up through Maskline beside the same Asterisk with a bare `Dial`.

`python -m bench.calls`

1. At 30 set-ups a second, in alternating rounds: Asterisk's CPU a call, Maskline's own CPU a call
   (controller, API, ingestion, until the last record is written), post-dial delay (INVITE to 180).
2. The rate at which the bare Asterisk begins to fail, then Maskline at 60 % of it.

Fails if Asterisk's CPU a call is over 1.3 times the bare one's, Maskline's own over 0.6 of it, the
median post-dial delay over 1.5 times, or one call of part 2 fails.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.bare_asterisk import bare_asterisk
from bench.sipp_load import Load, Outcome, callees, run
from maskline.toolbox import ToolboxSettings, find_asterisk
from tests.support.maskline import Maskline, free_sip_port, sipp_command

CALLERS, CALLEES = ("127.0.0.120", 5080), ("127.0.0.121", 5080)
PAIRS = 400
ROUNDS = 3
RATE, SECONDS = 30.0, 15.0
RAMP = tuple(float(rate) for rate in range(100, 501, 40))
RAMP_S = 8.0
SHARE = 0.6
MOST_ASTERISK, MOST_OWN, MOST_DELAY = 1.3, 0.6, 1.5


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one of the two."""

    outcome: Outcome
    asterisk_ms: float  # CPU a call
    own_ms: float = 0.0  # CPU a call, of Maskline without Asterisk


def cpu_s(*pids: int) -> float:
    """User and system time of the processes so far."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


class Bench:
    """Both contestants, up and provisioned."""

    def __init__(self, maskline: Maskline, bare_pid: int, bare: tuple[str, int]) -> None:
        self.maskline, self.bare_pid, self.bare_sip = maskline, bare_pid, bare
        self.sipp = sipp_command()
        self.folder = maskline.data.parent
        self.masked_rows: list[tuple[str, str]] = []
        self.bare_rows = [(f"+7926{n:07d}", f"+7916{n:07d}") for n in range(PAIRS)]
        self.count = 0

    async def provision(self) -> None:
        """Sessions between pairs of phones; the callers of all of them."""
        for n in range(PAIRS):
            session = await self.maskline.open_session(f"+7916{n:07d}", f"+7926{n:07d}")
            self.masked_rows.append((session.buyer_dials, session.buyer))

    async def place(self, load: Load) -> Outcome:
        """Place the calls of `load`."""
        self.count += 1
        return await run(self.sipp, load, *CALLERS, self.folder / f"load-{self.count}")

    async def bare(self, rate: float, seconds: float) -> Round:
        """One round with the bare Asterisk."""
        began = cpu_s(self.bare_pid)
        outcome = await self.place(Load(self.bare_sip, self.bare_rows, rate, seconds))
        return Round(outcome, 1000 * (cpu_s(self.bare_pid) - began) / outcome.calls)

    async def masked(self, rate: float, seconds: float) -> Round:
        """One round through Maskline, until every call is on record."""
        asterisk, process = self.maskline.asterisk_pid, self.maskline.process
        assert asterisk is not None
        assert process is not None
        own = [process.pid, *(c.pid for c in psutil.Process(process.pid).children(recursive=True))]
        own = [pid for pid in own if pid != asterisk]
        before = await self.recorded()
        began, own_began = cpu_s(asterisk), cpu_s(*own)
        outcome = await self.place(Load(self.maskline.sip_address, self.masked_rows, rate, seconds))
        wanted = before + outcome.calls - outcome.failed
        async with asyncio.timeout(60):
            while await self.recorded() < wanted:
                await asyncio.sleep(0.5)
        calls = outcome.calls
        return Round(
            outcome,
            1000 * (cpu_s(asterisk) - began) / calls,
            1000 * (cpu_s(*own) - own_began) / calls,
        )

    async def recorded(self) -> int:
        """How many calls are on record; asked of the file: asking costs Maskline nothing."""
        with closing(sqlite3.connect(self.maskline.data / "maskline.db")) as database:
            return int(database.execute("SELECT count(*) FROM calls").fetchone()[0])


def median(rounds: list[Round], figure: Callable[[Round], float]) -> float:
    """The median of a figure over the rounds."""
    return statistics.median(figure(one) for one in rounds)


async def main() -> int:
    """Run all and print the table; 1 if a bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text)
        maskline = Maskline(folder / "data", rtp="20000-29999", options={"max_calls": "5000"})
        await maskline.start()
        try:
            limits: dict[str, Any] = {"max_channels": 10_000, "max_cps": 1_000}
            for name, address in (("callers", CALLERS), ("callees", CALLEES)):
                await maskline.add_trunk(name, *address, outbound=name == "callees", **limits)
            await maskline.add_numbers("callees", *(f"+7495{n:07d}" for n in range(10)))
            install = find_asterisk(ToolboxSettings.from_env(os.environ))
            sip = ("127.0.0.1", free_sip_port())
            like = maskline.data.absolute() / "node"
            async with (
                callees(sipp_command(), *CALLEES, folder / "callees"),
                bare_asterisk(install, like, folder / "bare", sip, (40_000, 49_999)) as bare_pid,
            ):
                bench = Bench(maskline, bare_pid, sip)
                await bench.provision()
                return await measure(bench)
        finally:
            await maskline.stop()
            await maskline.kill()


async def measure(bench: Bench) -> int:
    """Both parts, and 1 if a bound is broken."""
    at_rate = await compare(bench)
    at_most = await press(bench)
    return int(not (at_rate and at_most))


async def compare(bench: Bench) -> bool:
    """Part 1; whether its bounds hold."""
    await bench.bare(RATE, 3)
    await bench.masked(RATE, 3)
    bare, masked = [], []
    for _ in range(ROUNDS):
        bare.append(await bench.bare(RATE, SECONDS))
        masked.append(await bench.masked(RATE, SECONDS))
    floor = median(bare, lambda one: one.asterisk_ms)
    delays = [median(side, lambda one: one.outcome.median_ms) for side in (bare, masked)]
    rows = (
        ("Asterisk's CPU a call, ms", floor, median(masked, asterisk), MOST_ASTERISK),
        ("Maskline's own CPU a call, ms", floor, median(masked, own), MOST_OWN),
        ("post-dial delay, median, ms", delays[0], delays[1], MOST_DELAY),
    )
    failed = sum(one.outcome.failed for one in (*bare, *masked))
    print(f"{RATE:.0f} set-ups/s, {ROUNDS} rounds of {SECONDS:.0f} s, medians; {failed} failed")
    print(f"{'':30}{'bare':>9}{'Maskline':>10}{'ratio':>8}{'bound':>8}")
    good = not failed
    for name, least, value, bound in rows:
        good &= value / least <= bound
        print(f"{name:30}{least:9.2f}{value:10.2f}{value / least:8.2f}{bound:8.2f}")
    late = [median(side, lambda one: one.outcome.p99_ms) for side in (bare, masked)]
    print(f"{'post-dial delay, p99, ms':30}{late[0]:9.2f}{late[1]:10.2f}{late[1] / late[0]:8.2f}")
    return good


async def press(bench: Bench) -> bool:
    """Part 2; whether no call failed."""
    begins = RAMP[-1]
    for rate in RAMP:
        one = (await bench.bare(rate, RAMP_S)).outcome
        print(f"bare at {rate:.0f}/s: {one.failed} of {one.calls} failed", flush=True)
        if one.failed:
            begins = rate
            break
    rate = SHARE * begins
    loaded = await bench.masked(rate, 2 * RAMP_S)
    one = loaded.outcome
    print(f"Maskline at {rate:.0f}/s, {SHARE:.0%} of that: {one.failed} of {one.calls} failed")
    print(f"  post-dial delay {one.median_ms:.1f} ms, p99 {one.p99_ms:.1f} ms")
    print(f"  CPU a call: Asterisk {loaded.asterisk_ms:.2f} ms, Maskline {loaded.own_ms:.2f} ms")
    return not one.failed


def asterisk(one: Round) -> float:
    """Asterisk's CPU a call, ms."""
    return one.asterisk_ms


def own(one: Round) -> float:
    """Maskline's own CPU a call, ms."""
    return one.own_ms


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
