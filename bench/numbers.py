"""A million live sessions beside a thousand, on SQLite and PostgreSQL: `python -m bench.numbers`.

Both have 2,000 numbers. Measured where a session is kept: one is opened, a caller's route is looked
up. Beside them, in the same database: the same rows inserted bare (the driver's own calls, one
transaction a session), and one bare query over the same index. Rounds alternate, look-ups by the
hundred: a machine that others use is half as fast from one second to the next. Ratios are taken
within a round, and their medians judged. Both sides are on the disk before they count as done, meet
the same settled server, and have buyers of their own, whose pages nobody touched before them.
Fails if a session or a look-up takes over 1.2 times as long with the million, if the p99 of
look-ups is 5 ms or more over that of the bare query, or if sessions open at less than half the rate
of the bare rows.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench.numbers_filled import copied, filled, server_settings
from bench.numbers_sides import PostgresBare, Rows, Side, SqliteBare
from storage import open_database
from tests.support.postgres import PostgresServer, running_postgres

SMALL, LARGE = 1_000, 1_000_000
ROUNDS = 7
OPENED = 400  # sessions a round, of each kind
LOOKED_UP = 2_000
IN_TURN = 100  # look-ups of one database, then as many of the other
AT_ONCE = 8
MOST_GROWTH = 1.2
MOST_TAIL_MS = 5.0
LEAST_RATE = 0.5
KINDS = ("opened", "opened_at_once", "bare_opened", "looked_up", "bare_looked_up")


@dataclass(slots=True)
class Found:
    """What was measured of one database: for every round the time of each, in milliseconds."""

    each_ms: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    p99_ms: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, kind: str, each_ms: float, took_s: Sequence[float]) -> None:
        """Note a round of `kind`."""
        self.each_ms[kind].append(each_ms)
        self.p99_ms[kind].append(statistics.quantiles(took_s, n=100)[98] * 1000)


async def timed(
    works: Sequence[Callable[[], Awaitable[object]]], at_once: int
) -> tuple[float, list[float]]:
    """Milliseconds a work when `at_once` run together, and how long each took, in seconds."""
    took: list[float] = []
    waiting = iter(works)

    async def run() -> None:
        for work in waiting:
            begun = time.perf_counter()
            await work()
            took.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(at_once)))
    return (time.perf_counter() - begun) * 1000 / len(works), took


async def measure(
    side: Side, found: Found, serial: int, rows: Sequence[Rows], *, bare_first: bool
) -> None:
    """Open sessions in one database, which is as before afterwards; `rows` are inserted bare."""
    # Each kind has buyers of its own: nobody finds the pages of an index warmed by another.
    alone, at_once = (range(serial + OPENED * n, serial + OPENED * (n + 1)) for n in (1, 2))

    async def bare() -> None:
        await _note(side, found, "bare_opened", [side.bare.insert(row) for row in rows])

    async def ours() -> None:
        await _note(side, found, "opened", [side.opening(n) for n in alone])
        works = [side.opening(n) for n in at_once]
        await _note(side, found, "opened_at_once", works, AT_ONCE)

    for step in (bare, ours) if bare_first else (ours, bare):
        await step()


async def _note(
    side: Side,
    found: Found,
    kind: str,
    works: Sequence[Callable[[], Awaitable[object]]],
    at_once: int = 1,
) -> None:
    await side.settle()
    gc.collect()
    gc.disable()
    each_ms, took_s = await timed(works, at_once)
    gc.enable()
    found.add(kind, each_ms, took_s)
    await side.forget()


async def look_up(found: dict[Side, Found], seed: int, *, bare_first: bool) -> None:
    """One round of look-ups, of all sides in turn."""
    places = {side: await side.places(LOOKED_UP, random.Random(seed)) for side in found}
    bare = {side: [side.bare.look_up(place) for place in places[side]] for side in found}
    ours = {side: [side.look_up(place) for place in places[side]] for side in found}
    both = ("bare_looked_up", bare), ("looked_up", ours)
    for kind, works in both if bare_first else both[::-1]:
        for side in found:
            await side.settle()
        gc.collect()
        gc.disable()
        each_ms: dict[Side, list[float]] = {side: [] for side in found}
        took_s: dict[Side, list[float]] = {side: [] for side in found}
        for number, first in enumerate(range(0, LOOKED_UP, IN_TURN)):
            for side in list(found)[:: 1 if number % 2 else -1]:
                each, took = await timed(works[side][first : first + IN_TURN], 1)
                each_ms[side].append(each)
                took_s[side].extend(took)
        gc.enable()
        for side, one in found.items():
            one.add(kind, statistics.mean(each_ms[side]), took_s[side])


@asynccontextmanager
async def sqlite_side(path: Path, total: int) -> AsyncIterator[Side]:
    db, bare = open_database(f"sqlite:///{path}"), SqliteBare(path)
    try:
        yield Side(db, bare, total)
    finally:
        await bare.close()
        await db.close()


@asynccontextmanager
async def postgres_side(url: str, total: int) -> AsyncIterator[Side]:
    db, bare = open_database(url), await PostgresBare.connect(url)
    try:
        yield Side(db, bare, total)
    finally:
        await bare.close()
        await db.close()


async def compare(name: str, small: Side, large: Side, rounds: int) -> bool:
    """Measure both in alternating rounds; whether every bound is kept."""
    sides = (small, large)
    found = {side: Found() for side in sides}
    for side in sides:
        await side.forget()  # what a run left that was broken off
        for some in range(side.bare.warm_up // LOOKED_UP):
            for place in await side.places(LOOKED_UP, random.Random(some)):
                await side.look_up(place)()
    # Ahead, because it writes them too, if only to undo it: that leaves pages warm, and in the log.
    serials = [(number + 1) * 10 * OPENED for number in range(rounds + 1)]
    bare = {side: [await side.rows_of(range(n, n + OPENED)) for n in serials] for side in sides}
    for side in sides:
        await side.bare.begin()
    for number, serial in enumerate(serials):
        into = found if number else {side: Found() for side in sides}  # the first warms up
        bare_first = bool(number // 2 % 2)
        for side in sides if number % 2 else sides[::-1]:
            await measure(side, into[side], serial, bare[side][number], bare_first=bare_first)
        await look_up(into, serial, bare_first=bare_first)
    print(
        f"{name}: medians of {rounds} rounds, each with {OPENED} sessions and {LOOKED_UP} look-ups"
    )
    for side, one in found.items():
        print(
            f"  {side.total:>9,} live" + "".join(f"  {_said(one, kind)}" for kind in KINDS),
            flush=True,
        )
    return verdict(found[small], found[large])


def _said(found: Found, kind: str) -> str:
    each = statistics.median(found.each_ms[kind])
    return f"{kind} {each:.3f} ms (p99 {statistics.median(found.p99_ms[kind]):.2f})"


def verdict(small: Found, large: Found) -> bool:
    """Print every bound; False if one is broken."""

    def growth(kind: str) -> float:
        pairs = zip(small.each_ms[kind], large.each_ms[kind], strict=True)
        return statistics.median(much / little for little, much in pairs)

    def rate(kind: str) -> float:
        pairs = zip(large.each_ms["bare_opened"], large.each_ms[kind], strict=True)
        return statistics.median(bare / ours for bare, ours in pairs)

    tail = statistics.median(
        ours - bare
        for ours, bare in zip(
            large.p99_ms["looked_up"], large.p99_ms["bare_looked_up"], strict=True
        )
    )
    grown = f"<= {MOST_GROWTH}"
    bounds = [
        *(
            (f"{kind}, million to thousand", growth(kind), growth(kind) <= MOST_GROWTH, grown)
            for kind in ("opened", "opened_at_once", "looked_up")
        ),
        (
            "ms of look-up p99 over the bare query's",
            tail,
            tail < MOST_TAIL_MS,
            f"<  {MOST_TAIL_MS}",
        ),
        *(
            (
                f"rate of {kind} to the bare rows'",
                rate(kind),
                rate(kind) >= LEAST_RATE,
                f">= {LEAST_RATE}",
            )
            for kind in ("opened", "opened_at_once")
        ),
    ]
    for what, value, kept, bound in bounds:
        print(f"  {what:<44} {value:8.2f}   {bound:<8} {'ok' if kept else 'BROKEN'}", flush=True)
    bare = ", ".join(f"{kind} {growth(kind):.2f}" for kind in ("bare_opened", "bare_looked_up"))
    print(f"  (for comparison, million to thousand: {bare})")
    return all(kept for _, _, kept, _ in bounds)


async def on_sqlite(folder: Path, total: int, rounds: int) -> bool:
    async with AsyncExitStack() as stack:
        small = await stack.enter_async_context(sqlite_side(await filled(folder, SMALL), SMALL))
        large = await stack.enter_async_context(sqlite_side(await filled(folder, total), total))
        return await compare("SQLite", small, large, rounds)


async def on_postgres(server: PostgresServer, folder: Path, total: int, rounds: int) -> bool:
    async with AsyncExitStack() as stack:
        urls = [await copied(server, folder, size) for size in (SMALL, total)]
        small = await stack.enter_async_context(postgres_side(urls[0], SMALL))
        large = await stack.enter_async_context(postgres_side(urls[1], total))
        return await compare("PostgreSQL", small, large, rounds)


async def run(folder: Path, total: int, rounds: int, backends: list[str]) -> int:
    kept = True
    if "sqlite" in backends:
        kept &= await on_sqlite(folder, total, rounds)
    if "postgres" in backends:
        with running_postgres(server_settings(), folder / "postgres") as server:
            kept &= await on_postgres(server, folder, total, rounds)
    return 0 if kept else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.numbers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--backend", choices=("sqlite", "postgres"), action="append")
    parser.add_argument("--keep", type=Path, help="folder for the filled files, used again")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="maskline-bench-numbers-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # a server that root starts runs as somebody else
    try:
        return uvloop.run(
            run(folder, chosen.large, chosen.rounds, chosen.backend or ["sqlite", "postgres"])
        )
    finally:
        if chosen.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
