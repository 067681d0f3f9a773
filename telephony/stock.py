"""Counts the calls that are on a node: asks for its channels, and reads what stands on them.

For whoever has just connected, and to find calls whose end was not heard. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from masking.call import State
from masking.ids import call_id
from masking.model import Role
from masking.plan import Channel
from telephony.ami import ActionPort, Event
from telephony.carry_out import read_plan_row
from telephony.late import LateLeg, Rung
from telephony.live import Leg, LiveCall, Side, leg_of

__all__ = ["WAKE_CONTEXT", "Stock", "Waiting", "count"]

WAKE_CONTEXT: Final = "wake"
"""Where a call waits for the callee's app."""
_WAITING: Final = ("offer", "offer-app", "clicked", WAKE_CONTEXT)
_VARIABLES: Final = (
    *("MASKLINE_TRUNK", "MASKLINE_APP", "M_PLAN", "M_N", "M_REFUSE", "M_MAX", "M_WARN"),
    *("M_CALL", "M_SIDE", "M_UNTIL", "M_OF", "M_ALONE"),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The channel of a call that waits for an answer of ours, and where it waits."""

    channel: str
    context: str


@dataclass(frozen=True, slots=True)
class Stock:
    """What a node's channels say: calls, and those that wait for an answer of ours."""

    calls: tuple[LiveCall, ...]
    waiting: tuple[Waiting, ...]
    rung: tuple[Rung, ...] = ()  # calls for which devices ring
    late: tuple[LateLeg, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A channel, as Status tells of it."""

    event: Event
    leg: Leg
    up: bool
    variables: Mapping[str, str]


@dataclass(slots=True)
class _Sides:
    """The channels of one call. A leg that was swapped in counts more than the one it replaced."""

    caller: _Found | None = None
    callee: _Found | None = None
    swapped: tuple[_Found, ...] = ()
    devices: tuple[str, ...] = ()  # that ring

    def put(self, found: _Found, linked_id: str) -> None:
        side = found.variables.get("M_SIDE")
        if side:
            self.swapped += (found,)
            if side == Side.CALLER:
                self.caller = found
            else:
                self.callee = found
        elif found.leg.unique_id == linked_id:
            self.caller = self.caller or found
        elif self.callee is None or (found.up and not self.callee.variables.get("M_SIDE")):
            self.callee = found
        if found.leg.unique_id != linked_id and found.leg.kind is Channel.APP and not found.up:
            self.devices += (found.leg.via,)


async def count(
    port: ActionPort, node: str, clock: Callable[[], datetime], *, deadline_s: float
) -> Stock:
    """What is on `node`. Raises AmiError."""
    statuses = await port.list_action(
        "Status",
        {"Variables": ",".join(_VARIABLES)},
        deadline_s=deadline_s,
        # Asterisk ends these with the ActionID; all variables asked for are ours.
        trailing_ids=True,
    )
    return _read(statuses, node, clock())


def _read(statuses: Iterable[Event], node: str, now: datetime) -> Stock:
    sides: dict[str, _Sides] = {}
    late: list[LateLeg] = []
    for event in statuses:
        linked_id, unique_id = event.get("Linkedid"), event.get("Uniqueid")
        if event.name != "Status" or not linked_id or not unique_id:
            continue
        found = _found(event, unique_id)
        if found.variables.get("M_OF") and found.variables["M_OF"] != linked_id:
            if not found.up:  # else it has taken a place, and is about to talk
                late.append(LateLeg(unique_id, found.leg.via, found.variables["M_OF"]))
            continue
        # A leg that is still rung for a handover is of no call yet.
        if not found.variables.get("M_SIDE") or found.variables.get("M_CALL") == linked_id:
            sides.setdefault(linked_id, _Sides()).put(found, linked_id)
    calls: list[LiveCall] = []
    waiting: list[Waiting] = []
    rung: list[Rung] = []
    for linked_id, two in sides.items():
        if two.caller is None:
            continue
        calls.append(_call(linked_id, two.caller, two, node, now))
        alone = bool(two.caller.variables.get("M_ALONE"))
        if (two.devices or alone) and calls[-1].progress is not State.UP:
            rung.append(Rung(linked_id, two.devices, alone))
        context = two.caller.event.get("Context")
        if context in _WAITING and (two.caller.up or context != "clicked"):
            waiting.append(Waiting(two.caller.leg.channel, context))
    return Stock(tuple(calls), tuple(waiting), tuple(rung), tuple(late))


def _found(event: Event, unique_id: str) -> _Found:
    variables = dict(
        value.partition("=")[::2] for value in event.get_all("Variable") if "=" in value
    )
    return _Found(
        event,
        leg_of(event.get("Channel") or "", unique_id),
        event.get("ChannelStateDesc") == "Up",
        {name: "" if value == "(null)" else value for name, value in variables.items()},
    )


def _call(linked_id: str, caller: _Found, sides: _Sides, node: str, now: datetime) -> LiveCall:
    callee = sides.callee
    plan = read_plan_row(caller.variables.get("M_PLAN", ""))
    # What a leg that was swapped in brought along; else the caller's channel has it.
    brought = next((f.variables for f in sides.swapped if f.variables.get("M_UNTIL")), {})
    up = caller.up and callee is not None and callee.up
    begun = State.DIALLING if plan else State.OFFERED
    max_call_s = _number(caller.variables.get("M_MAX"))
    up_since = _since(callee.leg.unique_id, now) if up and callee is not None else None
    until = _number(brought.get("M_UNTIL"))
    ends: datetime | None
    if until:
        ends = datetime.fromtimestamp(until, UTC)
    else:  # it rang before it was answered: rather a little early than too late
        ends = up_since + timedelta(seconds=max_call_s) if up_since and max_call_s else None
    trunk_out = None
    if callee is not None:
        trunk_out = callee.variables.get("MASKLINE_TRUNK", "")
    return LiveCall(
        call_id=call_id(node, linked_id),
        linked_id=linked_id,
        channel=caller.leg.channel,
        progress=State.UP if up else begun,
        since=_since(linked_id, now),
        trunk_in=caller.variables.get("MASKLINE_TRUNK", ""),
        trunk_out=trunk_out or None,
        session_id=plan.get("session") or None,
        caller=_role(plan.get("caller")),
        callee=_role(plan.get("callee")),
        caller_leg=caller.leg,
        callee_leg=callee.leg if up and callee is not None else None,
        up_since=up_since,
        until=ends,
        max_call_s=max_call_s,
        warn_before_s=_number(brought.get("M_WARN") or caller.variables.get("M_WARN")),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= 12 else 0


def _role(text: str | None) -> Role | None:
    try:
        return Role(text) if text else None
    except ValueError:
        return None


def _since(linked_id: str, now: datetime) -> datetime:
    """Asterisk's ids are <systemname>-<seconds since 1970>.<counter>."""
    stamp = linked_id.rpartition("-")[2].partition(".")[0]
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        return now
