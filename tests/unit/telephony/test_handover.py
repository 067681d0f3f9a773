"""A handover as the controller sees it: whom it rings, when it stops, and what it tells."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from masking.call import State
from masking.live import CannotNow, LiveRefused
from masking.load import TrunkLoads
from masking.model import Role
from masking.plan import Channel
from telephony import handover
from telephony.ami import AmiError, Event, NodeLink, Subscription
from telephony.errors import UnknownCall
from telephony.handover import Handovers, Moved, Reach, Result, Why
from telephony.live import LiveCall, leg_of
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
DEVICE, TABLET = "app_" + "a" * 26, "app_" + "b" * 26
LINKED = f"{SYSTEMNAME}-1700000000.1"
CALL = LiveCall(
    call_id="cal_1",
    linked_id=LINKED,
    channel=f"PJSIP/{DEVICE}-00000001",
    progress=State.UP,
    since=NOW,
    trunk_in="",
    trunk_out="carrier-a",
    session_id=SESSION,
    caller=Role.BUYER,
    callee=Role.SELLER,
    caller_leg=leg_of(f"PJSIP/{DEVICE}-00000001", LINKED),
    callee_leg=leg_of("PJSIP/carrier-a-00000002", f"{SYSTEMNAME}-1700000001.2"),
    until=NOW + timedelta(hours=1),
    warn_before_s=30,
)


def by_phone(*trunks: str) -> Reach:
    return Reach(tuple((Ring(Channel.GSM, t, 20, "+74951110001", "+79161234567"),) for t in trunks))


def in_app(*devices: str) -> Reach:
    return Reach((tuple(Ring(Channel.APP, d, 20, SESSION) for d in devices),))


@dataclass
class Scene:
    """The calls of a node, whose Asterisk does what a test says."""

    fake: FakeAsterisk
    calls: dict[str, LiveCall] = field(default_factory=lambda: {CALL.call_id: CALL})
    ways: Reach | Exception = field(default_factory=lambda: by_phone("carrier-a"))
    loads: TrunkLoads = field(default_factory=TrunkLoads)
    told: list[Moved] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    asked: list[tuple[str, Role, Channel]] = field(default_factory=list)
    foretold: list[tuple[str, tuple[Ring, ...]]] = field(default_factory=list)
    refuse: bool = False  # Asterisk will not take an Originate
    gone_meanwhile: bool = False  # the call ends while its ways are looked up
    link: NodeLink = field(init=False)
    events: Subscription = field(init=False)
    listener: Callable[[Event], None] = field(init=False)

    def __post_init__(self) -> None:
        async def nothing(_: object) -> None: ...

        self.link = NodeLink(events=self.fake.login(), on_connected=nothing)
        self.fake.answer = self.answer

    def answer(self, request: Request) -> None:
        refused = self.refuse and request["Action"] == "Originate"
        request.peer.send(response(request.id, "Error" if refused else "Success"))

    def ringing(self, call_id: str, rings: Iterable[Ring]) -> None:
        self.foretold.append((call_id, tuple(rings)))

    def live_call(self, call_id: str) -> LiveCall | None:
        return self.calls.get(call_id)

    def follow(self, listener: Callable[[Event], None]) -> None:
        self.events = self.link.subscribe(("UserEvent", "Hangup"), name="test")
        self.listener = listener

    async def reach(
        self, session_id: str, role: Role, to: Channel, call_id: str, load: TrunkLoads
    ) -> Reach:
        self.asked.append((session_id, role, to))
        if self.gone_meanwhile:
            self.calls.clear()
        if isinstance(self.ways, Exception):
            raise self.ways
        return self.ways

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Handovers]:
        counter = iter(range(100))
        handovers = Handovers(
            self,
            self,
            node=SYSTEMNAME,
            clock=lambda: NOW,
            entropy=lambda n: f"{next(counter):0{2 * n}x}",
            moved=self.told.append,
            on_error=self.errors.append,
        )
        work = (self.link.run(), handovers.run(), self.events.run(self.listener))
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(one) for one in work]
        try:
            await self.link.wait_up(deadline_s=5)
            yield handovers
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @property
    def rung(self) -> list[Request]:
        return [one for one in self.fake.received if one["Action"] == "Originate"]

    @property
    def hung_up(self) -> list[str]:
        return [one["Channel"] for one in self.fake.received if one["Action"] == "Hangup"]

    def says(self, leg: Request, name: str, **more: str) -> None:
        """A leg's own event, as the dialplan writes it."""
        facts = {"UserEvent": name, "Leg": leg["ChannelId"], "Complete": "yes", **more}
        self.fake.send(event("UserEvent", **facts))

    async def is_told(self) -> Result:
        await until(lambda: bool(self.told))
        assert self.loads.in_use("carrier-a") == 0, "what rang holds nothing any more"
        return self.told[0].result


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with fake_asterisk() as fake:
        yield Scene(fake)


