"""The call list with every filter of the console, at size: `python -m bench.call_list`.

A million records on SQLite, and `--records` (30 million by default) on PostgreSQL. Every filter
alone with values from common to unknown, the pairs that people ask for, pairs that hardly ever come
together; each for the first page, a page far behind it, and a day long past. Beside them the floor:
a page of 50 records read by their ids. Everything is asked twice: what the first time takes is
mostly the disk's; the second time it lies in memory.
Fails if the p99 of anything is 100 ms or more the second time.
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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import uvloop

from bench import call_crowd as crowd
from cdr import records
from cdr.bands import Range
from cdr.model import CameBy
from cdr.record_filter import Filter
from cdr.record_search import Key, search, search_within
from masking.model import Phone
from masking.outcome import Outcome
from masking.plan import Channel
from storage import Database, open_database
from storage.columns import to_ms
from tests.support.postgres import fresh_database, running_postgres

LIMIT: Final = 50
MOST_P99_MS: Final = 100.0
TIMES: Final = 30  # each case
_SERVER: Final = {
    "listen_addresses": "",
    "max_connections": "30",
    "shared_buffers": "2GB",
    # Of writing, which is not measured here, only to have it behind us:
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
}
_DAY: Final = timedelta(days=1)
Make = Callable[[random.Random], Filter]


def _cases() -> Iterator[tuple[str, Make]]:
    """By name, what makes a filter; who has many calls comes as often as anybody."""
    index_of = crowd.a_vault().index

    def a_user(chance: random.Random) -> str:
        return chance.choice(("u-s0", "u-s77", f"u-s{chance.randrange(9_999)}", "u-none"))

    def sampled(name: str, values: tuple[Any, ...]) -> Make:
        return lambda chance: Filter(**{name: chance.choice(values)})

    yield "no filter", lambda chance: Filter()
    yield "conversation", lambda chance: Filter(conversation_id=f"chat-{chance.randrange(99_999)}")
    yield "session", lambda chance: Filter(session_id=f"ses_{chance.randrange(99_999)}")
    yield "listing", lambda chance: Filter(listing_id=f"L-{chance.randrange(30)}")
    yield "user", lambda chance: Filter(user_id=a_user(chance))
    phones = (crowd.DEALER_PHONE, crowd.SOME_PHONE, Phone("+79999999999"))
    yield "phone", sampled("phone_index", tuple(map(index_of, phones)))
    yield "outcome", lambda chance: Filter(outcomes=(chance.choice(list(Outcome)),))
    yield "outcomes", sampled("outcomes", ((Outcome.MISSED, Outcome.BUSY), tuple(Outcome)[1:]))
    yield "channel", sampled("channels", tuple((one,) for one in Channel))
    yield "came by", sampled("came_by", tuple((one,) for one in CameBy))
    yield "number", lambda c: Filter(number=f"+7495{1_110_000 + c.randrange(crowd.NUMBERS)}")
    yield "trunk", sampled("trunk", (*crowd.TRUNKS, "carrier-none"))
    yield "node", sampled("node", (*crowd.NODES, "none"))
    yield "cause", sampled("causes", ((16,), (17, 19), (34,), (38,), (127,), (99,)))
    longer = (Range(1), Range(60_000), Range(3_600_000), Range(61_000, 62_000), Range(most=4_999))
    yield "talk", sampled("talk_ms", longer)
    yield "ring", sampled("ring_ms", (Range(30_000), Range(most=2_000), Range(12_345, 12_400)))
    yield "mos", sampled("mos", (Range(most=199), Range(300), Range(None, 120), Range(251, 262)))
    yield "recorded", sampled("recorded", (True, False))
    yield "rated", sampled("stars", (Range(1, 1), Range(most=2), Range(4)))
    # What people ask for together.
    yield "user, missed", lambda chance: Filter(user_id=a_user(chance), outcomes=(Outcome.MISSED,))
    yield (
        "trunk, failed",
        lambda c: Filter(trunk=c.choice(crowd.TRUNKS), outcomes=(Outcome.FAILED,)),
    )
    yield "trunk, poor", lambda c: Filter(trunk=c.choice(crowd.TRUNKS), mos=Range(most=249))
    yield "node, cause", lambda c: Filter(node=c.choice(crowd.NODES), causes=(34,))
    yield (
        "listing, answered, long",
        lambda c: Filter(listing_id="L-1", outcomes=(Outcome.ANSWERED,), talk_ms=Range(600_000)),
    )
    yield "rated 1, recorded", lambda c: Filter(stars=Range(1, 1), recorded=True)
    yield "phone, busy", lambda c: Filter(phone_index=index_of(phones[0]), outcomes=(Outcome.BUSY,))
    # What hardly ever, or never, comes together: how long does it take to say so?
    yield "answered, cause 17", lambda c: Filter(outcomes=(Outcome.ANSWERED,), causes=(17,))
    yield (
        "app, trunk, node, ring, talk",
        lambda c: Filter(
            channels=(Channel.APP,),
            trunk=crowd.TRUNKS[1],
            node=crowd.NODES[1],
            ring_ms=Range(31_000, 31_300),
            talk_ms=Range(61_000, 62_500),
        ),
    )
    yield (
        "gone node, gone trunk",
        lambda c: Filter(node=crowd.GONE_NODE, trunk=crowd.GONE_TRUNK, recorded=False),
    )


@dataclass(slots=True)
class Took:
    """What a case took, in milliseconds, and how many of its pages came early."""

    name: str
    ms: list[float]
    early: int = 0

    @property
    def p50(self) -> float:
        return statistics.median(self.ms)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.ms, n=100)[98]


async def measure(db: Database, times: int) -> tuple[Took, list[Took]]:
    """The floor, and every case."""
    chance = random.Random(6)
    cases = [(name, make, Took(name, [])) for name, make in _cases()]
    floor = Took("by their ids", [])
    for n in range(times):
        for _, make, took in cases:
            wanted, after = _place(make(chance), chance, n)
            await _timed(db, wanted, after, took)
        keys = await db.read(lambda conn: search(conn, Filter(), limit=LIMIT, after=_back(chance)))
        begun = time.perf_counter()
        await db.read(lambda conn, keys=keys: records.of_keys(conn, keys.keys))  # type: ignore[misc]
        floor.ms.append((time.perf_counter() - begun) * 1000)
    return floor, [took for _, _, took in cases]


def _back(chance: random.Random) -> Key:
    """A place in the list."""
    return to_ms(crowd.END - chance.random() * (crowd.DAYS - 2) * _DAY), "cal_8"


def _place(wanted: Filter, chance: random.Random, n: int) -> tuple[Filter, Key | None]:
    """The first page, a later one, a day long past: in turn."""
    match n % 3:
        case 0:
            return wanted, None
        case 1:
            return wanted, _back(chance)
        case _:
            day = crowd.BEGIN + chance.randrange(crowd.DAYS) * _DAY
            return replace(wanted, since=day, until=day + _DAY), None


async def _timed(db: Database, wanted: Filter, after: Key | None, took: Took) -> None:
    def work(conn: Any) -> bool:  # noqa: ANN401 (a connection)
        found = search_within(conn, wanted, limit=LIMIT, after=after)
        records.of_keys(conn, found.keys)
        return found.resume is not None and len(found.keys) < LIMIT

    gc.collect()
    gc.disable()
    begun = time.perf_counter()
    took.early += await db.read(work)
    took.ms.append((time.perf_counter() - begun) * 1000)
    gc.enable()


def told(name: str, floor: Took, cases: list[Took]) -> bool:
    """Print it; whether the bound is kept."""
    print(f"{name}; {len(floor.ms)} pages of {LIMIT} of each, in ms")
    print(f"  {'':32}{'p50':>8}{'p99':>8}{'most':>8}   stopped early")
    for took in (floor, *cases):
        early = f"{took.early}" if took.early else ""
        mark = "   BROKEN" if took.p99 >= MOST_P99_MS else ""
        print(
            f"  {took.name:32}{took.p50:8.1f}{took.p99:8.1f}{max(took.ms):8.1f}   {early}{mark}",
            flush=True,
        )
    every = sorted(ms for took in cases for ms in took.ms)
    p99 = statistics.quantiles(every, n=100)[98]
    print(f"  all of them: p99 {p99:.1f} ms; floor p99 {floor.p99:.1f} ms")
    return all(took.p99 < MOST_P99_MS for took in cases)


async def on(url: str, name: str, times: int) -> bool:
    db = open_database(url)
    try:
        told(f"{name}, the first time", *await measure(db, times))
        return told(f"{name}, again", *await measure(db, times))
    finally:
        await db.close()


async def run(folder: Path, chosen: argparse.Namespace) -> int:
    kept = True
    if "sqlite" in chosen.backend:
        path = folder / f"calls-{chosen.small}.db"
        begun = time.monotonic()
        if not path.exists():
            await crowd.fill(f"sqlite:///{path}", chosen.small)
        took_s, size_mb = time.monotonic() - begun, path.stat().st_size / 1e6
        print(f"SQLite: {chosen.small:,} calls, {size_mb:,.0f} MB, filled in {took_s:.0f} s")
        kept &= await on(f"sqlite:///{path}", "SQLite", chosen.times)
    if "postgres" in chosen.backend:
        if chosen.url is not None:  # one that was filled before
            return not (kept & await on(chosen.url, "PostgreSQL", chosen.times))
        with running_postgres(_SERVER) as server, fresh_database(server) as url:
            begun = time.monotonic()
            await crowd.fill(url, chosen.records)
            print(f"PostgreSQL: {_sizes(url)}, filled in {time.monotonic() - begun:.0f} s")
            if chosen.wait is not None:
                print(f"at {url}", flush=True)
                while not chosen.wait.exists():
                    await asyncio.sleep(0.5)
            else:
                kept &= await on(url, "PostgreSQL", chosen.times)
    return 0 if kept else 1


def _sizes(url: str) -> str:
    with psycopg.connect(url) as conn:
        found = conn.execute(
            "SELECT count(*), pg_table_size('calls') / 1e9, pg_indexes_size('calls') / 1e9 "
            "FROM calls"
        ).fetchone()
    assert found is not None
    return f"{found[0]:,} calls, {found[1]:.1f} GB and {found[2]:.1f} GB of indexes"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.call_list", description=__doc__)
    parser.add_argument("--records", type=int, default=30_000_000, help="on PostgreSQL")
    parser.add_argument("--small", type=int, default=1_000_000, help="on SQLite")
    parser.add_argument("--times", type=int, default=TIMES, help="each case")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), action="append")
    parser.add_argument("--keep", type=Path, help="folder for the filled file, used again")
    parser.add_argument("--url", help="a PostgreSQL database that is filled already")
    parser.add_argument("--wait", type=Path, help="fill, then wait until this file is there")
    chosen = parser.parse_args()
    chosen.backend = chosen.backend or ["sqlite", "postgres"]
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="maskline-bench-call-list-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return uvloop.run(run(folder, chosen))
    finally:
        if chosen.keep is None:
            with suppress(OSError):
                shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
