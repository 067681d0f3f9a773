"""Our client against a real Asterisk."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from telephony.ami import (
    Action,
    ActionRefused,
    AuthenticationRefused,
    Backoff,
    Client,
    ConnectionLost,
    Event,
    EventHub,
    Limits,
    LinkState,
    ListIncomplete,
    Monitor,
    NodeLink,
    NodeSession,
    PingTimeout,
    Rejection,
    connect,
)
from tests.unit.ami.fake import until

if TYPE_CHECKING:
    from tests.integration.ami.conftest import RealAsterisk


@pytest.fixture
async def monitor() -> Monitor:
    return Monitor()


@pytest.fixture
async def actions(asterisk: RealAsterisk) -> AsyncIterator[Client]:
    async with await connect(asterisk.actions) as client:
        yield client


@pytest.fixture
async def events(asterisk: RealAsterisk, monitor: Monitor) -> AsyncIterator[Client]:
    async with await connect(asterisk.events, hub=EventHub(monitor)) as client:
        yield client


async def call(actions: Client, extension: str, **variables: str) -> None:
    """Start a call whose caller's leg runs `extension`."""
    headers = [
        ("Channel", "Local/wait@test"),
        ("Context", "test"),
        ("Exten", extension),
        ("Priority", "1"),
        ("Async", "true"),
        *(("Variable", f"{name}={value}") for name, value in variables.items()),
    ]
    await actions.action("Originate", headers, deadline_s=5)


async def wait_for_event(events: AsyncIterator[Event], user_event: str) -> Event:
    async with asyncio.timeout(5):
        async for event in events:
            if event.get("UserEvent") == user_event:
                return event
    raise AssertionError("the events ended")


async def test_a_login_is_accepted_or_refused(asterisk: RealAsterisk, events: Client) -> None:
    booted = await events.wait_fully_booted(deadline_s=5)
    assert int(booted.get("Uptime") or -1) >= 0
    with pytest.raises(AuthenticationRefused):
        await connect(replace(asterisk.events, secret="wrong"))


async def test_actions_are_answered_and_refused(actions: Client) -> None:
    settings = await actions.action("CoreSettings", deadline_s=5)
    assert settings.get("AsteriskVersion")
    with pytest.raises(ActionRefused):
        await actions.action("Setvar", {"Channel": "none", "Variable": "a"}, deadline_s=5)
    with pytest.raises(ActionRefused):
        await actions.action("NoSuchAction", deadline_s=5)


async def test_a_user_event_comes_back_as_it_was_sent(actions: Client, events: Client) -> None:
    mine = events.subscribe(["UserEvent"], name="test")
    headers = {"UserEvent": "Mine", "Empty": "", "Russian": "Привет", "Colons": "a: b: c"}
    await actions.action("UserEvent", headers, deadline_s=5)
    event = await wait_for_event(mine, "Mine")
    assert {name: event.get(name) for name in headers} == headers
    assert event.timestamp_s is not None


async def test_an_offer_is_answered_by_a_setvar_and_a_redirect_in_order(
    actions: Client, events: Client
) -> None:
    user_events = events.subscribe(["UserEvent"], name="test")
    await call(actions, "offer")
    offer = await wait_for_event(user_events, "CallOffered")
    assert (offer.get("Proxy"), offer.get("Empty")) == ("+74950000001", "")
    channel = offer.get("Channel") or ""
    where = {"Context": "test", "Exten": "plan", "Priority": "1"}
    answers = await actions.actions(
        [
            Action.of("Setvar", {"Channel": channel, "Variable": "PLAN", "Value": "ring-app"}),
            Action.of("Redirect", {"Channel": channel, **where}),
        ],
        deadline_s=5,
    )
    assert [answer.ok for answer in answers] == [True, True]
    assert (await wait_for_event(user_events, "PlanCarriedOut")).get("Plan") == "ring-app"


async def test_lists_are_whole(actions: Client, events: Client) -> None:
    assert await actions.list_action("CoreShowChannels", deadline_s=5) == []
    offers = events.subscribe(["UserEvent"], name="test")
    await call(actions, "offer")
    await wait_for_event(offers, "CallOffered")
    channels = await actions.list_action("CoreShowChannels", deadline_s=5)
    assert {entry.name for entry in channels} == {"CoreShowChannel"}
    assert len({entry.get("Uniqueid") for entry in channels}) == 2
    assert await actions.list_action("BridgeList", deadline_s=5) == []
    await actions.action("DBPut", {"Family": "t", "Key": "k", "Val": "v"}, deadline_s=5)
    headers = {"Family": "t", "Key": "k"}
    (entry,) = await actions.list_action("DBGet", headers, deadline_s=5, trailing_ids=True)
    assert entry.get("Val") == "v"