def variables(leg: Request) -> dict[str, str]:
    return dict(value.partition("=")[::2] for name, value in leg.headers if name == "Variable")


async def begin(handovers: Handovers, to: Channel = Channel.GSM, role: Role = Role.BUYER) -> None:
    await handovers.begin("cal_1", role, to, Why.REQUEST)


async def test_the_phone_is_rung_and_swapped_in(scene: Scene) -> None:
    async with scene.running() as handovers:
        await begin(handovers)
        [leg] = scene.rung
        assert leg["Channel"] == "PJSIP/+79161234567@carrier-a"
        assert leg["Async"] == "true"
        assert leg["ChannelId"].startswith(f"{SYSTEMNAME}-")
        told = variables(leg)
        assert (told["M_OLD"], told["M_STAYS"]) == (
            f"PJSIP/{DEVICE}-00000001",
            "PJSIP/carrier-a-00000002",
        )
        assert (told["M_CALL"], told["M_SIDE"]) == (LINKED, "caller")
        assert told["M_UNTIL"] == str(int((NOW + timedelta(hours=1)).timestamp()))
        assert "from=app;to=gsm;why=request" in told["M_HAND"]
        assert told["M_PLAN"] == f"session={SESSION};caller=buyer;callee=seller"
        assert scene.loads.in_use("carrier-a") == 1
        assert handovers.under_way == {"cal_1"}

        scene.says(leg, "HandedOver")
        assert await scene.is_told() is Result.DONE
        assert scene.hung_up == []
        assert handovers.under_way == frozenset()
    assert scene.asked == [(SESSION, Role.BUYER, Channel.GSM)]
    assert scene.errors == []


@pytest.mark.parametrize("said", ["busy", "declined", "unreachable", "unanswered", "gone"])
async def test_what_the_person_says_is_final(scene: Scene, said: str) -> None:
    scene.ways = by_phone("carrier-a", "carrier-b")
    async with scene.running() as handovers:
        await begin(handovers)
        scene.says(scene.rung[0], "HandoverFailed", Result=said)
        assert await scene.is_told() is Result(said)
        assert len(scene.rung) == 1


@pytest.mark.parametrize("how", ["failed", "", "nonsense"])
async def test_a_trunk_that_fails_is_followed_by_the_next(scene: Scene, how: str) -> None:
    scene.ways = by_phone("carrier-a", "carrier-b")
    async with scene.running() as handovers:
        await begin(handovers)
        scene.says(scene.rung[0], "HandoverFailed", Result=how)
        await until(lambda: len(scene.rung) == 2)
        assert scene.rung[1]["Channel"].endswith("@carrier-b")
        assert scene.rung[0]["ChannelId"] != scene.rung[1]["ChannelId"]
        scene.says(scene.rung[1], "HandedOver")
        assert await scene.is_told() is Result.DONE


async def test_the_end_of_a_leg_that_failed_is_not_the_end_of_the_call(scene: Scene) -> None:
    scene.ways = by_phone("carrier-a", "carrier-b")
    async with scene.running() as handovers:
        await begin(handovers)
        scene.says(scene.rung[0], "HandoverFailed", Result="failed")
        await until(lambda: len(scene.rung) == 2)
        scene.fake.send(event("Hangup", Uniqueid=scene.rung[0]["ChannelId"]))
        scene.says(scene.rung[1], "HandedOver")
        assert await scene.is_told() is Result.DONE


async def test_what_is_said_over_and_over_is_kept_up_to_a_bound(scene: Scene) -> None:
    async with scene.running() as handovers:
        await begin(handovers)
        [leg] = scene.rung
        said = event(
            "UserEvent", UserEvent="HandoverFailed", Leg=leg["ChannelId"], Result="busy",
            Complete="yes",
        )  # fmt: skip
        scene.fake.send(said * (2 * handover.MOST_UNHEARD))
        assert await scene.is_told() is Result.BUSY
        assert scene.errors == []


async def test_an_asterisk_that_will_not_is_a_failure(scene: Scene) -> None:
    scene.refuse = True
    async with scene.running() as handovers:
        await begin(handovers)
        assert await scene.is_told() is Result.FAILED


