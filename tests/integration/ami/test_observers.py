"""Two published clients, logged in beside ours, must see what ours sees."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import panoramisk
import pytest
from asterisk.ami import AMIClient

from telephony.ami import connect
from tests.unit.ami.fake import until

if TYPE_CHECKING:
    from tests.integration.ami.conftest import RealAsterisk

Seen = list[tuple[str, str, str]]
COMPARED = ("Newchannel", "Newstate", "UserEvent", "HangupRequest", "Hangup", "BridgeEnter")


def between(seen: Seen) -> Seen:
    """The events between our two marks, by name, Uniqueid and name of a UserEvent."""
    marks = [at for at, event in enumerate(seen) if event[2] == "Mark"]
    return seen[marks[0] : marks[-1] + 1] if len(marks) == 2 else []


@contextmanager
def watched_by_asterisk_ami(asterisk: RealAsterisk) -> Iterator[Seen]:
    """asterisk-ami 0.1.7 reads in a thread of its own."""
    seen: Seen = []
    threads = threading.active_count()
    client = AMIClient(address="127.0.0.1", port=asterisk.port)

    def on_event(event: Any, **_: object) -> None:  # noqa: ANN401 - it has no types
        keys = event.keys
        if event.name in COMPARED:
            seen.append((event.name, keys.get("Uniqueid", ""), keys.get("UserEvent", "")))

    client.add_event_listener(on_event)
    future = client.login(username="observer", secret=asterisk.secret)
    assert not future.response.is_error()
    try:
        yield seen
    finally:
        client.logoff()
        client.disconnect()
        assert threading.active_count() == threads


async def watch_by_panoramisk(asterisk: RealAsterisk, seen: Seen) -> panoramisk.Manager:
    manager = panoramisk.Manager(
        loop=asyncio.get_running_loop(),
        host="127.0.0.1",
        port=asterisk.port,
        username="observer",
        secret=asterisk.secret,
        ping_interval=60,
    )

    def on_event(_: object, event: Any) -> None:  # noqa: ANN401 - it has no types
        if event.event in COMPARED:
            seen.append((event.event, event.uniqueid or "", event.userevent or ""))

    manager.register_event("*", on_event)
    await manager.connect()
    await until(lambda: bool(manager.authenticated))
    return manager


# asterisk-ami calls Condition.notifyAll with a lock held: as an error it would leave it held.
@pytest.mark.filterwarnings("ignore:notifyAll:DeprecationWarning")
async def test_ours_and_two_independent_clients_see_the_same_events(
    asterisk: RealAsterisk,
) -> None:
    ours: Seen = []
    panoramisks: Seen = []
    manager = await watch_by_panoramisk(asterisk, panoramisks)
    with watched_by_asterisk_ami(asterisk) as asterisk_amis:
        async with (
            await connect(asterisk.events) as events,
            await connect(asterisk.actions) as actions,
        ):
            subscription = events.subscribe(COMPARED, name="test")
            consumer = asyncio.create_task(
                subscription.run(
                    lambda event: ours.append(
                        (event.name, event.get("Uniqueid") or "", event.get("UserEvent") or "")
                    )
                )
            )
            mark = {"UserEvent": "Mark"}
            await actions.action("UserEvent", mark, deadline_s=5)
            originate = {
                "Channel": "Local/wait@test",
                "Context": "test",
                "Exten": "offer",
                "Priority": "1",
                "Async": "true",
            }
            for _ in range(3):
                await actions.action("Originate", originate, deadline_s=5)
            await until(lambda: sum(event[2] == "CallOffered" for event in ours) == 3)
            hang_up = {"Channel": "/^Local/"}
            await actions.action("Hangup", hang_up, deadline_s=5)
            await until(lambda: sum(event[0] == "Hangup" for event in ours) == 6)
            await actions.action("UserEvent", mark, deadline_s=5)
            for seen in (ours, panoramisks, asterisk_amis):
                await until(lambda seen=seen: bool(between(seen)))  # type: ignore[misc]
            subscription.close()
            await consumer
    assert len(between(ours)) >= 2 + 3 * 4
    assert between(panoramisks) == between(ours)
    assert between(asterisk_amis) == between(ours)
    manager.pinger.cancel()
    manager.protocol.closed = True
    manager.protocol.transport.close()
    await asyncio.sleep(0)
