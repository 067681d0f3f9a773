"""Delivery beside a bare loop of POSTs: `python -m bench.delivery`.

Both send the same bodies, as many at once, to the same receiver, a process of its own that answers
204. The bare side has the bodies ready made and signs nothing; ours takes them from the outbox,
gives them their place, keeps one conversation's in order, signs, and keeps what came of each on the
disk. Rounds alternate; medians are compared.

The second part owes events at a steady pace, as calls end, and tells how long each was on its way.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import aiohttp
from aiohttp import web

from api.outbound import message, new_secret
from api.outbound.courier import Counts, DeliverySettings, House
from api.outbound.deliverer import Deliverer
from masking.notice import Notice, NoticeKind, Value
from storage import Database, migrate, open_database, outbox, webhooks
from storage.vault import Vault, VaultKeys

EVENTS = 3_000
ROUNDS = 3
AT_ONCE = DeliverySettings().at_once
PACE = 120  # events a second: 60 calls a second, each told of twice
PACED_S = 20
MOST_LAG_S = 1.0  # 99th percentile
LEAST_RATIO = 0.15  # of the bare loop's rate
_START = datetime(2026, 11, 22, 10, tzinfo=UTC)


async def _receive(port_file: str) -> None:
    """The receiver's process; remembers when each id came first."""
    seen: dict[str, float] = {}

    async def take(request: web.Request) -> web.Response:
        await request.read()
        seen.setdefault(request.headers.get("webhook-id", ""), time.time())
        return web.Response(status=204)

    async def times(_: web.Request) -> web.Response:
        answer = web.json_response(seen)
        seen.clear()
        return answer

    app = web.Application()
    app.router.add_post("/", take)
    app.router.add_get("/", times)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    draft = Path(port_file + ".new")
    draft.write_text(str(runner.addresses[0][1]))
    draft.rename(port_file)
    await asyncio.sleep(240)


def _notice(n: int, at: datetime = _START) -> Notice:
    data: dict[str, Value | Mapping[str, Value]] = {
        "call_id": f"cal_{n:026}",
        "session_id": f"ses_{n:026}",
        "ring_ms": 6200,
        "caller": {"role": "buyer", "user_id": f"u-{n}"},
        "callee": {"role": "seller"},
    }
    return Notice(NoticeKind.CALL_ENDED, f"call.ended {n}", at, f"chat-{n % 500}", data)


async def _bare(url: str) -> float:
    """The rate of a loop that only posts."""
    bodies = iter(
        [
            message.body(
                key=one.key,
                kind=one.kind,
                at=one.at,
                conversation_id=one.conversation_id,
                sequence=n,
                data=str(outbox.row_of(one)["data"]),
            )
            for n, one in enumerate(map(_notice, range(EVENTS)))
        ]
    )
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def post() -> None:
            for body in bodies:
                async with session.post(url, data=body) as answer:
                    await answer.read()

        began_s = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(AT_ONCE)))
        return EVENTS / (time.perf_counter() - began_s)


@asynccontextmanager
async def _delivering(folder: Path, name: str, url: str) -> AsyncIterator[tuple[Database, House]]:
    path = folder / f"{name}.db"
    shutil.copy(folder / "template.db", path)
    db, vault = open_database(f"sqlite:///{path}"), Vault(VaultKeys.generate())
    await db.write(
        lambda conn: webhooks.add(
            conn,
            vault,
            webhook_id="whk_1",
            url=url,
            events=None,
            description=None,
            secret=new_secret(b"s" * 32),
            now=_START,
        )
    )
    house = House(
        db=db,
        vault=vault,
        clock=lambda: datetime.now(UTC),
        draw=random.random,
        settings=DeliverySettings(),
        allowed=(ip_network("127.0.0.0/8"),),
        counts=Counts(),
    )
    try:
        yield db, house
    finally:
        await db.close()


async def _ours(folder: Path, n: int, url: str) -> float:
    """The rate from the outbox."""
    async with _delivering(folder, f"round-{n}", url) as (db, house):
        await db.write(lambda conn: outbox.owe_all(conn, [_notice(n) for n in range(EVENTS)]))
        began_s = time.perf_counter()
        task = asyncio.create_task(Deliverer(house).run())
        await _until(house, EVENTS)
        rate = EVENTS / (time.perf_counter() - began_s)
        await _end(task)
        return rate


async def _paced(folder: Path, url: str) -> list[float]:
    """How long each event was on its way, in seconds, sorted."""
    owed_at: dict[str, float] = {}
    async with _delivering(folder, "paced", url) as (db, house):
        deliverer = Deliverer(house)
        task = asyncio.create_task(deliverer.run())
        began_s, total = time.monotonic(), PACE * PACED_S
        for n in range(EVENTS, EVENTS + total):
            await asyncio.sleep(max(0.0, began_s + (n - EVENTS) / PACE - time.monotonic()))
            notice = _notice(n, datetime.now(UTC))
            owed_at[message.message_id(notice.key)] = time.time()
            await db.write(lambda conn, notice=notice: outbox.owe(conn, notice))  # type: ignore[misc]
            deliverer.wake()
        await _until(house, total)
        await _end(task)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        seen = await answer.json()
    return sorted(seen[one] - at for one, at in owed_at.items())


async def _until(house: House, delivered: int) -> None:
    async with asyncio.timeout(120):
        while house.counts.delivered < delivered:
            await asyncio.sleep(0.005)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="maskline-bench-delivery-"))
    port_file = folder / "port"
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.delivery", "--receive", str(port_file)
    )
    try:
        async with asyncio.timeout(30):
            while not port_file.exists():
                await asyncio.sleep(0.02)
        url = f"http://127.0.0.1:{port_file.read_text()}/"
        await migrate(f"sqlite:///{folder / 'template.db'}")
        bare, ours = [], []
        for n in range(ROUNDS):
            ours.append(await _ours(folder, n, url))
            bare.append(await _bare(url))
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()  # forget the rounds
        lags = await _paced(folder, url)
    finally:
        receiver.kill()
        await receiver.wait()
        shutil.rmtree(folder)
    rate, base = statistics.median(ours), statistics.median(bare)
    p99 = lags[int(len(lags) * 0.99)]
    print(f"{EVENTS} events, {AT_ONCE} at once, medians of {ROUNDS} alternating rounds:")
    print(f"  bare POSTs {base:.0f}/s, delivered {rate:.0f}/s, ratio {rate / base:.2f}")
    print(
        f"at {PACE} events/s for {PACED_S} s: on the way "
        f"{1000 * statistics.median(lags):.0f} ms (median), {1000 * p99:.0f} ms (p99)"
    )
    failed = rate / base < LEAST_RATIO or p99 > MOST_LAG_S
    if failed:
        print(f"FAILED: ratio under {LEAST_RATIO} or p99 over {MOST_LAG_S} s")
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--receive"]:
        asyncio.run(_receive(sys.argv[2]))
    else:
        sys.exit(asyncio.run(main()))
