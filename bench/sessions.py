"""Session creation over HTTP on SQLite, beside a bare handler: `python -m bench.sessions`.

Rounds alternate, each with a server process of its own and an empty database; figures are medians
over the rounds. Then ours once more, loaded several times while it holds 100,000 live sessions.
Fails if ours is under 0.4 of the bare handler's rate, if its p99 is over three times its median, or
if it holds those sessions in 300 MB or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil
import uvloop

from bench.sessions_server import KEY

CONCURRENCY = 8
ROUNDS = 5
SESSIONS = 4_000
WARM_UP = 400
SEEDED = 100_000
LEAST_RATIO = 0.4
MOST_TAIL = 3.0
MOST_RSS_MB = 300.0
_START_S = 300.0


@dataclass(frozen=True, slots=True)
class Round:
    """One server under load."""

    rate: float  # sessions a second
    p50_ms: float
    p99_ms: float
    cpu_ms: float  # of the server, a session
    rss_mb: float


def request(number: int) -> bytes:
    """The contract's example, of another buyer each time and of one seller in eight."""
    body = json.dumps(
        {
            "conversation_id": f"chat-{number}",
            "listing": {"id": f"L-{number}", "title": "Lada Vesta 2019"},
            "participants": [
                {
                    "role": "buyer",
                    "user_id": f"u-{number}",
                    "phone": f"+7916{number:07}",
                    "name": "Anna",
                    "rating": 4.9,
                },
                {
                    "role": "seller",
                    "user_id": f"v-{number // 8}",
                    "phone": f"+7926{number // 8:07}",
                    "name": "Petr",
                    "rating": 4.7,
                },
            ],
            "pool": "default",
            "ttl_s": 86400,
            "channel_policy": "app_then_gsm",
        }
    ).encode()
    head = (
        "POST /v1/sessions HTTP/1.1\r\nHost: bench\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection: sends a prepared request, reads the answer, as little else as possible."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, prepared: bytes) -> float:
        """Seconds until the whole answer is here. Fails unless it is a 201."""
        begun = time.perf_counter()
        self._writer.write(prepared)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        took = time.perf_counter() - begun
        if not head.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"refused: {head[:40]!r} {body[:300]!r}")
        return took

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def server(kind: str, seeded: int = 0) -> AsyncIterator[tuple[int, psutil.Process]]:
    """A server process and its port."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.sessions_server",
            kind,
            folder,
            str(seeded),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START_S)
            yield int(line), psutil.Process(process.pid)
        finally:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


async def load(port: int, numbers: Iterator[int], count: int) -> list[float]:
    """`count` sessions over `CONCURRENCY` connections; how long each took, in seconds."""
    prepared = iter([request(next(numbers)) for _ in range(count)])
    took: list[float] = []

    async def one() -> None:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        took.extend([await client.ask(each) for each in prepared])
        client.close()

    await asyncio.gather(*(one() for _ in range(CONCURRENCY)))
    return took


async def measure(kind: str, sessions: int, *, seeded: int = 0, rounds: int = 1) -> list[Round]:
    """Rounds against one server."""
    numbers = iter(range(10_000_000))
    async with server(kind, seeded) as (port, process):
        await load(port, numbers, WARM_UP)
        return [await measured(port, process, numbers, sessions) for _ in range(rounds)]


async def measured(
    port: int, process: psutil.Process, numbers: Iterator[int], sessions: int
) -> Round:
    """One round."""
    cpu_before = sum(process.cpu_times()[:2])
    begun = time.perf_counter()
    took = await load(port, numbers, sessions)
    elapsed = time.perf_counter() - begun
    cpu = sum(process.cpu_times()[:2]) - cpu_before
    cuts = statistics.quantiles(took, n=100)
    return Round(
        rate=sessions / elapsed,
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        cpu_ms=cpu / sessions * 1000,
        rss_mb=process.memory_info().rss / 1e6,
    )


def medians(rounds: list[Round]) -> Round:
    return Round(
        *(
            statistics.median(getattr(one, name) for one in rounds)
            for name in ("rate", "p50_ms", "p99_ms", "cpu_ms", "rss_mb")
        )
    )


def show(name: str, one: Round) -> None:
    print(
        f"  {name:<28} {one.rate:8.0f}/s   p50 {one.p50_ms:6.2f} ms   p99 {one.p99_ms:6.2f} ms"
        f"   CPU {one.cpu_ms:5.2f} ms   RSS {one.rss_mb:4.0f} MB",
        flush=True,
    )


async def run(rounds: int, sessions: int, seeded: int) -> int:
    print(f"Session creation over HTTP, SQLite, concurrency {CONCURRENCY}, {sessions} a round")
    found: dict[str, list[Round]] = {"ours": [], "bare": [], "full": []}
    for number in range(rounds):
        order = ("ours", "bare") if number % 2 == 0 else ("bare", "ours")
        for kind in order:
            found[kind] += await measure(kind, sessions)
            show(f"round {number + 1} {kind}", found[kind][-1])
    found["full"] = await measure("ours", sessions, seeded=seeded, rounds=rounds)
    print("Medians")
    show("bare", medians(found["bare"]))
    show("ours", medians(found["ours"]))
    show(f"ours, {seeded} live sessions", medians(found["full"]))
    return verdict(found["ours"], found["bare"], found["full"])


def verdict(ours: list[Round], bare: list[Round], full: list[Round]) -> int:
    """Print every bound; 1 if one is broken."""
    rate = medians(ours).rate / medians(bare).rate
    rss_mb = max(one.rss_mb for one in full)
    bounds = (
        ("rate to the bare handler's", rate, rate >= LEAST_RATIO, f">= {LEAST_RATIO}"),
        ("p99 to median", tail(ours), tail(ours) <= MOST_TAIL, f"<= {MOST_TAIL}"),
        ("p99 to median, full", tail(full), tail(full) <= MOST_TAIL, f"<= {MOST_TAIL}"),
        ("MB with all live sessions", rss_mb, rss_mb < MOST_RSS_MB, f"<  {MOST_RSS_MB}"),
    )
    for name, value, kept, bound in bounds:
        print(f"  {name:<28} {value:8.2f}   {bound:<9} {'ok' if kept else 'BROKEN'}")
    return 0 if all(kept for _, _, kept, _ in bounds) else 1


def tail(rounds: list[Round]) -> float:
    """The p99 as a multiple of the median; the median of that over the rounds."""
    return statistics.median(one.p99_ms / one.p50_ms for one in rounds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sessions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--seeded", type=int, default=SEEDED)
    chosen = parser.parse_args()
    return uvloop.run(run(chosen.rounds, chosen.sessions, chosen.seeded))


if __name__ == "__main__":
    sys.exit(main())
