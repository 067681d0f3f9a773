"""Rings a device that registers while others of the same user ring already.

It is rung beside them, by an Originate of its own; the dialplan (late.conf) puts it in the place of
one of them when it answers. What the others were shown is read from the caller's channel, so that
nothing has to be remembered. What dies here costs the late device its ringing and never the call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from masking.plan import Channel, Plan
from masking.reaching import MAX_DEVICES
from telephony.ami import Action, AmiError, Event, Response
from telephony.carry_out import late_are, late_over
from telephony.errors import PlanUnusable
from telephony.live import Leg, LiveCall
from telephony.originate import CardText, NewLeg, Ring, hang_up_leg, originate
from telephony.owned import Owned

__all__ = ["Late", "LateCounters", "LateLeg", "Rung"]

ANSWER_S: Final = 2.0  # for Asterisk to say what stands on a channel
MOST_AT_ONCE: Final = 500  # late legs that ring; one more device is not rung
ELSEWHERE, GIVEN_UP = 26, 16  # Q.850 causes: answered on another device, and over
_STEPS: Final = 4  # an app is rung in one of the first
_CODECS: Final = ("opus", "alaw", "ulaw")


class Node(Protocol):
    """The way to Asterisk; each raises AmiError."""

    def post(self, actions: Sequence[Action]) -> None:
        """Send, in order and without waiting."""
        ...

    async def actions(self, actions: Sequence[Action], *, deadline_s: float) -> list[Response]:
        """Send, and return the answers."""
        ...


@dataclass(frozen=True, slots=True)
class Rung:
    """A call for which devices ring, as stock finds it."""

    linked_id: str
    devices: tuple[str, ...]
    alone: bool  # those that were dialled have said no; a late one rings


@dataclass(frozen=True, slots=True)
class LateLeg:
    """A late leg that rings, as stock finds it."""

    unique_id: str
    device: str
    of: str  # the call's linkedid


@dataclass(slots=True)
class LateCounters:
    """Running totals, for metrics."""

    rung: int = 0
    answered: int = 0
    overload: int = 0  # not rung because too many were


@dataclass(slots=True, eq=False)
class _Call:
    """A call for which devices ring."""

    linked_id: str
    devices: set[str]  # that were rung, by whomever
    legs: dict[str, str] = field(default_factory=dict)  # late ones that ring: uniqueid -> device
    said: list[str] = field(default_factory=list)  # SIP statuses of those that ring no more
    alone: bool = False


class Late:
    """One node's. Not safe to use from other threads."""

    def __init__(
        self,
        node: str,
        port: Node,
        call: Callable[[str], LiveCall | None],
        devices: Callable[[str], tuple[str, ...]],
        ringing: Callable[[str, Iterable[Ring]], None],
        *,
        clock: Callable[[], datetime],
        on_error: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        """`call`: of a linkedid; `devices`: those of a user; `ringing` is told of what is rung."""
        self._node = node
        self._port = port
        self._call = call
        self._devices = devices
        self._ringing = ringing
        self._now = clock
        self._calls: dict[str, _Call] = {}  # by linkedid
        self._of_device: dict[str, set[_Call]] = {}
        self._legs: dict[str, _Call] = {}  # by the late leg's uniqueid
        self._made = 0
        self._tasks = Owned(on_error)
        self.counters = LateCounters()

    def __len__(self) -> int:
        return len(self._legs)

    # -- what the controller tells -------------------------------------------------------------

    def planned(self, linked_id: str, plan: Plan) -> None:
        """The plan was sent: its first devices ring."""
        if plan.attempts[0].devices:
            self.dialled(linked_id, plan.attempts[0].devices)

    def dialled(self, linked_id: str, devices: Iterable[str]) -> None:
        """These devices ring for the call."""
        call = self._calls.setdefault(linked_id, _Call(linked_id, set()))
        for device in devices:
            call.devices.add(device)
            self._of_device.setdefault(device, set()).add(call)

    def registered(self, user_id: str, username: str) -> None:
        """A device of the user has come: it rings beside those that do."""
        there = self._devices(user_id)
        calls = {call for one in there for call in self._of_device.get(one, ())}
        for call in calls:
            if username not in call.devices and len(call.devices) < MAX_DEVICES:
                if len(self._legs) >= MOST_AT_ONCE:
                    self.counters.overload += 1
                    return
                self.dialled(call.linked_id, [username])
                self._tasks.begin(self._ring(call, username), "late device")

    def answered(self, linked_id: str, leg: Leg) -> None:
        """The call was answered by that leg: the others stop."""
        call = self._calls.get(linked_id)
        if call is None:
            return
        for unique_id, device in tuple(call.legs.items()):
            if device == leg.via:  # it stands in another's place by now
                self.counters.answered += 1
                call.legs.pop(unique_id)
                self._legs.pop(unique_id, None)
        self._over(call, ELSEWHERE)

    def over(self, linked_id: str) -> None:
        """No device rings for the call any more."""
        call = self._calls.get(linked_id)
        if call is not None:
            self._over(call, GIVEN_UP)

    def heard(self, event: Event) -> bool:
        """Whether it was a word of ours."""
        match event.get("UserEvent"):
            case "LateFailed":
                self._failed(event.get("Leg") or "", event.get("Sip") or "")
            case "LateAlone":
                call = self._calls.get(event.get("Call") or "")
                if call is not None:
                    call.alone = True
                    self._say(call)
            case "LateOver":
                self.over(event.get("Call") or "")
            case _:
                return False
        return True

    def adopt(self, rung: Iterable[Rung], legs: Iterable[LateLeg]) -> None:
        """Take stock: `rung` are all calls for which devices ring, and `legs` all late ones."""
        before = tuple(self._calls.values())
        found = {one.linked_id: one for one in rung}
        for call in before:
            if call.linked_id not in found:
                self._forget(call)
        for one in found.values():
            self.dialled(one.linked_id, one.devices)
            self._calls[one.linked_id].alone |= one.alone
        stray = []
        for leg in legs:
            if leg.unique_id in self._legs:
                continue
            if leg.of in found:
                self._put(self._calls[leg.of], leg.unique_id, leg.device)
            else:
                stray.append(leg.unique_id)
        self._post([hang_up_leg(leg, GIVEN_UP) for leg in stray])
        for linked_id in found:
            self._say(self._calls[linked_id])

    async def close(self) -> None:
        """Ring nobody any more. What rings goes on: its end stands in the dialplan."""
        await self._tasks.close()

    # -- ringing -------------------------------------------------------------------------------

    async def _ring(self, call: _Call, device: str) -> None:
        live = self._call(call.linked_id)
        if live is None or live.session_id is None:
            return
        try:
            answers = await self._port.actions(
                [_getvar(live.channel, name) for name in _READ], deadline_s=ANSWER_S
            )
            stands = {
                name: (answer.get("Value") or "") if answer.ok else ""
                for name, answer in zip(_READ, answers, strict=True)
            }
            if self._calls.get(call.linked_id) is not call or not self._in_app(stands):
                return
            leg = self._leg(call, live.session_id, device, stands)
            until = int(self._now().timestamp()) + leg.ring.ring_s
            self._ringing(live.call_id, (leg.ring,))
            self._put(call, leg.unique_id, device)
            self._port.post((late_are(live.channel, until, call.said), originate(leg)))
        except (AmiError, PlanUnusable):
            return  # the others ring
        self.counters.rung += 1

    @staticmethod
    def _in_app(stands: dict[str, str]) -> bool:
        """Whether it is still an app that rings, not the phone after it."""
        return stands.get(f"M_CH{stands['M_N']}") == Channel.APP.value

    def _leg(self, call: _Call, session: str, device: str, stands: dict[str, str]) -> NewLeg:
        """Raises PlanUnusable."""
        ring_s = stands[f"M_RG{stands['M_N']}"].partition("^")[0]
        if not ring_s.isdecimal():
            raise PlanUnusable("how long an app rings is said in seconds")
        card = CardText("".join(stands[name] for name in _CARDS), stands["M_CARDNAME"])
        self._made += 1
        stamp = self._now()
        unique_id = f"{self._node}-{int(stamp.timestamp())}.l{stamp.microsecond:06}{self._made}"
        return NewLeg(
            unique_id,
            Ring(Channel.APP, device, int(ring_s), session, card=card),
            "late",
            "unanswered-late",
            (("M_OF", call.linked_id), ("M_LEG", unique_id)),
            _codecs(stands[_FORMAT]),
        )

    # -- keeping -------------------------------------------------------------------------------

    def _put(self, call: _Call, unique_id: str, device: str) -> None:
        self.dialled(call.linked_id, [device])
        call.legs[unique_id] = device
        self._legs[unique_id] = call

    def _failed(self, unique_id: str, status: str) -> None:
        call = self._legs.pop(unique_id, None)
        if call is not None:
            call.legs.pop(unique_id, None)
            if status.isdecimal():
                call.said.append(status)
            self._say(call)

    def _say(self, call: _Call) -> None:
        """To the dialplan: that none of them rings any more, if it is so."""
        live = self._call(call.linked_id)
        if call.legs or live is None or not (call.said or call.alone):
            return
        alone, call.alone = call.alone, False
        actions = [late_are(live.channel, None, call.said)]
        self._post([*actions, late_over(live.channel)] if alone else actions)

    def _over(self, call: _Call, cause: int) -> None:
        self._post([hang_up_leg(leg, cause) for leg in call.legs])
        self._forget(call)

    def _forget(self, call: _Call) -> None:
        self._calls.pop(call.linked_id, None)
        for unique_id in call.legs:
            self._legs.pop(unique_id, None)
        for device in call.devices:
            calls = self._of_device.get(device, set())
            calls.discard(call)
            if not calls:
                self._of_device.pop(device, None)

    def _post(self, actions: Sequence[Action]) -> None:
        with contextlib.suppress(AmiError):  # its time runs out
            if actions:
                self._port.post(actions)


_CARDS: Final = ("M_CARD1", "M_CARD2", "M_CARD3")
_FORMAT: Final = "CHANNEL(audioreadformat)"
_READ: Final = (
    *_CARDS,
    *("M_CARDNAME", "M_N", _FORMAT),
    *(f"{name}{step}" for step in range(1, _STEPS + 1) for name in ("M_CH", "M_RG")),
)


def _getvar(channel: str, name: str) -> Action:
    return Action("Getvar", (("Channel", channel), ("Variable", name)))


def _codecs(first: str) -> tuple[str, ...]:
    """What the caller speaks in front, as where it is dialled for him."""
    return tuple(sorted(_CODECS, key=lambda one: one != first))