async def test_asterisk_reads_lines_of_1024_bytes_and_no_longer(
    asterisk: RealAsterisk, actions: Client, events: Client
) -> None:
    user_events = events.subscribe(["UserEvent"], name="test")
    longest = "x" * (1024 - len("Long: \r\n"))
    await actions.action("UserEvent", {"UserEvent": "Mine", "Long": longest}, deadline_s=5)
    assert (await wait_for_event(user_events, "Mine")).get("Long") == longest
    # One byte more, sent raw, shows that the bound is Asterisk's and not just ours.
    login = f"Action: Login\r\nUsername: actions\r\nSecret: {asterisk.secret}\r\n\r\n"
    too_long = f"Action: UserEvent\r\nUserEvent: Mine\r\nLong: {longest}x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.port)
    writer.write((login + too_long).encode())
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"too long")
    assert b"Failed to parse message: line too long" in answer
    writer.close()
    await writer.wait_closed()


HOSTILE = (
    "%2b7916%0d%0aUniqueid: forged%0d%0a%0d%0aEvent: UserEvent%0d%0aPrivilege: user%0d%0a"
    "Timestamp: 1795000000.123456%0d%0aSystemName: guess%0d%0aUserEvent: CallOffered%0d%0a"
    "Token: forged%0d%0a%0d%0aResponse: Error%0d%0aMessage: forged%0d%0a%0d%0aX: y"
)


async def test_a_forged_event_is_rejected_and_counted_and_an_honest_call_works(
    actions: Client, events: Client, monitor: Monitor
) -> None:
    """On a dialplan that decodes the caller's number, as ours never does."""
    user_events = events.subscribe(["UserEvent"], name="test")
    await call(actions, "hostile", HOSTILE=HOSTILE)
    await until(lambda: monitor.counters.rejected[Rejection.FORGED] > 0)
    await call(actions, "plan", PLAN="honest")
    async with asyncio.timeout(5):
        first = await anext(user_events)
    assert first.get("UserEvent") == "PlanCarriedOut"
    assert monitor.counters.rejected[Rejection.TAMPERED] > 0
    # Lists in which that call stands are neither forged nor ended by it.
    channels = await actions.list_action("CoreShowChannels", deadline_s=5)
    assert {entry.name for entry in channels} == {"CoreShowChannel"}
    assert len(channels) == 4
    assert "forged" not in {entry.get("Uniqueid") for entry in channels}
    with pytest.raises(ListIncomplete):
        await actions.list_action("Status", deadline_s=5)
    statuses = await actions.list_action("Status", deadline_s=5, trailing_ids=True)
    assert sorted({entry.name for entry in statuses}) == ["", "Status"]
    assert len(statuses) == 4
    assert "forged" not in {entry.get("Uniqueid") for entry in statuses}
    await call(actions, "offer")
    assert (await wait_for_event(user_events, "CallOffered")).get("Token") == "7f"


async def test_a_killed_asterisk_fails_waiters_and_is_found_again(asterisk: RealAsterisk) -> None:
    stocks: list[NodeSession] = []

    async def take_stock(session: NodeSession) -> None:
        await session.actions.list_action("CoreShowChannels", deadline_s=5)
        stocks.append(session)

    link = NodeLink(
        events=asterisk.events,
        actions=asterisk.actions,
        on_connected=take_stock,
        backoff=Backoff(first_s=0.05, cap_s=0.2),
    )
    user_events = link.subscribe(["UserEvent"], name="test")
    task = asyncio.create_task(link.run())
    try:
        await link.wait_up(deadline_s=5)
        await asterisk.kill()
        with pytest.raises(ConnectionLost):
            await link.action("CoreStatus", deadline_s=5)
        await until(lambda: link.state is not LinkState.UP)
        await asterisk.start()
        await link.wait_up(deadline_s=10)
        assert len(stocks) == 2
        assert (await link.action("CoreStatus", deadline_s=5)).ok
        await link.action("UserEvent", {"UserEvent": "Again"}, deadline_s=5)
        await wait_for_event(user_events, "Again")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_frozen_asterisk_is_noticed_by_its_missing_pong(asterisk: RealAsterisk) -> None:
    assert asterisk.process is not None
    client = await connect(asterisk.actions, limits=Limits(ping_every_s=0.05, pong_within_s=0.3))
    asterisk.process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):
            while psutil.Process(asterisk.process.pid).status() != psutil.STATUS_STOPPED:
                await asyncio.sleep(0.01)
            with pytest.raises(ConnectionLost) as raised:
                await client.action("CoreStatus", deadline_s=5)
        assert isinstance(raised.value.cause, PingTimeout)
    finally:
        asterisk.process.send_signal(signal.SIGCONT)
        await client.aclose()
