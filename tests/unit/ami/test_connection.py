"""How a connection dies: once, with its first cause, and nobody is left waiting."""

from __future__ import annotations

import asyncio
import select
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from telephony.ami import (
    Action,
    ClosedByUs,
    ConnectionLost,
    EventHub,
    FrameTooLong,
    Limits,
    Monitor,
    PingTimeout,
    Rejection,
    Trouble,
    TroubleKind,
    connect,
)
from tests.unit.ami.fake import (
    FakeAsterisk,
    Request,
    accept,
    event,
    fake_asterisk,
    response,
    until,
)


def test_an_action_is_on_the_wire_before_anything_else_is_done() -> None:
    """A caller waits for it. On Maskline's own loop: earlier ones wrote when all was done."""

    async def scene() -> None:
        async with fake_asterisk(accept) as fake, await connect(fake.login()) as client:
            there = fake.peers[-1].writer.get_extra_info("socket")
            assert select.select([there], [], [], 0)[0] == []
            client.post([Action.of("A")])
            assert select.select([there], [], [], 5)[0] == [there]  # nothing else runs meanwhile

    with ThreadPoolExecutor(1) as apart:  # the other tests have a loop of their own
        apart.submit(uvloop.run, scene()).result()


async def test_every_waiter_learns_the_first_cause_at_once(fake: FakeAsterisk) -> None:
    fake.answer = None
    client = await connect(fake.login())
    tasks = [asyncio.create_task(client.action("Setvar", deadline_s=60)) for _ in range(20)]
    await until(lambda: len(fake.names()) == 20)
    fake.peers[-1].cut()
    async with asyncio.timeout(1):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    causes = {id(r.cause) for r in results if isinstance(r, ConnectionLost) and r.sent}
    assert len(results) == 20
    assert len(causes) == 1
    first = await client.wait_closed()
    assert isinstance(first, ConnectionError)
    with pytest.raises(ConnectionLost) as later:
        await client.action("Setvar", deadline_s=1)
    assert later.value.cause is first
    assert not later.value.sent
    await client.aclose()
    assert await client.wait_closed() is first


async def test_closing_fails_waiters_and_posts_at_once(fake: FakeAsterisk) -> None:
    fake.answer = None
    client = await connect(fake.login())
    task = asyncio.create_task(client.actions([Action.of("A"), Action.of("B")], deadline_s=60))
    client.post([Action.of("C")])
    await until(lambda: len(fake.names()) == 3)
    await client.aclose()
    with pytest.raises(ConnectionLost) as raised:
        await task
    assert isinstance(raised.value.cause, ClosedByUs)


async def test_a_frame_without_end_kills_the_connection(fake: FakeAsterisk) -> None:
    client = await connect(fake.login(), limits=Limits(frame_bytes=10_000))
    fake.send(b"Event: " + b"a" * 20_000)
    assert isinstance(await client.wait_closed(), FrameTooLong)
    await client.aclose()


async def test_no_pong_within_the_deadline_kills_the_connection(fake: FakeAsterisk) -> None:
    client = await connect(fake.login(), limits=Limits(ping_every_s=0.02, pong_within_s=0.1))
    await until(lambda: sum(r["Action"] == "Ping" for r in fake.received) >= 3)
    fake.pong = False
    async with asyncio.timeout(2):
        assert isinstance(await client.wait_closed(), PingTimeout)
    await client.aclose()


async def test_our_own_delay_is_not_taken_for_a_missing_pong(fake: FakeAsterisk) -> None:
    client = await connect(fake.login(), limits=Limits(ping_every_s=0.02, pong_within_s=0.2))
    await until(lambda: any(r["Action"] == "Ping" for r in fake.received))
    loop = asyncio.get_running_loop()
    blocked_until = loop.time() + 0.6
    while loop.time() < blocked_until:
        pass
    before = len(fake.received)
    await until(lambda: len(fake.received) > before + 2)
    assert not client.closed.done()
    await client.aclose()


async def test_a_pong_behind_a_long_burst_is_waited_for_but_not_for_ever(
    fake: FakeAsterisk,
) -> None:
    client = await connect(fake.login(), limits=Limits(ping_every_s=0.02, pong_within_s=0.1))
    await until(lambda: any(r["Action"] == "Ping" for r in fake.received))
    fake.pong = False
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not client.closed.done():
        fake.send(event("Hangup"))
        await asyncio.sleep(0.005)
        assert loop.time() < began_s + 10
    assert isinstance(await client.wait_closed(), PingTimeout)
    assert loop.time() - began_s > 0.3
    await client.aclose()


@pytest.mark.parametrize("step", ["Challenge", "Login", "Originate"])
@pytest.mark.parametrize("answered", [False, True])
async def test_wherever_the_connection_is_cut_an_action_is_written_once_at_most(
    fake: FakeAsterisk, step: str, answered: bool
) -> None:
    """Cut with or without an answer to each of our actions; then connect again."""
    fake.cut_at, fake.cut_answered = step, answered
    try:
        client = await connect(fake.login())
        await client.action("Originate", {"Channel": "x"}, deadline_s=1)
        await client.wait_closed()
    except ConnectionLost as lost:
        assert isinstance(lost.cause, ConnectionError)  # noqa: PT017 - both ends are allowed
    fake.cut_at = None
    async with await connect(fake.login()) as again:
        await again.action("CoreStatus", deadline_s=1)
    assert fake.names().count("Originate") == (step == "Originate")


async def test_a_connection_cut_at_any_byte_of_an_answer_fails_or_answers_once(
    fake: FakeAsterisk,
) -> None:
    for keep in range(0, 60, 7):

        def answer(r: Request, keep: int = keep) -> None:
            r.peer.writer.write(response(r.id, Message="ok")[:keep])
            r.peer.writer.write_eof()

        fake.answer = answer
        client = await connect(fake.login())
        with pytest.raises(ConnectionLost) as raised:
            await client.action("Redirect", deadline_s=5)
        assert raised.value.sent
        await client.aclose()
    assert len(fake.names()) == 9


async def test_forged_frames_are_counted_reported_and_kept_from_subscribers(
    fake: FakeAsterisk,
) -> None:
    troubles: list[Trouble] = []
    monitor = Monitor(troubles.append)
    async with await connect(fake.login(), hub=EventHub(monitor)) as client:
        every = client.subscribe(None, name="test")
        fake.send(b"Event: Hangup\r\nChannel: forged\r\n\r\n" + event("Hangup", Channel="true"))
        assert (await anext(every)).get("Channel") == "true"
    assert monitor.counters.rejected[Rejection.FORGED] == 1
    assert Trouble(TroubleKind.FRAME_REJECTED, "forged") in troubles


async def test_a_burst_leaves_room_for_others_on_the_loop(fake: FakeAsterisk) -> None:
    """Between two rounds of the loop the reader takes only as much as fits into its slice."""
    hub = EventHub(Monitor())
    async with await connect(fake.login(), hub=hub, limits=Limits(read_slice_s=0.0)) as client:
        every = client.subscribe(["Hangup"], name="test", capacity=10_000)
        longest = 0

        async def watch() -> None:
            nonlocal longest
            before = 0
            while len(every) < 5000:
                await asyncio.sleep(0)
                longest, before = max(longest, len(every) - before), len(every)

        watching = asyncio.create_task(watch())
        fake.send(event("Hangup") * 5000)
        async with asyncio.timeout(20):
            await watching
        assert 0 < longest <= 64
        assert hub.monitor.counters.lag_s > 0
