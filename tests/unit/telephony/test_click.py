"""A call that the platform asks for, as far as the controller has a part in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from masking.ids import call_id
from masking.live import CannotNow, LiveRefused
from masking.load import TrunkLoads
from masking.model import Role
from masking.plan import Channel
from telephony import click
from telephony.ami import AmiError, Event, NodeLink, Subscription
from telephony.click import Clicks, Starts
from telephony.live import LiveCall, LiveState
from telephony.originate import Ring
from tests.unit.ami.fake import (
    SYSTEMNAME,
    FakeAsterisk,
    Request,
    event,
    fake_asterisk,
    response,
    until,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SESSION = "ses_" + "0" * 26
DEVICE = "app_" + "a" * 26
APP = Ring(Channel.APP, DEVICE, 25, SESSION)
PHONE = Ring(Channel.GSM, "carrier-a", 20, "+74951110001", "+79161234567")


@dataclass
class Scene:
    """The calls of a node, whose Asterisk does what a test says."""

    fake: FakeAsterisk
    rings: tuple[Ring, ...] = (PHONE,)
    refused: CannotNow | None = None
    loads: TrunkLoads = field(default_factory=TrunkLoads)
    calls: dict[str, LiveCall] = field(default_factory=dict)  # by linkedid
    refuse: bool = False
    foretold: list[tuple[str, tuple[Ring, ...]]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    link: NodeLink = field(init=False)
    events: Subscription = field(init=False)
    listener: Callable[[Event], None] = field(init=False)

    def __post_init__(self) -> None:
        async def nothing(_: object) -> None: ...

        self.link = NodeLink(events=self.fake.login(), on_connected=nothing)
        self.fake.answer = self.answer

    def answer(self, request: Request) -> None:
        request.peer.send(response(request.id, "Error" if self.refuse else "Success"))

    def ringing(self, call_id: str, rings: Iterable[Ring]) -> None:
        self.foretold.append((call_id, tuple(rings)))

    def live_call(self, wanted: str) -> LiveCall | None:
        return next((one for one in self.calls.values() if one.call_id == wanted), None)

    def follow(self, listener: Callable[[Event], None]) -> None:
        self.events = self.link.subscribe(("UserEvent", "Hangup"), name="test")
        self.listener = listener

    def begin(self, call: LiveCall) -> None:
        self.calls[call.linked_id] = call

    def forget(self, linked_id: str) -> None:
        call = self.calls.pop(linked_id)
        self.loads.release(call.call_id)

    async def start(self, session_id: str, role: Role, wanted: str, load: TrunkLoads) -> Starts:
        assert (session_id, role) == (SESSION, Role.BUYER)
        if self.refused is not None:
            raise LiveRefused(self.refused)
        return Starts(self.rings, Role.SELLER)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Clicks]:
        clicks = Clicks(
            self,
            self,
            node=SYSTEMNAME,
            clock=lambda: NOW,
            entropy=lambda n: "ab" * n,
            on_error=self.errors.append,
        )
        work = (self.link.run(), clicks.run(), self.events.run(self.listener))
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(one) for one in work]
        try:
            await self.link.wait_up(deadline_s=5)
            yield clicks
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @property
    def rung(self) -> list[Request]:
        return [one for one in self.fake.received if one["Action"] == "Originate"]

    def fails(self, leg: Request, **more: str) -> None:
        """As the dialplan says it; `Rung` where there was a channel."""
        facts = {"UserEvent": "ClickFailed", "Call": leg["ChannelId"], "Complete": "yes"}
        self.fake.send(event("UserEvent", **facts, **more))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with fake_asterisk() as fake:
        yield Scene(fake)


async def test_the_calls_id_is_known_before_anything_rings(scene: Scene) -> None:
    async with scene.running() as clicks:
        wanted = await clicks.begin(SESSION, Role.BUYER)
        [leg] = scene.rung
        assert leg["Channel"] == "PJSIP/+79161234567@carrier-a"
        assert leg["Context"] == "clicked"
        assert wanted == call_id(SYSTEMNAME, leg["ChannelId"])
        told = [value for name, value in leg.headers if name == "Variable"]
        assert "M_CLICKED=buyer" in told
        assert f"M_SESSION={SESSION}" in told
        [call] = scene.calls.values()
        assert (call.call_id, call.state) == (wanted, LiveState.OFFERED)
        assert (call.caller, call.callee) == (Role.BUYER, Role.SELLER)
        assert call.channel == leg["ChannelId"], "it can be hung up by that until its name is known"
        assert scene.loads.in_use("carrier-a") == 1


async def test_a_device_that_is_gone_is_followed_by_the_phone_under_the_same_id(
    scene: Scene,
) -> None:
    scene.rings = (APP, PHONE)
    async with scene.running() as clicks:
        wanted = await clicks.begin(SESSION, Role.BUYER)
        scene.fails(scene.rung[0])
        await until(lambda: len(scene.rung) == 2)
        one, two = scene.rung
        assert one["ChannelId"] == two["ChannelId"]
        assert two["Channel"].endswith("@carrier-a")
        [call] = scene.calls.values()
        assert (call.call_id, call.trunk_in) == (wanted, "carrier-a")


async def test_a_trunk_that_takes_no_call_is_followed_by_the_next(scene: Scene) -> None:
    scene.rings = (PHONE, replace(PHONE, via="carrier-b", last=True))
    async with scene.running() as clicks:
        await clicks.begin(SESSION, Role.BUYER)
        assert scene.loads.in_use("carrier-a") == 1
        scene.fails(scene.rung[0])
        await until(lambda: len(scene.rung) == 2)
        assert scene.rung[1]["Channel"].endswith("@carrier-b/carrier-b_unasked")
        assert [scene.loads.in_use(trunk) for trunk in ("carrier-a", "carrier-b")] == [0, 1]


async def test_a_person_who_declines_is_not_rung_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.rings = (APP, PHONE)
    monkeypatch.setattr(click, "NO_CHANNEL_S", 0.05)
    async with scene.running() as clicks:
        await clicks.begin(SESSION, Role.BUYER)
        scene.fails(scene.rung[0], Rung="yes")
        scene.fails(scene.rung[0])  # Asterisk says it once more
        await until(lambda: not clicks.waiting)
        assert len(scene.rung) == 1


async def test_a_leg_of_which_nothing_is_heard_rings(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click, "NO_CHANNEL_S", 0.05)
    scene.rings = (APP, PHONE)
    async with scene.running() as clicks:
        await clicks.begin(SESSION, Role.BUYER)
        await until(lambda: not clicks.waiting)
        assert len(scene.rung) == 1
        assert len(scene.calls) == 1


async def test_where_no_channel_can_be_made_nothing_is_left(scene: Scene) -> None:
    scene.refuse = True
    scene.rings = (APP, PHONE)
    async with scene.running() as clicks:
        await clicks.begin(SESSION, Role.BUYER)
        await until(lambda: not scene.calls)
        assert len(scene.rung) == 2
        assert scene.loads.in_use("carrier-a") == 0


async def test_what_cannot_be_is_refused_before_anybody_is_rung(scene: Scene) -> None:
    scene.refused = CannotNow.BLOCKED
    async with scene.running() as clicks:
        with pytest.raises(LiveRefused) as refused:
            await clicks.begin(SESSION, Role.BUYER)
        assert refused.value.reason is CannotNow.BLOCKED
        assert (scene.rung, scene.calls) == ([], {})


async def test_without_a_node_nothing_is_begun(scene: Scene) -> None:
    async with scene.running() as clicks:
        scene.fake.cut_at = "Originate"
        with pytest.raises(AmiError):
            await clicks.begin(SESSION, Role.BUYER)
        assert scene.calls == {}
        assert not clicks.waiting


async def test_a_node_that_goes_while_the_next_way_is_tried_is_told(scene: Scene) -> None:
    scene.rings = (APP, PHONE)
    async with scene.running() as clicks:
        await clicks.begin(SESSION, Role.BUYER)
        scene.fake.cut_at = "Originate"
        scene.fails(scene.rung[0])
        await until(lambda: bool(scene.errors))
        assert scene.calls == {}


async def test_not_more_at_once_than_can_be_looked_after(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click, "MOST_AT_ONCE", 0)
    async with scene.running() as clicks:
        with pytest.raises(LiveRefused):
            await clicks.begin(SESSION, Role.BUYER)


async def test_what_is_not_whole_or_of_another_is_not_believed(scene: Scene) -> None:
    scene.rings = (APP, PHONE)
    async with scene.running() as clicks:
        await clicks.begin(SESSION, Role.BUYER)
        leg = scene.rung[0]["ChannelId"]
        scene.fake.send(event("UserEvent", UserEvent="ClickFailed", Call=leg))
        scene.fake.send(event("UserEvent", UserEvent="ClickFailed", Call="x", Complete="yes"))
        scene.fake.send(event("Hangup", Uniqueid="x"))
        scene.fails(scene.rung[0])
        await until(lambda: len(scene.rung) == 2)
