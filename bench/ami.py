"""Our AMI client beside panoramisk 1.4 and a bare floor, in one run: `python -m bench.ami`.

1. Events per CPU-second: the same recorded stream, in the same pieces, with the same handler for
   the same events. Fails if ours is under three times panoramisk.
2. The longest time the loop stands still while a burst of 100,000 events is drained from a real
   socket. Fails if the loop's own work reaches 10 ms in any round, or the median of the rounds does
   by the clock. A loop of empty 1 ms slices is measured beside it: where that one is held up as
   long, the machine is too busy to show anything, and the run fails for that reason.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import panoramisk

from bench.ami_stream import GREETING, NOISE, SYSTEMNAME, events
from telephony.ami import Event, EventHub, Limits, Login, Monitor, connect
from telephony.ami.connection import Connection

EVENTS = 40_000
BURST = 100_000
ROUNDS = 5
PIECE_BYTES = 1 << 16
# No ping: its answer would come in the middle of a piece of the stream.
QUIET = Limits(read_slice_s=3600, ping_every_s=3600)
WANTED = ("UserEvent", "Newstate", "DialBegin", "DialEnd", "BridgeEnter", "BridgeLeave", "Hangup")
LEAST_RATIO = 3.0
MOST_STALL_MS = 10.0
CONTROL = "1 ms slices"
STALL_WALL = "stall in a burst, by the clock"
STALL_CPU = "stall in a burst, CPU time"


class Tally:
    """What every client does with an event it wants: read four headers and count."""

    def __init__(self) -> None:
        self.seen = 0

    def ours(self, event: Event) -> None:
        if event.get("Uniqueid") or event.get("DestUniqueid") or event.get("BridgeUniqueid"):
            event.get("Linkedid")
        self.seen += 1

    def panoramisk(self, _: object, message: Any) -> None:  # noqa: ANN401 - it has no types
        if message.uniqueid or message.destuniqueid or message.bridgeuniqueid:
            message.linkedid  # noqa: B018 - reading it is the work
        self.seen += 1


class SilentTransport(asyncio.Transport):
    """Swallows what is written and answers the login."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Connection | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        action_id = re.search(rb"ActionID: ([^\r\n]+)", bytes(data))
        if self.protocol is not None and action_id is not None:
            answer = b"Response: Success\r\nActionID: %b\r\nChallenge: 1\r\n\r\n" % action_id[1]
            asyncio.get_running_loop().call_soon(self.protocol.data_received, answer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        if self.protocol is not None:
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


Feed = Callable[[list[bytes]], Coroutine[Any, Any, tuple[float, int]]]


async def feed_ours(pieces: list[bytes]) -> tuple[float, int]:
    """Feed our connection, hub and subscriber; return CPU seconds and events handled."""
    tally = Tally()
    hub = EventHub(Monitor())
    subscription = hub.subscribe(WANTED, name="bench", capacity=1_000_000)
    login = Login("", 0, "bench", "", SYSTEMNAME)
    transport = SilentTransport()
    connection = Connection(login, on_event=hub.publish, monitor=hub.monitor, limits=QUIET)
    transport.protocol = connection
    connection.connection_made(transport)
    connection.data_received(GREETING)
    await connection.log_in()
    consumer = asyncio.create_task(subscription.run(tally.ours))
    began_s = time.process_time()
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(0)
    subscription.close()
    await consumer
    cpu_s = time.process_time() - began_s
    await connection.aclose()
    if hub.monitor.counters.events != EVENTS or any(hub.monitor.counters.rejected.values()):
        raise AssertionError("the stream was not read whole")
    return cpu_s, tally.seen


async def feed_panoramisk(pieces: list[bytes]) -> tuple[float, int]:
    """Feed panoramisk's protocol and manager, set up as its own `connection_made` does."""
    tally = Tally()
    manager = panoramisk.Manager(loop=asyncio.get_running_loop())
    for name in WANTED:
        manager.register_event(name, tally.panoramisk)
    protocol = manager.config["protocol_factory"]()
    protocol.connection_made(SilentTransport())
    protocol.factory = manager
    protocol.config = manager.config
    protocol.encoding = "utf8"
    began_s = time.process_time()
    protocol.data_received(GREETING)
    for piece in pieces:
        protocol.data_received(piece)
        await asyncio.sleep(0)
    return time.process_time() - began_s, tally.seen


async def feed_floor(pieces: list[bytes]) -> tuple[float, int]:
    """Do the least that gives a handler its headers: split, a dict for what is wanted."""
    wanted = {name.encode() for name in WANTED}
    seen = 0
    rest = b""
    began_s = time.process_time()
    for piece in pieces:
        *frames, rest = (rest + piece).split(b"\r\n\r\n")
        for frame in frames:
            if frame[7 : frame.find(b"\r\n")] in wanted:
                dict(line.split(": ", 1) for line in frame.decode().split("\r\n") if ": " in line)
                seen += 1
        await asyncio.sleep(0)
    return time.process_time() - began_s, seen


CLIENTS: dict[str, Feed] = {
    "ours": feed_ours,
    "panoramisk 1.4": feed_panoramisk,
    "bare floor": feed_floor,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one client."""

    what: str
    client: str
    median: float
    least: float
    most: float
    unit: str


def throughput(what: str, stream: list[bytes]) -> list[Row]:
    """Measure events per CPU-second, the clients taking turns."""
    joined = b"".join(stream)
    pieces = [joined[at : at + PIECE_BYTES] for at in range(0, len(joined), PIECE_BYTES)]
    rates: dict[str, list[float]] = {client: [] for client in CLIENTS}
    handled: set[int] = set()
    for _ in range(ROUNDS):
        for client, feed in CLIENTS.items():
            cpu_s, seen = asyncio.run(feed(pieces))
            rates[client].append(len(stream) / cpu_s)
            handled.add(seen)
    if len(handled) != 1:
        raise AssertionError(f"the clients handled different numbers of events: {handled}")
    return [
        Row(what, client, statistics.median(got), min(got), max(got), "events/CPU-s")
        for client, got in rates.items()
    ]


@dataclass(slots=True)
class Stall:
    """The longest time between two rounds of the loop, in milliseconds."""

    wall_ms: float = 0.0
    cpu_ms: float = 0.0


class Ticker:
    """A timer every 0.5 ms that notes how late it is, by the clock and in CPU time of its thread.

    The clock sees what other programs on the machine do as well; CPU time is the loop's own.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due_s = self._loop.time()
        self._cpu_s = time.thread_time()
        self._handle: asyncio.Handle = self._loop.call_soon(self._tick)
        self.longest = Stall()

    def _tick(self) -> None:
        now_s, cpu_s = self._loop.time(), time.thread_time()
        self.longest.wall_ms = max(self.longest.wall_ms, (now_s - self._due_s) * 1000)
        self.longest.cpu_ms = max(self.longest.cpu_ms, (cpu_s - self._cpu_s) * 1000)
        self._due_s, self._cpu_s = now_s + 0.0005, cpu_s
        self._handle = self._loop.call_at(self._due_s, self._tick)

    def stop(self) -> None:
        self._handle.cancel()


@asynccontextmanager
async def burst_server() -> AsyncIterator[int]:
    """Run `bench.ami_server` in a process of its own; gives its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.ami_server", str(BURST),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise AssertionError("no pipes")
    try:
        yield int(await asyncio.wait_for(process.stdout.readline(), 30))
    finally:
        process.stdin.close()
        await process.wait()


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0.01)


async def stall_ours(port: int) -> Stall:
    """Drain a burst with our client and two subscribers."""
    tally, all_events = Tally(), Tally()
    async with await connect(Login("127.0.0.1", port, "bench", "", SYSTEMNAME)) as client:
        some = client.subscribe(WANTED, name="some", capacity=BURST)
        every = client.subscribe(None, name="every", capacity=BURST)
        consumers = [
            asyncio.create_task(some.run(tally.ours)),
            asyncio.create_task(every.run(all_events.ours)),
        ]
        ticker = Ticker()
        await client.action("Burst", deadline_s=10)
        await _until(lambda: all_events.seen == BURST or client.closed.done())
        ticker.stop()
        some.close()
        every.close()
        await asyncio.gather(*consumers)
        if all_events.seen != BURST or some.dropped:
            raise AssertionError("the burst was not read whole")
    return ticker.longest


async def stall_panoramisk(port: int) -> Stall:
    """Drain a burst with panoramisk and a callback for every event."""
    tally = Tally()
    manager = panoramisk.Manager(
        loop=asyncio.get_running_loop(), host="127.0.0.1", port=port, username="b", secret="b"
    )
    manager.register_event("*", tally.panoramisk)
    await manager.connect()
    await _until(lambda: manager.authenticated)
    ticker = Ticker()
    manager.send_action({"Action": "Burst"})
    await _until(lambda: tally.seen == BURST)
    ticker.stop()
    manager.pinger.cancel()
    manager.protocol.closed = True
    manager.protocol.transport.close()
    await asyncio.sleep(0.05)
    return ticker.longest


async def stall_control(_: int) -> Stall:
    """Work in slices of 1 ms with nothing of anybody's: what the machine itself does to a loop."""
    loop = asyncio.get_running_loop()
    ticker = Ticker()
    until_s = loop.time() + 2
    while loop.time() < until_s:
        slice_s = loop.time() + 0.001
        while loop.time() < slice_s:
            pass
        await asyncio.sleep(0)
    ticker.stop()
    return ticker.longest


async def stalls() -> list[Row]:
    """Measure the longest stall, the clients taking turns."""
    drains = {"ours": stall_ours, "panoramisk 1.4": stall_panoramisk, CONTROL: stall_control}
    longest: dict[str, list[Stall]] = {client: [] for client in drains}
    async with burst_server() as port:
        for _ in range(ROUNDS):
            for client, drain in drains.items():
                longest[client].append(await drain(port))
    rows = []
    for client, stalled in longest.items():
        for what, got in (
            (STALL_WALL, [stall.wall_ms for stall in stalled]),
            (STALL_CPU, [stall.cpu_ms for stall in stalled]),
        ):
            rows.append(Row(what, client, statistics.median(got), min(got), max(got), "ms"))
    return rows


def main() -> int:
    """Run both, print the table, and return 1 if a bound is broken."""
    lean, full = events(EVENTS, leave_out=NOISE), events(EVENTS)
    rows = [*throughput("lean stream", lean), *throughput("all classes", full)]
    rows += asyncio.run(stalls())
    print(f"{'what':30} {'client':15} {'median':>12} {'least':>12} {'most':>12}")
    for row in rows:
        figures = " ".join(f"{value:12,.1f}" for value in (row.median, row.least, row.most))
        print(f"{row.what:30} {row.client:15} {figures} {row.unit}")
    median = {(row.what, row.client): row.median for row in rows}
    failed = False
    for what in ("lean stream", "all classes"):
        ratio = median[what, "ours"] / median[what, "panoramisk 1.4"]
        floor = median[what, "ours"] / median[what, "bare floor"]
        ok = ratio >= LEAST_RATIO
        failed |= not ok
        verdict = "ok" if ok else "FAILED"
        print(f"{what}: {ratio:.2f} x panoramisk (at least {LEAST_RATIO:g}): {verdict}; ", end="")
        print(f"{floor:.2f} of the bare floor")
    wall = _row(rows, STALL_WALL, "ours").median
    control = _row(rows, STALL_WALL, CONTROL).median
    cpu = _row(rows, STALL_CPU, "ours").most
    ok = max(cpu, wall) < MOST_STALL_MS
    print(f"stall: {cpu:.1f} ms of CPU at most, {wall:.1f} ms by the clock, median", end=" ")
    print(f"(under {MOST_STALL_MS:g}): {'ok' if ok else 'FAILED'}")
    if control >= MOST_STALL_MS:
        print(f"not shown: empty slices were held up for {control:.1f} ms too; run it alone")
    return 1 if failed or not ok else 0


def _row(rows: list[Row], what: str, client: str) -> Row:
    return next(row for row in rows if (row.what, row.client) == (what, client))


if __name__ == "__main__":
    sys.exit(main())
