"""The calls that are on a node now: begun with what `stock` counts, kept up to date by its events.

For the console and for caps, not for records: what must not be lost is on the node's disk.
Never talks to Asterisk itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from masking.call import Event as Heard
from masking.call import State, fold, step
from masking.model import Role
from masking.plan import Channel, Plan

__all__ = [
    "Leg",
    "LiveCall",
    "LiveEvent",
    "LiveState",
    "LiveTable",
    "Side",
    "leg_of",
]


class LiveState(StrEnum):
    """How far a live call is."""

    OFFERED = "offered"
    RINGING = "ringing"  # the callee is being rung, or is about to be
    UP = "up"


class LiveEvent(StrEnum):
    """What happens to a live call that others are told of."""

    STARTED = "started"  # it is known whose it is, and somebody is rung
    UP = "up"
    ENDED = "ended"


class Side(StrEnum):
    """Whose leg it is."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> Side:
        """The one across."""
        return Side.CALLEE if self is Side.CALLER else Side.CALLER


@dataclass(frozen=True, slots=True)
class Leg:
    """One side's channel."""

    channel: str  # its name
    unique_id: str
    kind: Channel
    via: str  # the trunk, or the device's user name


def leg_of(channel: str, unique_id: str) -> Leg:
    """The leg that is a channel of that name: PJSIP/<trunk or device>-<8 hex>."""
    via = channel.removeprefix("PJSIP/").rpartition("-")[0]
    return Leg(channel, unique_id, Channel.APP if via.startswith("app_") else Channel.GSM, via)


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that is on the node now."""

    call_id: str
    linked_id: str
    channel: str  # the caller's
    progress: State
    since: datetime  # when the call was offered
    trunk_in: str
    trunk_out: str | None = None
    session_id: str | None = None
    caller: Role | None = None
    callee: Role | None = None
    caller_leg: Leg | None = None
    callee_leg: Leg | None = None  # None until it is answered
    up_since: datetime | None = None
    until: datetime | None = None  # when its time is up; known once it is answered
    max_call_s: int = 0
    warn_before_s: int = 0

    def leg(self, side: Side) -> Leg | None:
        """The leg of that side, if it is known."""
        return self.caller_leg if side is Side.CALLER else self.callee_leg

    def side_of(self, role: Role) -> Side | None:
        """On which side the participant with that role is."""
        if role is self.caller:
            return Side.CALLER
        return Side.CALLEE if role is self.callee else None

    @property
    def trunks(self) -> tuple[str, ...]:
        """Those that its legs use; one that both use, twice."""
        return tuple(t for t in (self.trunk_in, self.trunk_out) if t)

    @property
    def state(self) -> LiveState:
        """How far it is, as shown to people."""
        match self.progress:
            case State.UP:
                return LiveState.UP
            case State.DIALLING | State.RINGING | State.PLANNED:
                return LiveState.RINGING
            case _:
                return LiveState.OFFERED


class LiveTable:
    """Live calls by Asterisk's linkedid. One owner, the controller; everybody else gets copies."""

    __slots__ = ("_calls", "_moved")

    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}
        self._moved: dict[str, str] = {}  # a caller's leg that was swapped in -> its call

    def __len__(self) -> int:
        return len(self._calls)

    def snapshot(self) -> tuple[LiveCall, ...]:
        """All live calls, oldest first as far as is known."""
        return tuple(self._calls.values())

    def get(self, linked_id: str) -> LiveCall | None:
        """The call, if it is live."""
        return self._calls.get(linked_id)

    def by_call_id(self, wanted: str) -> LiveCall | None:
        """The call of that id, if it is live."""
        return next((call for call in self._calls.values() if call.call_id == wanted), None)

    def offered(self, call: LiveCall) -> bool:
        """Add a call; whether it is new."""
        known = self._calls.get(call.linked_id)
        if known is not None:
            if known.channel == known.linked_id:  # we rang it, and did not know its name
                legs = {"channel": call.channel, "caller_leg": call.caller_leg}
                self._calls[call.linked_id] = replace(known, **legs)  # type: ignore[arg-type]
            return False
        self._calls[call.linked_id] = call
        return True

    def planned(self, linked_id: str, plan: Plan) -> None:
        """Note whose call it is, and that the callee is rung."""
        call = self._calls.get(linked_id)
        if call is not None:
            self._calls[linked_id] = replace(
                call,
                progress=fold((Heard.PLAN, Heard.ATTEMPT), call.progress),
                session_id=plan.session_id,
                caller=plan.caller,
                callee=plan.callee,
                max_call_s=plan.max_call_s,
                warn_before_s=plan.warn_before_s,
            )

    def answered(self, linked_id: str, leg: Leg, at: datetime) -> None:
        """Both talk."""
        call = self._calls.get(linked_id)
        if call is None or call.progress is State.UP:
            return
        self._calls[linked_id] = replace(
            call,
            progress=step(call.progress, Heard.ANSWER).state,
            trunk_out=leg.via if leg.kind is Channel.GSM else "",
            callee_leg=leg,
            up_since=at,
            until=at + timedelta(seconds=call.max_call_s) if call.max_call_s else None,
        )

    def handed_over(self, linked_id: str, side: Side, leg: Leg) -> LiveCall | None:
        """`leg` has taken the place of that side's; the call as it is now, None if it is gone."""
        call = self._calls.get(linked_id)
        if call is None:
            return None
        trunk = leg.via if leg.kind is Channel.GSM else ""
        match side:
            case Side.CALLER:
                call = replace(call, channel=leg.channel, caller_leg=leg, trunk_in=trunk)
                self._moved[leg.unique_id] = linked_id
            case Side.CALLEE:
                call = replace(call, callee_leg=leg, trunk_out=trunk)
            case _:
                assert_never(side)
        self._calls[linked_id] = call
        return call

    def over_with(self, unique_id: str) -> str | None:
        """The linkedid of the call that is over when the channel of that uniqueid is gone.

        It is the caller's leg, the one that holds that side by now: a leg that was replaced ends
        without the call.
        """
        linked_id = self._moved.get(unique_id, unique_id)
        call = self._calls.get(linked_id)
        if call is None:
            return None
        held_by = linked_id if call.caller_leg is None else call.caller_leg.unique_id
        return linked_id if unique_id == held_by else None

    def gone(self, linked_id: str) -> LiveCall | None:
        """Remove a call and return it, None if it was not there."""
        call = self._calls.pop(linked_id, None)
        if self._moved:
            self._moved = {leg: of for leg, of in self._moved.items() if of != linked_id}
        return call

    def replace_all(self, calls: Iterable[LiveCall]) -> tuple[LiveCall, ...]:
        """Take stock: `calls` are all there are. Returns those that are no longer there."""
        found = {call.linked_id: call for call in calls}
        lost = tuple(c for linked_id, c in self._calls.items() if linked_id not in found)
        self._calls = found
        self._moved = {
            call.caller_leg.unique_id: linked_id
            for linked_id, call in found.items()
            if call.caller_leg is not None and call.caller_leg.unique_id != linked_id
        }
        return lost
