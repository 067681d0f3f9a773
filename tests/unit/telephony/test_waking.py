"""Waiting for an app: woken once, dialled when it comes, and nobody held up by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from masking.model import Language, Role
from masking.plan import Attempt, Channel, Plan
from telephony import waking
from telephony.ami import Action, AmiError, Event
from telephony.waking import Asleep, Waking, read_asleep

PHONE, TABLET = "app_" + "1" * 26, "app_" + "2" * 26
USER = "u-2"
CALL = Asleep("cal_1", "n1-1.1", "PJSIP/carrier-1", 1, "ses_1", Role.BUYER, Role.SELLER, wait_s=20)


@dataclass
class Apps:
    """The platform and the devices, as a test has them."""

    takes: bool = True
    there: tuple[str, ...] = ()
    woken: list[Asleep] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def wake(self, call: Asleep, known: Callable[[str], bool]) -> bool:
        if not known(USER):
            return False
        self.woken.append(call)
        await self.gate.wait()
        return self.takes

    def devices(self, user_id: str) -> tuple[str, ...]:
        assert user_id == USER
        return self.there


@dataclass
class Node:
    """What Asterisk is told."""

    down: bool = False
    told: list[Action] = field(default_factory=list)

    def post(self, actions: Sequence[Action]) -> None:
        if self.down:
            raise AmiError("there is no connection")
        self.told += actions

    @property
    def went(self) -> list[tuple[str, str]]:
        """Channel and label of each Redirect."""
        headers = [dict(one.headers) for one in self.told if one.name == "Redirect"]
        return [(one["Channel"], f"{one['Context']},{one['Priority']}") for one in headers]

    @property
    def variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in self.told:
            if one.name == "Setvar":
                headers = dict(one.headers)
                names = headers["Variable"].removeprefix("ARRAY(").removesuffix(")").split(",")
                found.update(zip(names, headers["Value"].split(","), strict=True))
        return found


@pytest.fixture
def apps() -> Apps:
    return Apps()


@pytest.fixture
def node() -> Node:
    return Node()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_device_that_comes_is_dialled_at_once(apps: Apps, node: Node) -> None:
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    await settle()
    assert (apps.woken, node.told, len(waits)) == ([CALL], [], 1)

    apps.there = (PHONE,)
    waits.registered(USER, PHONE)

    assert node.went == [(CALL.channel, "plan,woken")]
    assert (node.variables["M_TO1"], node.variables["M_AP1"]) == (PHONE, "1")
    assert len(waits) == 0
    await waits.close()


async def test_all_calls_that_wait_for_the_user_go_on(apps: Apps, node: Node) -> None:
    waits = Waking(node.post, apps)
    other = replace(CALL, linked_id="n1-1.9", channel="PJSIP/carrier-9", call_id="cal_9")
    waits.asleep(CALL)
    waits.asleep(other)
    await settle()
    apps.there = (PHONE, TABLET)
    waits.registered(USER, PHONE)

    assert {channel for channel, _ in node.went} == {CALL.channel, other.channel}
    assert node.variables["M_TO1"] == f"{PHONE}&PJSIP/{TABLET}"
    await waits.close()


async def test_a_device_that_came_before_the_call_waited_is_not_pushed(
    apps: Apps, node: Node
) -> None:
    waits = Waking(node.post, apps)
    apps.there = (PHONE,)
    waits.asleep(CALL)
    await settle()

    assert apps.woken == []
    assert node.went == [(CALL.channel, "plan,woken")]
    await waits.close()


async def test_devices_that_were_dialled_in_vain_are_waited_for_anew(
    apps: Apps, node: Node
) -> None:
    waits = Waking(node.post, apps)
    first = Attempt(Channel.APP, (), 25, (PHONE,), 20)
    plan = Plan("ses_1", Role.BUYER, Role.SELLER, None, None, (first,), Language.RU, 3600)
    apps.there = (PHONE,)
    waits.planned(CALL.linked_id, plan)
    waits.asleep(replace(CALL, step=2))
    await settle()
    assert node.told == []

    waits.registered(USER, PHONE)

    assert node.variables["M_TO2"] == PHONE
    await waits.close()


async def test_a_push_that_is_refused_ends_the_waiting(apps: Apps, node: Node) -> None:
    apps.takes = False
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    await settle()

    assert node.went == [(CALL.channel, "wake,in-vain")]
    assert node.variables == {"M_WOKE": "refused"}
    assert waits.counters.refused == 1
    waits.registered(USER, PHONE)
    assert len(node.went) == 1
    await waits.close()


async def test_a_refusal_that_comes_after_the_device_changes_nothing(
    apps: Apps, node: Node
) -> None:
    apps.takes = False
    apps.gate.clear()
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    await settle()
    apps.there = (PHONE,)
    waits.registered(USER, PHONE)
    apps.gate.set()
    await settle()

    assert node.went == [(CALL.channel, "plan,woken")]
    await waits.close()


async def test_a_call_that_says_so_twice_is_pushed_once(apps: Apps, node: Node) -> None:
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    waits.asleep(CALL)
    await settle()

    assert apps.woken == [CALL]
    await waits.close()


async def test_when_the_time_is_nearly_up_the_dialplan_is_left_alone(
    apps: Apps, node: Node
) -> None:
    waits = Waking(node.post, apps)
    waits.asleep(replace(CALL, wait_s=0))
    async with asyncio.timeout(2):
        while len(waits):
            await asyncio.sleep(0)

    apps.there = (PHONE,)
    waits.registered(USER, PHONE)
    assert node.told == []
    await waits.close()


async def test_a_caller_who_left_waits_no_more(apps: Apps, node: Node) -> None:
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    await settle()
    waits.over(CALL.linked_id)
    apps.there = (PHONE,)
    waits.registered(USER, PHONE)

    assert node.told == []
    await waits.close()


async def test_a_node_that_cannot_be_told_waits_by_itself(apps: Apps, node: Node) -> None:
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    await settle()
    node.down = True
    apps.there = (PHONE,)
    waits.registered(USER, PHONE)

    assert waits.counters.woken == 0
    await waits.close()


async def test_there_is_an_end_to_how_many_wait(
    apps: Apps, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "MOST_WAITING", 1)
    waits = Waking(node.post, apps)
    waits.asleep(CALL)
    waits.asleep(replace(CALL, linked_id="n1-1.2", channel="PJSIP/carrier-2"))
    await settle()

    assert node.went == [("PJSIP/carrier-2", "wake,in-vain")]
    assert waits.counters.overload == 1
    await waits.close()


# -- the event --------------------------------------------------------------------------------

WHOLE = {
    "UserEvent": "AppAsleep",
    "Channel": CALL.channel,
    "Linkedid": CALL.linked_id,
    "Plan": "session=ses_1;caller=buyer;callee=seller;in=;out=;lang=ru",
    "Step": "1",
    "Wait": "20",
    "Complete": "yes",
}


def event(headers: dict[str, str]) -> Event:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Event.unsolicited(f"Event: UserEvent\r\nPrivilege: user,all\r\n{lines}\r\n".encode())


def test_a_whole_event_is_read() -> None:
    found = read_asleep(event(WHOLE), "n1")

    assert found is not None
    assert replace(found, call_id="cal_1") == CALL


@pytest.mark.parametrize(
    "spoilt",
    [
        {"Complete": ""},
        {"Channel": ""},
        {"Linkedid": ""},
        {"Plan": "session=;caller=buyer;callee=seller"},
        {"Plan": "session=ses_1;caller=king;callee=seller"},
        {"Step": "x"},
        {"Wait": ""},
        {"UserEvent": "CallOffered"},
    ],
    ids=str,
)
def test_what_is_not_whole_is_not_read(spoilt: dict[str, str]) -> None:
    assert read_asleep(event(WHOLE | spoilt), "n1") is None
