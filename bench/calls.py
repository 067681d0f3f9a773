"""Call set-up through Maskline beside the same Asterisk with a bare `Dial`: `python -m bench.calls`.

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

import psutil

from bench.bare_asterisk import bare_asterisk
from bench.sipp_load import Load, Outcome, callees, run
from maskline.toolbox import ToolboxSettings, find_asterisk
from tests.support.maskline import Maskline, free_sip_port, sipp_command

CALLERS, CALLEES = ("127.0.0.120", 5080), ("127.0.0.121", 5080)
PAIRS = 400
ROUNDS = 2
RATE, SECONDS = 30.0, 8.0
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

    async def load(
        self, target: tuple[str, int], rows: list[tuple[str, str]], rate: float, seconds: float
    ) -> Outcome:
        """Place the calls."""
        self.count += 1
        folder = self.folder / f"load-{self.count}"
        return await run(self.sipp, Load(target, rows, rate, seconds), *CALLERS, folder)

    async def bare(self, rate: float, seconds: float) -> Round:
        """One round with the bare Asterisk."""
        began = cpu_s(self.bare_pid)
        outcome = await self.load(self.bare_sip, self.bare_rows, rate, seconds)
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
        outcome = await self.load(self.maskline.sip_address, self.masked_rows, rate, seconds)
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
        """How many calls are on record; asked of the file, so that asking costs Maskline nothing."""
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
            limits = {"max_channels": 10_000, "max_cps": 1_000}
            await maskline.add_trunk("callers", *CALLERS, outbound=False, **limits)
            await maskline.add_trunk("callees", *CALLEES, **limits)
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
    """Both parts."""
    await bench.bare(RATE, 3)
    await bench.masked(RATE, 3)
    bare, masked = [], []
    for _ in range(ROUNDS):
        bare.append(await bench.bare(RATE, SECONDS))
        masked.append(await bench.masked(RATE, SECONDS))
    floor = median(bare, lambda one: one.asterisk_ms)
    rows = (
        ("Asterisk's CPU a call, ms", floor, median(masked, lambda one: one.asterisk_ms), MOST_ASTERISK),
        ("Maskline's own CPU a call, ms", floor, median(masked, lambda one: one.own_ms), MOST_OWN),
        (
            "post-dial delay, median, ms",
            median(bare, lambda one: one.outcome.median_ms),
            median(masked, lambda one: one.outcome.median_ms),
            MOST_DELAY,
        ),
    )  # fmt: skip
    p99 = [median(side, lambda one: one.outcome.p99_ms) for side in (bare, masked)]
    broken = any(one.outcome.failed for one in (*bare, *masked))
    print(f"{RATE:.0f} set-ups/s, {ROUNDS} rounds of {SECONDS:.0f} s, medians")
    print(f"{'':34}{'bare':>9}{'Maskline':>10}{'ratio':>8}{'bound':>8}")
    for name, floor_value, value, bound in rows:
        ratio = value / floor_value
        broken |= ratio > bound
        print(f"{name:34}{floor_value:9.2f}{value:10.2f}{ratio:8.2f}{bound:8.2f}")
    print(f"{'post-dial delay, p99, ms':34}{p99[0]:9.2f}{p99[1]:10.2f}{p99[1] / p99[0]:8.2f}")

    begins = None
    for rate in RAMP:
        one = await bench.bare(rate, RAMP_S)
        print(
            f"bare at {rate:.0f}/s: {one.outcome.failed} of {one.outcome.calls} failed", flush=True
        )
        if one.outcome.failed:
            begins = rate
            break
    rate = SHARE * (begins or RAMP[-1])
    loaded = await bench.masked(rate, 2 * RAMP_S)
    print(
        f"Maskline at {rate:.0f}/s, {SHARE:.0%} of that: {loaded.outcome.failed} of "
        f"{loaded.outcome.calls} failed (bound 0), post-dial delay {loaded.outcome.median_ms:.1f} ms, "
        f"p99 {loaded.outcome.p99_ms:.1f} ms; CPU a call {loaded.asterisk_ms:.2f} + {loaded.own_ms:.2f} ms"
    )
    return int(broken or loaded.outcome.failed > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
