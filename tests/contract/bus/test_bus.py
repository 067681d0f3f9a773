"""What every bus to the apps keeps: in one process, and over Redis between several."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.in_app.bus import AppBus, Bus, Event
from api.in_app.redis_bus import CHANNEL, RedisBus
from tests.support.redis_server import RedisServer, serving


@dataclass(frozen=True)
class Pair:
    """Where it is said and where it is heard: the same bus, or two of one channel."""

    said: AppBus
    heard: AppBus


@asynccontextmanager
async def running(bus: RedisBus) -> AsyncIterator[RedisBus]:
    task = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(10):
            await bus.ready()
        yield bus
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with serving(tmp_path) as made:
        yield made


@pytest.fixture(params=["here", "redis to itself", "redis to another"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "here":
        bus = Bus()
        yield Pair(bus, bus)
        return
    async with (
        serving(tmp_path) as redis,
        running(RedisBus(redis.url)) as one,
        running(RedisBus(redis.url)) as two,
    ):
        yield Pair(one, one if request.param == "redis to itself" else two)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_user_hears_what_is_for_them_in_order_and_once(pair: Pair) -> None:
    mine: list[Event] = []
    theirs: list[Event] = []
    pair.heard.listen("u-1", mine.append)
    pair.heard.listen("u-2", theirs.append)

    for n in range(50):
        pair.said.publish("u-1", "call.quality", {"n": n})
    pair.said.publish("u-2", "call.ended", {"call_id": "cal_1"})

    await until(lambda: bool(theirs))
    assert theirs == [Event("call.ended", {"call_id": "cal_1"})]
    assert mine == [Event("call.quality", {"n": n}) for n in range(50)]


async def test_all_listeners_of_a_user_hear_it(pair: Pair) -> None:
    one: list[Event] = []
    two: list[Event] = []
    pair.heard.listen("u-1", one.append)
    pair.heard.listen("u-1", two.append)

    pair.said.publish("u-1", "call.ended", {})

    await until(lambda: len(one) == len(two) == 1)


async def test_whoever_left_hears_nothing_more(pair: Pair) -> None:
    gone: list[Event] = []
    there: list[Event] = []
    leave = pair.heard.listen("u-1", gone.append)
    pair.heard.listen("u-1", there.append)

    leave()
    leave()  # twice is once
    pair.said.publish("u-1", "call.ended", {})

    await until(lambda: bool(there))
    assert gone == []


async def test_a_listener_may_leave_while_it_is_told(pair: Pair) -> None:
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        leave()

    leave = pair.heard.listen("u-1", once)
    last: list[Event] = []
    pair.heard.listen("u-1", last.append)

    pair.said.publish("u-1", "call.quality", {})
    pair.said.publish("u-1", "call.ended", {})

    await until(lambda: len(last) == 2)
    assert len(heard) == 1


async def test_what_nobody_hears_is_gone(pair: Pair) -> None:
    pair.said.publish("u-1", "call.quality", {"n": 1})
    heard: list[Event] = []
    stop: list[Event] = []
    pair.heard.listen("u-9", stop.append)
    pair.said.publish("u-9", "call.ended", {})
    await until(lambda: bool(stop))

    pair.heard.listen("u-1", heard.append)
    pair.said.publish("u-1", "call.quality", {"n": 2})

    await until(lambda: bool(heard))
    assert heard == [Event("call.quality", {"n": 2})]


async def test_without_redis_those_here_are_told_and_later_the_others_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(RedisBus(server.url)) as one, running(RedisBus(server.url)) as two:
        here: list[Event] = []
        there: list[Event] = []
        one.listen("u-1", here.append)
        two.listen("u-1", there.append)
        await server.kill()
        for n in range(3000):  # more than may wait
            one.publish("u-1", "call.quality", {"n": n})
        assert len(here) == 3000

        await server.start()
        async with asyncio.timeout(20):
            while Event("call.ended", {}) not in there:
                one.publish("u-1", "call.ended", {})
                await asyncio.sleep(0.1)

    assert "the bus to other processes is away" in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        b"no json",
        b"[]",
        b'{"from": "x", "user_id": "u-1", "kind": "call.ended"}',
        b'{"from": "x", "user_id": 1, "kind": "call.ended", "data": {}}',
        b'{"from": "x", "user_id": "u-1", "kind": "a\\nevent: b", "data": {}}',
        b'{"from": "x", "user_id": "u-1", "kind": "call.ended", "data": {"x": "%s"}}'
        % (b"x" * 70_000),
    ],
)
async def test_what_none_of_ours_would_say_is_not_believed(
    server: RedisServer, said: bytes
) -> None:
    async with running(RedisBus(server.url)) as bus:
        heard: list[Event] = []
        bus.listen("u-1", heard.append)
        await server.ask(lambda client: client.publish(CHANNEL, said))
        good = {"from": "x", "user_id": "u-1", "kind": "call.ended", "data": {"good": True}}
        await server.ask(lambda client: client.publish(CHANNEL, json.dumps(good)))

        await until(lambda: bool(heard))

    assert heard == [Event("call.ended", {"good": True})]


def test_what_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisBus("http://redis.test")
