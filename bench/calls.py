"""Call set-up through Maskline beside the same Asterisk with a bare `Dial`.

`python -m bench.calls`

1. At 30 set-ups a second, in alternating rounds: Asterisk's CPU a call, Maskline's own CPU a call
   (controller, API, ingestion, until the last record is written), post-dial delay (INVITE to 180,
   by a callee who rings at once: the harshest reading, for a real phone takes a second or more).
2. The rate at which the bare Asterisk begins to fail, then Maskline at 60 % of it, and how the
   machine's CPU was shared then (SIPp runs on the same cores).

"The same Asterisk" can be read in two ways. With Maskline's own settings (the fewest modules,
messages declined), the difference is what Maskline's way of carrying a call costs and nothing
else; with the settings that Asterisk comes with, it is what somebody sees who has a plain one
today. The first is the harder one and the one that judges; both are printed.

Fails if, against the first, Asterisk's CPU a call is over 1.3 times the bare one's, Maskline's own
over 0.6 of it, the median post-dial delay over 1.5 times, or one call of part 2 fails.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.bare_asterisk import Bare, bare_asterisk
from bench.sipp_load import Load, Outcome, callees, run
from maskline.toolbox import ToolboxSettings, find_asterisk
from tests.support.maskline import Maskline, free_sip_port, sipp_command

CALLERS, CALLEES = ("127.0.0.120", 5080), ("127.0.0.121", 5080)
PAIRS = 400
ROUNDS = 3
RATE, SECONDS, WARM_UP_S = 30.0, 12.0, 3.0
RAMP = tuple(float(rate) for rate in range(260, 541, 40))
RAMP_S = 8.0
SHARE = 0.6
MOST_ASTERISK, MOST_OWN, MOST_DELAY = 1.3, 0.6, 1.5


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one of the two."""

    outcome: Outcome
    asterisk_ms: float  # CPU a call
    own_ms: float = 0.0  # CPU a call, of Maskline without Asterisk
    idle: float = 0.0  # share of the machine's CPU that nobody used


def cpu_s(*pids: int) -> float:
    """User and system time of the processes so far."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


class Bench:
    """Both contestants, up and provisioned."""

    def __init__(self, maskline: Maskline, bares: dict[Bare, tuple[int, tuple[str, int]]]) -> None:
        """`bares`: pid and SIP address of each bare one."""
        self.maskline, self.bares = maskline, bares
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

    async def bare(self, rate: float, seconds: float, kind: Bare = Bare.TUNED) -> Round:
        """One round with a bare Asterisk."""
        pid, sip = self.bares[kind]
        began = cpu_s(pid)
        outcome = await self.place(Load(sip, self.bare_rows, rate, seconds))
        return Round(outcome, 1000 * (cpu_s(pid) - began) / outcome.calls)

    async def masked(self, rate: float, seconds: float) -> Round:
        """One round through Maskline, until every call is on record."""
        asterisk, process = self.maskline.asterisk_pid, self.maskline.process
        assert asterisk is not None
        assert process is not None
        own = [process.pid, *(c.pid for c in psutil.Process(process.pid).children(recursive=True))]
        own = [pid for pid in own if pid != asterisk]
        before = await self.recorded()
        began, own_began = cpu_s(asterisk), cpu_s(*own)
        psutil.cpu_times_percent()
        outcome = await self.place(Load(self.maskline.sip_address, self.masked_rows, rate, seconds))
        idle = psutil.cpu_times_percent().idle / 100
        wanted = before + outcome.calls - outcome.failed
        async with asyncio.timeout(60):
            while await self.recorded() < wanted:
                await asyncio.sleep(0.5)
        calls = outcome.calls
        return Round(
            outcome,
            1000 * (cpu_s(asterisk) - began) / calls,
            1000 * (cpu_s(*own) - own_began) / calls,
            idle,
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
            like = maskline.data.absolute() / "node"
            bares: dict[Bare, tuple[int, tuple[str, int]]] = {}
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(
                    callees(sipp_command(), *CALLEES, folder / "callees")
                )
                for kind, rtp in zip(Bare, ((40_000, 49_999), (50_000, 59_999)), strict=True):
                    sip = ("127.0.0.1", free_sip_port())
                    bare = bare_asterisk(install, like, folder / kind.value, sip, rtp, kind)
                    bares[kind] = (await stack.enter_async_context(bare), sip)
                bench = Bench(maskline, bares)
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
    bare: dict[Bare, list[Round]] = {kind: [] for kind in Bare}
    masked: list[Round] = []
    for seconds in (WARM_UP_S, *[SECONDS] * ROUNDS):
        for kind, rounds in bare.items():
            rounds.append(await bench.bare(RATE, seconds, kind))
        masked.append(await bench.masked(RATE, seconds))
    for rounds in (*bare.values(), masked):
        del rounds[0]  # the warm-up
    failed = sum(one.outcome.failed for one in (*masked, *bare[Bare.TUNED], *bare[Bare.STOCK]))
    print(f"{RATE:.0f} set-ups/s, {ROUNDS} rounds of {SECONDS:.0f} s, medians; {failed} failed")
    good = not failed
    for kind in Bare:
        within = table(kind.value, bare[kind], masked)
        good &= within or kind is not Bare.TUNED
    return good


def table(name: str, bare: list[Round], masked: list[Round]) -> bool:
    """Print Maskline beside one bare Asterisk; whether the bounds hold."""
    floor = median(bare, asterisk)
    delays = [median(side, lambda one: one.outcome.median_ms) for side in (bare, masked)]
    late = [median(side, lambda one: one.outcome.p99_ms) for side in (bare, masked)]
    rows: Iterable[tuple[str, float, float, float | None]] = (
        ("Asterisk's CPU a call, ms", floor, median(masked, asterisk), MOST_ASTERISK),
        ("Maskline's own CPU a call, ms", floor, median(masked, own), MOST_OWN),
        ("post-dial delay, median, ms", delays[0], delays[1], MOST_DELAY),
        ("post-dial delay, p99, ms", late[0], late[1], None),
    )
    print(f"{'':30}{name + ' bare':>12}{'Maskline':>10}{'ratio':>8}{'bound':>8}")
    good = True
    for what, least, value, bound in rows:
        good &= bound is None or value / least <= bound
        limit = "" if bound is None else f"{bound:8.2f}"
        print(f"{what:30}{least:12.2f}{value:10.2f}{value / least:8.2f}{limit}", flush=True)
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
    print(f"  the machine was idle for {loaded.idle:.0%} of the time")
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
