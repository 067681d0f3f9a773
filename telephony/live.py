"""The calls that are on a node now: rebuilt from its channels, kept up to date by its events.

For the console and for caps, not for records: what must not be lost is on the node's disk.
Never talks to Asterisk itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from masking.call import Event as Heard
from masking.call import State, fold, step
from masking.ids import call_id
from masking.model import Role
from masking.plan import Plan
from telephony.ami import Event
from telephony.carry_out import read_plan_row

__all__ = ["STATUS_VARIABLES", "LiveCall", "LiveState", "LiveTable", "Stock", "read_stock"]

STATUS_VARIABLES = ("MASKLINE_TRUNK", "M_PLAN", "M_N", "M_REFUSE")
"""What has to be asked of every channel when taking stock."""

_OFFER_CONTEXT = "offer"


class LiveState(StrEnum):
    """How far a live call is."""

    OFFERED = "offered"
    RINGING = "ringing"  # the callee is being rung, or is about to be
    UP = "up"


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

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}

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
        if call.linked_id in self._calls:
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
            )

    def answered(self, linked_id: str, trunk_out: str) -> None:
        """Both talk."""
        call = self._calls.get(linked_id)
        if call is not None:
            progress = step(call.progress, Heard.ANSWER).state
            self._calls[linked_id] = replace(call, progress=progress, trunk_out=trunk_out)

    def gone(self, linked_id: str) -> LiveCall | None:
        """Remove a call and return it, None if it was not there."""
        return self._calls.pop(linked_id, None)

    def replace_all(self, calls: Iterable[LiveCall]) -> tuple[LiveCall, ...]:
        """Take stock: `calls` are all there are. Returns those that are no longer there."""
        found = {call.linked_id: call for call in calls}
        lost = tuple(c for linked_id, c in self._calls.items() if linked_id not in found)
        self._calls = found
        return lost


@dataclass(frozen=True, slots=True)
class Stock:
    """What a node's channels say: calls, and the channels of offers that nobody has answered."""

    calls: tuple[LiveCall, ...]
    waiting: tuple[str, ...]


def read_stock(statuses: Iterable[Event], node: str, now: datetime) -> Stock:
    """Read Asterisk's answer to Status with `STATUS_VARIABLES`."""
    callers: list[tuple[Event, dict[str, str]]] = []
    out: dict[str, tuple[str, bool]] = {}
    for event in statuses:
        linked_id, unique_id = event.get("Linkedid"), event.get("Uniqueid")
        if event.name != "Status" or not linked_id or not unique_id:
            continue
        variables = dict(
            value.partition("=")[::2] for value in event.get_all("Variable") if "=" in value
        )
        if unique_id == linked_id:
            callers.append((event, variables))
        else:
            up = event.get("ChannelStateDesc") == "Up"
            out[linked_id] = (variables.get("MASKLINE_TRUNK", ""), up)
    calls: list[LiveCall] = []
    waiting: list[str] = []
    for event, variables in callers:
        channel = event.get("Channel") or ""
        calls.append(_call(event, variables, out, node, now))
        if event.get("Context") == _OFFER_CONTEXT:
            waiting.append(channel)
    return Stock(tuple(calls), tuple(waiting))


def _call(
    event: Event,
    variables: dict[str, str],
    out: dict[str, tuple[str, bool]],
    node: str,
    now: datetime,
) -> LiveCall:
    linked_id = event.get("Linkedid") or ""
    plan = read_plan_row(variables.get("M_PLAN", ""))
    trunk_out, callee_up = out.get(linked_id, (None, False))
    if event.get("ChannelStateDesc") == "Up" and callee_up:
        progress = State.UP
    else:
        progress = State.DIALLING if plan else State.OFFERED
    return LiveCall(
        call_id=call_id(node, linked_id),
        linked_id=linked_id,
        channel=event.get("Channel") or "",
        progress=progress,
        since=_since(linked_id, now),
        trunk_in=variables.get("MASKLINE_TRUNK", ""),
        trunk_out=trunk_out or None,
        session_id=plan.get("session") or None,
        caller=_role(plan.get("caller")),
        callee=_role(plan.get("callee")),
    )


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