async def test_the_first_device_wins_and_the_others_stop(scene: Scene) -> None:
    caller_leg = leg_of("PJSIP/carrier-a-00000001", LINKED)
    scene.calls["cal_1"] = replace(CALL, caller_leg=caller_leg)
    scene.ways = in_app(DEVICE, TABLET)
    async with scene.running() as handovers:
        await begin(handovers, Channel.APP)
        one, other = scene.rung
        scene.says(other, "HandedOver")
        assert await scene.is_told() is Result.DONE
        await until(lambda: bool(scene.hung_up))
        assert scene.hung_up == [one["ChannelId"]]


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ("failed", "unanswered", Result.UNANSWERED),
        ("unanswered", "failed", Result.UNANSWERED),
        ("failed", "failed", Result.FAILED),
        ("unanswered", "declined", Result.DECLINED),
    ],
)
async def test_of_several_devices_the_last_word_counts(
    scene: Scene, first: str, second: str, result: Result
) -> None:
    caller_leg = leg_of("PJSIP/carrier-a-00000001", LINKED)
    scene.calls["cal_1"] = replace(CALL, caller_leg=caller_leg)
    scene.ways = in_app(DEVICE, TABLET)
    async with scene.running() as handovers:
        await begin(handovers, Channel.APP)
        one, other = scene.rung
        scene.says(one, "HandoverFailed", Result=first)
        scene.says(one, "HandoverFailed", Result="failed")  # Asterisk says it once more
        scene.says(other, "HandoverFailed", Result=second)
        assert await scene.is_told() is result


@pytest.mark.parametrize("leg", [CALL.caller_leg, CALL.callee_leg])
async def test_the_end_of_the_call_ends_the_ringing(scene: Scene, leg: object) -> None:
    async with scene.running() as handovers:
        await begin(handovers)
        scene.fake.send(event("Hangup", Uniqueid=leg.unique_id))  # type: ignore[attr-defined]
        assert await scene.is_told() is Result.GONE
        await until(lambda: bool(scene.hung_up))
        assert scene.hung_up == [scene.rung[0]["ChannelId"]]


async def test_a_leg_of_which_nothing_is_heard_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "LATE_S", 0.05)
    scene.ways = Reach(((Ring(Channel.GSM, "carrier-a", 0, "+74951110001", "+7916123"),),))
    async with scene.running() as handovers:
        await begin(handovers)
        assert await scene.is_told() is Result.UNANSWERED
        await until(lambda: bool(scene.hung_up))


@pytest.mark.parametrize(
    ("call", "to", "reason"),
    [
        (CALL, Channel.APP, CannotNow.ALREADY_THERE),
        (replace(CALL, progress=State.RINGING), Channel.GSM, CannotNow.NOT_UP),
        (replace(CALL, callee_leg=None), Channel.GSM, CannotNow.NOT_UP),
        (replace(CALL, caller_leg=None), Channel.GSM, CannotNow.NOT_UP),
    ],
)
async def test_what_cannot_be_moved_now(
    scene: Scene, call: LiveCall, to: Channel, reason: CannotNow
) -> None:
    scene.calls["cal_1"] = call
    async with scene.running() as handovers:
        with pytest.raises(LiveRefused) as refused:
            await begin(handovers, to)
        assert refused.value.reason is reason
        assert scene.rung == []


async def test_one_handover_of_a_call_at_a_time(scene: Scene) -> None:
    async with scene.running() as handovers:
        await begin(handovers)
        with pytest.raises(LiveRefused) as refused:
            await begin(handovers)
        assert refused.value.reason is CannotNow.IN_PROGRESS
        scene.says(scene.rung[0], "HandedOver")
        await scene.is_told()
        await begin(handovers)


async def test_a_refused_way_leaves_nothing_behind(scene: Scene) -> None:
    scene.ways = LiveRefused(CannotNow.NO_PHONE)
    async with scene.running() as handovers:
        with pytest.raises(LiveRefused):
            await begin(handovers)
        assert handovers.under_way == frozenset()
        scene.ways = by_phone("carrier-a")
        await begin(handovers)


@pytest.mark.parametrize(
    "call", [None, replace(CALL, session_id=None), replace(CALL, caller=None, callee=None)]
)
async def test_a_call_that_is_not_theirs(scene: Scene, call: LiveCall | None) -> None:
    scene.calls = {} if call is None else {"cal_1": call}
    async with scene.running() as handovers:
        with pytest.raises(UnknownCall):
            await begin(handovers)


async def test_a_call_that_ends_while_its_ways_are_looked_up(scene: Scene) -> None:
    scene.gone_meanwhile = True
    async with scene.running() as handovers:
        with pytest.raises(UnknownCall):
            await begin(handovers)
        assert scene.rung == []
        assert handovers.under_way == frozenset()


async def test_without_a_node_nothing_is_begun(scene: Scene) -> None:
    async with scene.running() as handovers:
        scene.fake.cut_at = "Originate"
        with pytest.raises(AmiError):
            await begin(handovers)
        assert handovers.under_way == frozenset()


async def test_what_others_say_is_not_believed(scene: Scene) -> None:
    async with scene.running() as handovers:
        await begin(handovers)
        [leg] = scene.rung
        scene.fake.send(event("UserEvent", UserEvent="HandedOver", Leg="other", Complete="yes"))
        scene.fake.send(event("UserEvent", UserEvent="HandedOver", Leg=leg["ChannelId"]))
        scene.says(leg, "SomethingElse")
        scene.says(leg, "HandoverFailed", Result="busy")
        assert await scene.is_told() is Result.BUSY
