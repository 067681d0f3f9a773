from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from telephony.ami import (
    Action,
    AuthenticationRefused,
    Backoff,
    ConnectionLost,
    Limits,
    LinkState,
    NodeLink,
    NodeSession,
    NotConnected,
)
from tests.unit.ami.fake import FakeAsterisk, Request, accept, event, until

ORIGINATE = Action.of("Originate", {"Channel": "Local/x", "Async": "true"})
QUICK = Backoff(first_s=0.01, cap_s=0.05)


class Node:
    """A link to a fake Asterisk, and what it did."""

    def __init__(self, fake: FakeAsterisk) -> None:
        self.fake = fake
        self.states: list[LinkState] = []
        self.stocks: list[NodeSession] = []
        self.stock_may_end = asyncio.Event()
        self.stock_may_end.set()
        self.link = NodeLink(
            events=fake.login(event_mask="system,call,user"),
            actions=fake.login(event_mask="off"),
            on_connected=self.take_stock,
            on_state=self.states.append,
            backoff=QUICK,
            limits=Limits(connect_s=2, booted_s=2),
        )

    async def take_stock(self, session: NodeSession) -> None:
        self.stocks.append(session)
        await session.actions.action("CoreShowChannels", deadline_s=1)
        await self.stock_may_end.wait()


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[NodeLink]:
    task = asyncio.create_task(node.link.run())
    try:
        yield node.link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_is_up_once_both_logins_are_and_stock_is_taken(fake: FakeAsterisk) -> None:
    node = Node(fake)
    async with running(node) as link:
        with pytest.raises(NotConnected):
            await link.action("Setvar", deadline_s=1)
        await link.wait_up(deadline_s=5)
        masks = [r["Events"] for r in fake.received if r["Action"] == "Login"]
        assert masks == ["system,call,user", "off"]
        assert node.stocks[0].booted.get("Uptime") == "5"
        assert (await link.action("Setvar", deadline_s=1)).ok
        assert (await link.actions([Action.of("Redirect")], deadline_s=1))[0].ok
        link.post([Action.of("Hangup")])
        await until(lambda: fake.names()[-1] == "Hangup")
    assert node.states == [
        LinkState.CONNECTING, LinkState.TAKING_STOCK, LinkState.UP, LinkState.STOPPED,
    ]  # fmt: skip


async def test_events_wait_until_stock_is_taken(fake: FakeAsterisk) -> None:
    node = Node(fake)
    node.stock_may_end.clear()
    hangups = node.link.subscribe(["Hangup"], name="test")
    async with running(node):
        await until(lambda: bool(node.stocks))
        fake.peers[0].send(event("Hangup", Channel="a"))
        await until(lambda: len(hangups) == 1)
        waiting = asyncio.ensure_future(anext(hangups))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        node.stock_may_end.set()
        assert (await asyncio.wait_for(waiting, 2)).get("Channel") == "a"


@pytest.mark.parametrize("lost", [0, 1])
async def test_when_either_login_is_lost_both_are_made_anew_and_stock_is_taken_again(
    fake: FakeAsterisk, lost: int
) -> None:
    node = Node(fake)
    hangups = node.link.subscribe(["Hangup"], name="test")
    async with running(node) as link:
        await link.wait_up(deadline_s=5)
        fake.peers[0].send(event("Hangup", Channel="stale"))
        await until(lambda: len(hangups) == 1)
        fake.peers[lost].cut()
        await until(lambda: len(node.stocks) == 2 and link.state is LinkState.UP)
        assert fake.logins == 4
        fake.peers[2].send(event("Hangup", Channel="fresh"))
        assert (await asyncio.wait_for(anext(hangups), 2)).get("Channel") == "fresh"
        assert link.counters.stale == 1
        assert (await link.action("Setvar", deadline_s=1)).ok


async def test_an_action_cut_at_any_byte_is_not_sent_again_after_reconnection(
    fake: FakeAsterisk,
) -> None:
    node = Node(fake)
    partial: list[bytes] = []
    keep = 0

    async def cut_in_the_next(request: Request) -> None:
        if request["Action"] == "Mark":
            partial.append(await request.peer.reader.readexactly(keep))
            request.peer.cut()
        else:
            accept(request)

    fake.answer = cut_in_the_next
    async with running(node) as link:
        for keep in range(0, 70, 3):  # noqa: B007 - `cut_in_the_next` reads it
            await link.wait_up(deadline_s=5)
            before = len(node.stocks)
            with pytest.raises(ConnectionLost) as raised:
                await link.actions([Action.of("Mark"), ORIGINATE], deadline_s=5)
            assert raised.value.sent
            await until(lambda before=before: len(node.stocks) > before)  # type: ignore[misc]
            await link.wait_up(deadline_s=5)
            await link.action("CoreStatus", deadline_s=5)
    assert [len(part) for part in partial] == list(range(0, 70, 3))
    assert "Originate" not in fake.names()
    assert fake.names().count("Mark") == len(partial)


async def test_it_comes_back_after_asterisk_was_away(fake: FakeAsterisk) -> None:
    node = Node(fake)
    async with running(node) as link:
        await link.wait_up(deadline_s=5)
        await fake.stop()
        await until(lambda: link.state is LinkState.DOWN or len(node.states) > 4)
        with pytest.raises(NotConnected) as raised:
            await link.list_action("CoreShowChannels", deadline_s=1)
        assert not raised.value.sent
        await fake.start()
        await link.wait_up(deadline_s=5)
        assert len(node.stocks) == 2


async def test_a_refused_login_ends_the_link(fake: FakeAsterisk) -> None:
    node = Node(fake)
    node.link._actions = fake.login(secret="wrong")
    with pytest.raises(AuthenticationRefused):
        await node.link.run()
    assert node.link.state is LinkState.STOPPED
    assert not node.stocks
