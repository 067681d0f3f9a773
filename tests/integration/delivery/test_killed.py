"""Deliverers and the receiver are killed again and again: nothing is lost, and nothing is new.

The seed of each run is printed; set DELIVERY_SEED to run it again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from storage.deliveries import State
from storage.schema import deliveries
from tests.integration.delivery.conftest import Post
from tests.integration.delivery.deliver_process import clock

_ROOT = Path(__file__).parents[3]
NOTICES = 200
CONVERSATIONS = 20


@contextmanager
def a_port() -> Iterator[int]:
    """A free port, which nobody else is given meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class Program:
    """A process of ours that is killed and begun anew."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self._arguments, cwd=_ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            assert await self._process.stdout.readline() != b"", self._arguments

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def received(file: Path) -> list[dict[str, Any]]:
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


async def pending(post: Post) -> int:
    def work(conn: Any) -> int:  # noqa: ANN401
        waiting = deliveries.c.state != State.DELIVERED.value
        count = select(func.count()).select_from(deliveries).where(waiting)
        return int(conn.execute(count).scalar_one())

    return await post.db.read(work)


@pytest.mark.slow
async def test_nothing_is_lost_and_duplicates_carry_the_same_id(post: Post, tmp_path: Path) -> None:
    seed = int(os.environ.get("DELIVERY_SEED", random.randrange(2**32)))
    print(f"DELIVERY_SEED={seed}")
    chance = random.Random(seed)
    file = tmp_path / "received.jsonl"
    post.now = clock()
    with a_port() as port:
        several = post.url.startswith("postgresql")
        receiver = Program("tests.support.receiver", str(port), str(file))
        deliverers = [
            Program("tests.integration.delivery.deliver_process", post.url)
            for _ in range(2 if several else 1)
        ]
        webhook = await post.webhook(f"http://127.0.0.1:{port}/hook")
        programs = [receiver, *deliverers]
        try:
            for program in programs:
                await program.start()
            for round_ in range(8):
                for n in range(round_ * NOTICES // 8, (round_ + 1) * NOTICES // 8):
                    post.now = clock()
                    await post.owe(post.notice(n, f"chat-{n % CONVERSATIONS}"))
                await asyncio.sleep(chance.uniform(0, 0.3))
                victim = chance.choice(programs)
                await victim.kill()
                await asyncio.sleep(chance.uniform(0, 0.2))
                await victim.start()
            async with asyncio.timeout(45):
                while len(await post.log(webhook)) < NOTICES or await pending(post):
                    await asyncio.sleep(0.1)
        finally:
            for program in programs:
                await program.kill()

    got = received(file)
    ids = {one["id"]: one["event"] for one in got}
    assert all(one["event"] == ids[one["id"]] for one in got)
    assert Counter(event["data"]["n"] for event in ids.values()) == Counter(range(NOTICES))
    for conversation in range(CONVERSATIONS):
        first_seen: list[int] = []
        for one in got:
            n = one["event"]["data"]["n"]
            if n % CONVERSATIONS == conversation and n not in first_seen:
                first_seen.append(n)
        assert first_seen == sorted(first_seen)
    print(f"{len(got)} requests for {NOTICES} notices")
