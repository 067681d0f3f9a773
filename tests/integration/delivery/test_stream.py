"""The Redis stream holds every notice once and in order, over a real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import asyncio as redis

from api.outbound.stream import RedisStream
from storage import dispatch
from tests.integration.delivery.conftest import Post
from tests.support.redis_server import RedisServer, serving

NAME = "maskline:events"


async def entries(server: RedisServer) -> list[Any]:
    return list(await server.ask(lambda client: client.xrange(NAME)))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with serving(tmp_path) as made:
        yield made


@pytest.fixture
async def stream(server: RedisServer) -> AsyncIterator[RedisStream]:
    made = RedisStream(server.url, NAME)
    try:
        yield made
    finally:
        await made.close()


async def until_streamed(server: RedisServer, count: int) -> list[Any]:
    found: list[Any] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(15):
            while len(found) < count:
                with suppress(redis.ConnectionError, FileNotFoundError):
                    found = await entries(server)
                await asyncio.sleep(0.02)
    assert len(found) == count
    return found


async def test_every_notice_is_there_once_in_order(
    post: Post, server: RedisServer, stream: RedisStream
) -> None:
    async with post.delivering(stream), post.delivering(stream):
        for n in range(50):
            await post.owe(post.notice(n))
        found = await until_streamed(server, 50)
    assert [json.loads(fields[b"body"])["data"]["n"] for _, fields in found] == list(range(50))
    assert [place for place, _ in found] == [f"{n}-0".encode() for n in range(1, 51)]


async def test_what_is_sent_again_is_not_doubled(
    lite: Post, server: RedisServer, stream: RedisStream
) -> None:
    await lite.owe(*(lite.notice(n) for n in range(10)))
    await lite.db.write(lambda conn: dispatch.dispatch(conn, stream=True, now=lite.now))
    batch = await lite.db.read(dispatch.to_stream)
    await stream.put(batch[:6])
    await stream.put(batch)  # as after a death between sending and keeping
    await stream.put(batch[:3])

    assert len(await entries(server)) == 10


async def test_a_stream_of_another_database_is_not_taken_for_ours(
    lite: Post, server: RedisServer, stream: RedisStream
) -> None:
    await server.ask(lambda client: client.xadd(NAME, {"id": "other"}, id="5-0"))
    await lite.owe(lite.notice(1))
    await lite.db.write(lambda conn: dispatch.dispatch(conn, stream=True, now=lite.now))
    batch = await lite.db.read(dispatch.to_stream)
    with pytest.raises(ConnectionError):
        await stream.put([*batch[:0], batch[0].__class__(5, "key", "kind", lite.now, None, "{}")])


async def test_a_redis_that_died_gets_what_it_missed(
    lite: Post, server: RedisServer, stream: RedisStream
) -> None:
    async with lite.delivering(stream):
        await lite.owe(*(lite.notice(n) for n in range(5)))
        await until_streamed(server, 5)
        await server.kill()
        await lite.owe(*(lite.notice(n) for n in range(5, 10)))
        await asyncio.sleep(0.1)  # it is tried, and fails
        await server.start()
        found = await until_streamed(server, 10)
    assert [json.loads(fields[b"body"])["data"]["n"] for _, fields in found] == list(range(10))
