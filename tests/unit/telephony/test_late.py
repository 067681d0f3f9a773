"""A device that comes while others ring: rung beside them, and stopped with them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from masking.app_card import encode
from masking.call import State
from masking.model import Card, Role
from masking.plan import CallerCard
from telephony.ami import Action, AmiError, Event, Response
from telephony.late import Late, LateLeg, Rung
from telephony.live import LiveCall, leg_of
from telephony.originate import Ring

TABLET, PHONE, WATCH = ("app_" + one * 26 for one in "123")
USER = "u-2"
SESSION = "ses_" + "0" * 26
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CARD = CallerCard("cal_1", SESSION, "chat-1", Role.BUYER, Card("Анна"), None)
CALL = LiveCall(
    call_id="cal_1",
    linked_id="n1-1.1",
    channel="PJSIP/carrier-1",
    progress=State.DIALLING,
    since=NOW,
    trunk_in="carrier",
    session_id=SESSION,
)
STANDS = {
    "M_CARD1": encode(CARD),
    "M_CARDNAME": b64encode("Анна".encode()).decode(),
    "M_N": "1",
    "M_CH1": "app",
    "M_RG1": "25^5",
    "M_CH2": "gsm",
    "CHANNEL(audioreadformat)": "alaw",
}


@dataclass
class Node:
    """What Asterisk is told, and what stands on the caller's channel."""

    stands: dict[str, str] = field(default_factory=lambda: dict(STANDS))
    down: bool = False
    told: list[Action] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def post(self, actions: Sequence[Action]) -> None:
        if self.down:
            raise AmiError("there is no connection")
        self.told += actions

    async def actions(self, actions: Sequence[Action], *, deadline_s: float) -> list[Response]:
        await self.gate.wait()
        asked = [dict(one.headers)["Variable"] for one in actions]
        return [_response(self.stands.get(name, "")) for name in asked]

    def sent(self, name: str) -> list[dict[str, str]]:
        return [dict(one.headers) for one in self.told if one.name == name]

    @property
    def legs(self) -> list[str]:
        """Uniqueids of the late legs that were made."""
        return [one["ChannelId"] for one in self.sent("Originate")]

    @property
    def hung_up(self) -> list[tuple[str, str]]:
        return [(one["Channel"], one["Cause"]) for one in self.sent("Hangup")]


def _response(value: str) -> Response:
    return Response(f"Response: Success\r\nValue: {value}\r\n\r\n".encode(), "1")


@dataclass
class World:
    node: Node = field(default_factory=Node)
    calls: dict[str, LiveCall] = field(default_factory=lambda: {CALL.linked_id: CALL})
    there: tuple[str, ...] = (TABLET,)
    rung: list[tuple[str, str]] = field(default_factory=list)

    def late(self) -> Late:
        return Late(
            "n1", self.node, self.calls.get, lambda _: self.there, self._ring, clock=lambda: NOW
        )

    def _ring(self, call_id: str, rings: Iterable[Ring]) -> None:
        self.rung += [(call_id, one.via) for one in rings]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def late(world: World) -> AsyncIterator[Late]:
    made = world.late()
    yield made
    await made.close()


async def comes(world: World, late: Late, device: str = PHONE) -> None:
    world.there = (device, *world.there)
    late.registered(USER, device)
    for _ in range(5):
        await asyncio.sleep(0)


def word(name: str, **more: str) -> Event:
    lines = "".join(f"{key}: {value}\r\n" for key, value in more.items())
    return Event.unsolicited(f"Event: UserEvent\r\nUserEvent: {name}\r\n{lines}\r\n".encode())


async def test_it_is_shown_what_the_others_are_and_rings_as_long(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)

    (made,) = [one for one in world.node.told if one.name == "Originate"]
    headers = dict(made.headers)
    assert headers["Channel"] == f"PJSIP/{PHONE}"
    assert headers["CallerID"] == f'"Анна" <{SESSION}>'
    assert headers["Codecs"] == "alaw,opus,ulaw"
    assert (headers["Timeout"], headers["Context"]) == ("25000", "late")
    variables = [value for name, value in made.headers if name == "Variable"]
    assert rf"PJSIP_HEADER(add\,X-Maskline-Card)={encode(CARD)}" in variables
    assert f"M_OF={CALL.linked_id}" in variables
    until = int(NOW.timestamp()) + 25
    assert world.node.sent("Setvar")[0]["Value"] == f"{until},", "said before it rings"
    assert world.rung == [("cal_1", PHONE)]


