"""Call set-up through Maskline beside the same Asterisk with a bare `Dial`.

`python -m bench.calls [rate|most]`: both parts, or the first or second alone.

1. At 30 set-ups a second, in alternating rounds: Asterisk's CPU a call, Maskline's own CPU a call
   (controller, API, ingestion, until the last record is written), post-dial delay (INVITE to 180,
   by a callee who rings at once: the harshest reading, for a real phone takes a second or more).
2. The rate at which the bare Asterisk begins to fail, and that at which Maskline does; if this one
   is over 60 % of the former, Maskline there for twice as long. SIPp runs on the same cores.

Maskline's guard `max_cps` (usually 60 a processor) is out of the way here: it turns calls away long
before they fail, so that those that were begun ring at once, and would be all that part 2 measures.

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
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
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
RAMP = tuple(float(rate) for rate in range(300, 581, 40))
MASKED_RAMP = tuple(float(rate) for rate in range(160, 401, 30))
RAMP_S = 8.0
SHARE = 0.6
NO_GUARD = 1_000  # calls a second: more than anybody places here
BOUNDS = (1.3, 0.6, 1.5)  # Asterisk's CPU, Maskline's own, post-dial delay


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

    def __init__(
        self,
        maskline: Maskline,
        bares: dict[Bare, tuple[int, tuple[str, int]]],
        scenario: str = "caller",
    ) -> None:
        """`bares`: pid and SIP address of each bare one."""
        self.maskline, self.bares, self.scenario = maskline, bares, scenario
        self.sipp = sipp_command()
        self.folder = maskline.data.parent
        self.masked_rows: list[tuple[str, ...]] = []
        self.bare_rows: list[tuple[str, ...]] = [
            (f"+7926{n:07d}", f"+7916{n:07d}") for n in range(PAIRS)
        ]
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
        outcome = await self.place(Load(sip, self.bare_rows, rate, seconds, self.scenario))
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
        sip = self.maskline.sip_address
        outcome = await self.place(Load(sip, self.masked_rows, rate, seconds, self.scenario))
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


async def main(parts: Collection[str]) -> int:
    """Run `parts` and print the tables; 1 if a bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text)
        options = {"max_calls": "5000", "max_cps": str(NO_GUARD)}
        maskline = Maskline(folder / "data", rtp="20000-29999", options=options)
        await maskline.start()
        try:
            limits: dict[str, Any] = {"max_channels": 10_000, "max_cps": NO_GUARD}
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
                return await measure(bench, parts)
        finally:
            await maskline.stop()
            await maskline.kill()


async def measure(bench: Bench, parts: Collection[str]) -> int:
    """Those parts, and 1 if a bound is broken."""
    at_rate = "rate" not in parts or await compare(bench)
    at_most = "most" not in parts or await press(bench)
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


def table(
    name: str, bare: list[Round], masked: list[Round], most: tuple[float | None, ...] = BOUNDS
) -> bool:
    """Print Maskline beside one bare Asterisk; whether the bounds hold.

    `most`: of Asterisk's CPU, of Maskline's own, of the median delay.
    """
    floor = median(bare, asterisk)
    delays = [median(side, lambda one: one.outcome.median_ms) for side in (bare, masked)]
    late = [median(side, lambda one: one.outcome.p99_ms) for side in (bare, masked)]
    rows: Iterable[tuple[str, float, float, float | None]] = (
        ("Asterisk's CPU a call, ms", floor, median(masked, asterisk), most[0]),
        ("Maskline's own CPU a call, ms", floor, median(masked, own), most[1]),
        ("post-dial delay, median, ms", delays[0], delays[1], most[2]),
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
    """Part 2; whether no call failed at `SHARE` of the rate at which the bare one begins to."""
    await bench.bare(RATE, WARM_UP_S)
    await bench.masked(RATE, WARM_UP_S)
    begins = await _begins(RAMP, partial(_bare_at, bench))
    masked = await _begins(MASKED_RAMP, partial(_masked_at, bench))
    print(
        f"the bare one begins to fail at {begins:.0f}/s, Maskline at {masked:.0f}/s, "
        f"{masked / begins:.0%} of that; bound: over {SHARE:.0%}",
        flush=True,
    )
    return masked > SHARE * begins and not await _masked_at(bench, SHARE * begins, 2 * RAMP_S)


async def _begins(rates: Sequence[float], failed: Callable[[float], Awaitable[int]]) -> float:
    """The first of `rates` at which a call fails; the last if none does."""
    for rate in rates[:-1]:
        if await failed(rate):
            return rate
    return rates[-1]


async def _bare_at(bench: Bench, rate: float) -> int:
    """Print a round with the bare one; how many calls failed."""
    one = (await bench.bare(rate, RAMP_S)).outcome
    print(
        f"bare at {rate:.0f}/s: {one.failed} of {one.calls} failed; post-dial delay "
        f"{one.median_ms:.0f} ms, p99 {one.p99_ms:.0f}",
        flush=True,
    )
    return one.failed


async def _masked_at(bench: Bench, rate: float, seconds: float = RAMP_S) -> int:
    """Print a round through Maskline; how many calls failed."""
    loaded = await bench.masked(rate, seconds)
    one = loaded.outcome
    print(
        f"Maskline at {rate:.0f}/s: {one.failed} of {one.calls} failed; post-dial delay "
        f"{one.median_ms:.0f} ms, p99 {one.p99_ms:.0f}; machine idle {loaded.idle:.0%}; "
        f"CPU a call: Asterisk {loaded.asterisk_ms:.1f} ms, own {loaded.own_ms:.1f}",
        flush=True,
    )
    return one.failed


def asterisk(one: Round) -> float:
    """Asterisk's CPU a call, ms."""
    return one.asterisk_ms


def own(one: Round) -> float:
    """Maskline's own CPU a call, ms."""
    return one.own_ms


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:] or ("rate", "most"))))
