from __future__ import annotations

import asyncio

import pytest

from telephony.ami import Event, EventHub, Monitor, Trouble, TroubleKind


def make(name: str, number: int = 0) -> Event:
    raw = f"Event: {name}\r\nPrivilege: call,all\r\nNumber: {number}".encode()
    return Event(raw, name)


def number(event: Event) -> int:
    return int(event.get("Number") or -1)


@pytest.fixture
def troubles() -> list[Trouble]:
    return []


@pytest.fixture
def hub(troubles: list[Trouble]) -> EventHub:
    return EventHub(Monitor(troubles.append))


async def test_a_subscriber_gets_what_it_asked_for_in_order(hub: EventHub) -> None:
    some = hub.subscribe(["A", "B"], name="some")
    every = hub.subscribe(None, name="every")
    for at, name in enumerate(["A", "C", "B", "A"]):
        hub.publish(make(name, at))
    some.close()
    every.close()
    assert [number(event) async for event in some] == [0, 2, 3]
    assert [(event.name, number(event)) async for event in every] == [
        ("A", 0), ("C", 1), ("B", 2), ("A", 3),
    ]  # fmt: skip


async def test_a_full_queue_drops_the_newest_counts_and_reports_once_each_time(
    hub: EventHub, troubles: list[Trouble]
) -> None:
    slow = hub.subscribe(["A"], name="slow", capacity=2)
    quick = hub.subscribe(["A"], name="quick", capacity=100)
    for at in range(5):
        hub.publish(make("A", at))
    assert (slow.dropped, len(slow), quick.dropped, len(quick)) == (3, 2, 0, 5)
    assert hub.monitor.counters.dropped == 3
    assert troubles == [Trouble(TroubleKind.QUEUE_FULL, "slow")]
    assert number(await anext(slow)) == 0
    hub.publish(make("A", 5))
    hub.publish(make("A", 6))
    assert len(troubles) == 2
    assert [number(await anext(slow)) for _ in range(2)] == [1, 5]


async def test_a_handler_that_raises_gets_the_next_event_and_hurts_nobody(
    hub: EventHub, troubles: list[Trouble]
) -> None:
    seen: list[int] = []

    def raising(event: Event) -> None:
        seen.append(number(event))
        raise ValueError(event.get("Number"))

    bad = hub.subscribe(["A"], name="bad")
    good = hub.subscribe(["A"], name="good")
    for at in range(3):
        hub.publish(make("A", at))
    bad.close()
    good.close()
    await bad.run(raising)
    assert seen == [0, 1, 2]
    assert hub.monitor.counters.subscriber_errors == 3
    assert {(t.kind, t.detail) for t in troubles} == {(TroubleKind.SUBSCRIBER_RAISED, "bad")}
    assert len([event async for event in good]) == 3


async def test_asynchronous_handlers_take_one_event_at_a_time(hub: EventHub) -> None:
    busy = False
    seen: list[int] = []

    async def handle(event: Event) -> None:
        nonlocal busy
        assert not busy
        busy = True
        await asyncio.sleep(0)
        busy = False
        seen.append(number(event))

    subscription = hub.subscribe(None, name="test")
    for at in range(10):
        hub.publish(make("A", at))
    subscription.close()
    await subscription.run(handle)
    assert seen == list(range(10))


async def test_a_listener_of_troubles_that_raises_hurts_nobody() -> None:
    def raising(_: Trouble) -> None:
        raise RuntimeError

    hub = EventHub(Monitor(raising))
    tiny = hub.subscribe(None, name="tiny", capacity=0)
    hub.publish(make("A"))
    assert tiny.dropped == 1


async def test_a_waiting_subscriber_is_woken(hub: EventHub) -> None:
    subscription = hub.subscribe(["A"], name="test")
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    hub.publish(make("A", 7))
    assert number(await asyncio.wait_for(waiting, 1)) == 7


async def test_closing_ends_a_waiting_subscriber_and_its_events(hub: EventHub) -> None:
    subscription = hub.subscribe(None, name="test")
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0.01)
    subscription.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 1)
    hub.publish(make("A"))
    assert len(subscription) == 0


async def test_a_cancelled_wait_loses_nothing(hub: EventHub) -> None:
    subscription = hub.subscribe(None, name="test")
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    hub.publish(make("A", 1))
    assert number(await anext(subscription)) == 1


async def test_a_second_consumer_is_refused(hub: EventHub) -> None:
    subscription = hub.subscribe(None, name="test")
    first = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0.01)
    with pytest.raises(RuntimeError):
        await anext(subscription)
    hub.publish(make("A"))
    await first


async def test_while_held_events_queue_and_old_ones_are_thrown_away(hub: EventHub) -> None:
    subscription = hub.subscribe(None, name="test")
    hub.publish(make("A", 1))
    hub.hold()
    assert hub.monitor.counters.stale == 1
    hub.publish(make("A", 2))
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    hub.release()
    assert number(await asyncio.wait_for(waiting, 1)) == 2


async def test_a_subscriber_with_a_long_queue_lets_others_in(hub: EventHub) -> None:
    subscription = hub.subscribe(None, name="test", capacity=50_000)
    for at in range(50_000):
        hub.publish(make("A", at))
    subscription.close()
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while len(subscription):
            rounds += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(subscription.run(lambda _: None))
        tasks.create_task(others())
    assert rounds > 10