async def test_a_device_is_rung_once_however_often_it_comes(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)
    await comes(world, late)
    await comes(world, late, TABLET)

    assert len(world.node.legs) == 1


async def test_a_device_of_somebody_else_is_not_rung(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    world.there = ()
    await comes(world, late)

    assert world.node.told == []


@pytest.mark.parametrize("change", [{"M_N": "2"}, {"M_RG1": ""}, {"M_CARD1": "=" * 2000}], ids=str)
async def test_where_no_app_rings_any_more_or_it_is_not_known_how_none_is_rung(
    world: World, late: Late, change: dict[str, str]
) -> None:
    world.node.stands |= change
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)

    assert world.node.legs == []


async def test_a_call_that_is_over_before_it_was_known_what_to_show_rings_nobody(
    world: World, late: Late
) -> None:
    world.node.gate.clear()
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)
    late.over(CALL.linked_id)
    world.node.gate.set()
    await comes(world, late)

    assert (world.node.legs, len(late)) == ([], 0)


async def test_the_others_stop_when_one_answers(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)
    await comes(world, late, WATCH)
    _, watch = world.node.legs

    late.answered(CALL.linked_id, leg_of(f"PJSIP/{PHONE}-00000001", "n1-1.2"))

    assert world.node.hung_up == [(watch, "26")], "and not the one that talks"
    assert (late.counters.rung, late.counters.answered, len(late)) == (2, 1, 0)


async def test_all_stop_when_the_call_is_over(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)

    late.heard(word("LateOver", Call=CALL.linked_id))

    assert world.node.hung_up == [(world.node.legs[0], "16")]


async def test_what_it_said_is_kept_on_the_callers_channel(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    await comes(world, late)
    (leg,) = world.node.legs

    late.heard(word("LateFailed", Leg=leg, Sip="603"))

    assert world.node.sent("Setvar")[-1]["Value"] == ",603"
    assert world.node.sent("Redirect") == [], "the others ring"


async def test_a_call_that_waits_for_it_alone_goes_on_when_it_has_said_no(
    world: World, late: Late
) -> None:
    for alone_first in (True, False):
        late.dialled(CALL.linked_id, [TABLET])
        await comes(world, late)
        words = [
            word("LateAlone", Call=CALL.linked_id),
            word("LateFailed", Leg=world.node.legs[-1], Sip="603"),
        ]
        for one in words if alone_first else reversed(words):
            late.heard(one)

        (going,) = world.node.sent("Redirect")
        assert (going["Context"], going["Priority"]) == ("plan", "late-said")
        late.over(CALL.linked_id)
        world.node.told.clear()


async def test_the_next_controller_takes_up_what_rings(world: World, late: Late) -> None:
    legs = [LateLeg("n1-2.l1", PHONE, CALL.linked_id), LateLeg("n1-2.l2", WATCH, "n1-0.9")]
    late.adopt([Rung(CALL.linked_id, (TABLET,), alone=False)], legs)
    assert world.node.hung_up == [("n1-2.l2", "16")], "whose call is over"

    await comes(world, late)
    assert world.node.legs == [], "it rings already"
    late.answered(CALL.linked_id, leg_of(f"PJSIP/{TABLET}-00000001", "n1-1.2"))
    assert world.node.hung_up[-1] == ("n1-2.l1", "26")


async def test_a_call_that_waited_for_one_that_is_gone_goes_on(world: World, late: Late) -> None:
    late.adopt([Rung(CALL.linked_id, (), alone=True)], [])

    assert [one["Priority"] for one in world.node.sent("Redirect")] == ["late-said"]


async def test_a_call_without_a_session_or_that_is_not_known_rings_nobody(
    world: World, late: Late
) -> None:
    world.calls[CALL.linked_id] = replace(CALL, session_id=None)
    late.dialled(CALL.linked_id, [TABLET])
    late.dialled("n1-1.7", [TABLET])
    await comes(world, late)

    assert world.node.told == []


async def test_a_node_that_cannot_be_told_costs_nothing(world: World, late: Late) -> None:
    late.dialled(CALL.linked_id, [TABLET])
    world.node.down = True
    await comes(world, late)
    late.over(CALL.linked_id)

    assert (world.node.told, len(late)) == ([], 0)
