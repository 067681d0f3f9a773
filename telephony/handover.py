"""Moves one side of a call that is up to a new leg, without the other side noticing.

The controller's part is to ring the new leg and to tell how it went. The swap itself is the
dialplan's (handover.conf): whatever dies here, the call is either as it was or handed over, and the
old leg stays up until the new one has been answered. Never hangs up a leg that talks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NoReturn, Protocol

from masking.live import CannotNow, LiveRefused
from masking.load import TrunkLoads
from masking.model import Role
from masking.plan import Channel
from telephony.ami import AmiError, Event, NodeLink
from telephony.errors import UnknownCall
from telephony.live import Leg, LiveCall, LiveState, Side
from telephony.originate import NewLeg, Ring, hang_up_leg, originate
from telephony.owned import Owned

__all__ = ["Handovers", "LiveCalls", "Moved", "Reach", "Result", "Ways", "Why"]

ANSWER_S: Final = 2.0  # for Asterisk to take an Originate on
LATE_S: Final = 5.0  # after the ring time, for the end of a leg to be heard
MOST_AT_ONCE: Final = 500  # handovers under way
MOST_UNHEARD: Final = 64  # words of one handover's legs; each has one or two to say
_NO_LIMIT: Final = timedelta(days=1)
_OVER: Final = "over"


class Why(StrEnum):
    """Why a side is moved. Kept in the record."""

    REQUEST = "request"
    QUALITY = "quality"


class Result(StrEnum):
    """What became of a handover."""

    DONE = "done"
    UNANSWERED = "unanswered"
    BUSY = "busy"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"  # switched off, no such phone, or no device left
    GONE = "gone"  # the call was over first
    FAILED = "failed"  # no trunk, no device, or Asterisk would not


@dataclass(frozen=True, slots=True)
class Reach:
    """How a participant can be rung: groups one after another, those of a group at once."""

    groups: tuple[tuple[Ring, ...], ...]


class Ways(Protocol):
    """Knows how a participant of a session can be rung. Wired to the domain and to storage."""

    async def reach(
        self, session_id: str, role: Role, to: Channel, call_id: str, load: TrunkLoads
    ) -> Reach:
        """Through `to`, from their own proxy number. Raises LiveRefused; LookupError: unknown."""
        ...


class LiveCalls(Protocol):
    """The calls of a node; the controller."""

    @property
    def link(self) -> NodeLink:
        """The way to the node."""
        ...

    @property
    def loads(self) -> TrunkLoads:
        """What every trunk carries."""
        ...

    def live_call(self, call_id: str) -> LiveCall | None:
        """The call of that id, if it is on the node."""
        ...

    def ringing(self, call_id: str, rings: Iterable[Ring]) -> None:
        """Know of legs of the call that are about to be rung."""
        ...

    def follow(self, listener: Callable[[Event], None]) -> None:
        """Let `listener` hear what becomes of legs that we make, and of the end of every one."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a handover, for those concerned."""

    call_id: str
    session_id: str
    role: Role  # whose side
    to: Channel
    why: Why
    result: Result


@dataclass(slots=True)
class _Open:
    """A handover that is under way."""

    call: LiveCall
    side: Side
    role: Role
    to: Channel
    why: Why
    id: str
    asked_at: datetime
    rung: int = 0  # legs so far
    ringing: dict[str, Ring] = field(default_factory=dict)  # by the leg's uniqueid
    answers: asyncio.Queue[tuple[str, Result]] = field(
        default_factory=lambda: asyncio.Queue(MOST_UNHEARD)
    )

    def hear(self, leg: str, result: Result) -> None:
        """Keep what a leg says, or that the call is `_OVER`. Beyond the bound it is let go."""
        with contextlib.suppress(asyncio.QueueFull):
            self.answers.put_nowait((leg, result))

    @property
    def old(self) -> Leg:
        leg = self.call.leg(self.side)
        assert leg is not None
        return leg

    @property
    def stays(self) -> Leg:
        leg = self.call.leg(self.side.other)
        assert leg is not None
        return leg

    @property
    def session_id(self) -> str:
        return self.call.session_id or ""


class Handovers:
    """One node's handovers. `run` must be somebody's task."""

    def __init__(
        self,
        calls: LiveCalls,
        ways: Ways,
        *,
        node: str,
        clock: Callable[[], datetime],
        entropy: Callable[[int], str],
        moved: Callable[[Moved], None] = lambda _: None,
        on_error: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        """`entropy(n)` gives n random bytes in hex; `moved` is told of every end."""
        self._calls = calls
        self._ways = ways
        self._node = node
        self._now = clock
        self._entropy = entropy
        self._moved = moved
        self._on_error = on_error
        self._open: dict[str, _Open | None] = {}  # by call id; None: it is being prepared
        self._legs: dict[str, _Open] = {}  # by uniqueid: legs that ring, and those of the call
        self._tasks = Owned(on_error)
        calls.follow(self._heard)

    @property
    def under_way(self) -> frozenset[str]:
        """Ids of the calls that are being handed over."""
        return frozenset(self._open)

    async def run(self) -> NoReturn:
        """Own what is under way until cancelled. What rings then goes on ringing: see above."""
        await self._tasks.run()

    async def begin(self, call_id: str, role: Role, to: Channel, why: Why) -> None:
        """Begin to move that participant's side; returns once their phone is being rung.

        Raises UnknownCall, LiveRefused, and AmiError where the node cannot be told.
        """
        call = self._usable(call_id, role, to)
        self._open[call_id] = None
        one: _Open | None = None
        try:
            reach = await self._ways.reach(
                call.session_id or "", role, to, call_id, self._calls.loads
            )
            call = self._usable(call_id, role, to, claimed=True)  # it may have ended meanwhile
            side = call.side_of(role)
            assert side is not None
            one = _Open(call, side, role, to, why, "h" + self._entropy(4), self._now())
            self._open[call_id] = one
            for leg in (one.old, one.stays):
                self._legs[leg.unique_id] = one
            await self._ring(one, reach.groups[0])
        except BaseException:
            self._close(one, call_id)
            raise
        self._tasks.begin(self._see_through(one, reach.groups), "handover")

    def _usable(self, call_id: str, role: Role, to: Channel, *, claimed: bool = False) -> LiveCall:
        """The call, if that side of it can be moved now. Raises UnknownCall, LiveRefused."""
        call = self._calls.live_call(call_id)
        side = None if call is None else call.side_of(role)
        if call is None or side is None or call.session_id is None:
            raise UnknownCall(call_id)
        leg = call.leg(side)
        if call.state is not LiveState.UP or leg is None or call.leg(side.other) is None:
            raise LiveRefused(CannotNow.NOT_UP)
        if leg.kind is to:
            raise LiveRefused(CannotNow.ALREADY_THERE)
        if not claimed and (call_id in self._open or len(self._open) >= MOST_AT_ONCE):
            raise LiveRefused(CannotNow.IN_PROGRESS)
        return call

    # -- ringing ------------------------------------------------------------------------------

    async def _ring(self, one: _Open, group: tuple[Ring, ...]) -> None:
        """Ring everybody of `group`. Raises PlanUnusable, AmiError."""
        stamp = int(self._now().timestamp())
        legs = []
        for ring in group:
            unique_id = f"{self._node}-{stamp}.{one.id}{one.rung}"
            one.rung += 1
            one.ringing[unique_id] = ring
            self._legs[unique_id] = one
            variables = _variables(one, unique_id, self._now())
            legs.append(NewLeg(unique_id, ring, "handover", "unanswered", variables))
        actions = [originate(leg) for leg in legs]
        self._calls.ringing(one.call.call_id, group)
        trunks = [ring.via for ring in group if ring.kind is Channel.GSM]
        self._calls.loads.take(one.id, trunks, self._now())
        answers = await self._calls.link.actions(actions, deadline_s=ANSWER_S)
        for leg, answer in zip(legs, answers, strict=True):
            if not answer.ok:
                one.hear(leg.unique_id, Result.FAILED)

    async def _see_through(self, one: _Open, groups: tuple[tuple[Ring, ...], ...]) -> None:
        """Until it is done or cannot be."""
        result = Result.FAILED
        try:
            for place, group in enumerate(groups):
                if place:
                    await self._ring(one, group)
                result = await self._end_of(one, group)
                if result is not Result.FAILED:  # else it was the trunk's fault: the next one
                    break
        except AmiError as error:
            self._on_error(error)
        finally:
            self._close(one, one.call.call_id)
        self._moved(Moved(one.call.call_id, one.session_id, one.role, one.to, one.why, result))

    async def _end_of(self, one: _Open, group: tuple[Ring, ...]) -> Result:
        """What became of the group: the first answer counts, else the last word of any."""
        left = len(group)
        last: Result | None = None
        try:
            async with asyncio.timeout(max(ring.ring_s for ring in group) + LATE_S):
                while left:
                    unique_id, result = await one.answers.get()
                    if result is Result.DONE:
                        one.ringing.pop(unique_id, None)
                        return result
                    if unique_id == _OVER:
                        return Result.GONE
                    if one.ringing.pop(unique_id, None) is not None:
                        left -= 1
                        last = result if last is None or result is not Result.FAILED else last
        except TimeoutError:
            return Result.UNANSWERED  # nothing was heard; the dialplan ends what rings
        finally:
            self._hang_up(one)
        return last or Result.FAILED

    def _hang_up(self, one: _Open) -> None:
        """The legs that still ring are not needed any more."""
        for unique_id in one.ringing:
            self._legs.pop(unique_id, None)
        with contextlib.suppress(AmiError):
            if one.ringing:
                self._calls.link.post([hang_up_leg(leg) for leg in one.ringing])
        one.ringing.clear()
        self._calls.loads.release(one.id)

    def _close(self, one: _Open | None, call_id: str) -> None:
        self._open.pop(call_id, None)
        if one is not None:
            self._hang_up(one)
            self._legs = {leg: of for leg, of in self._legs.items() if of is not one}

    # -- hearing ------------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        if event.name == "Hangup":
            ended = event.get("Uniqueid") or ""
            one = self._legs.get(ended)
            if one is not None and ended in (one.old.unique_id, one.stays.unique_id):
                one.hear(_OVER, Result.GONE)
            return
        leg = event.get("Leg") or ""
        one = self._legs.get(leg)
        if one is None or event.get("Complete") != "yes":
            return
        match event.get("UserEvent"):
            case "HandedOver":
                one.hear(leg, Result.DONE)
            case "HandoverFailed":
                one.hear(leg, _result(event))
            case _:
                pass


def _variables(one: _Open, unique_id: str, now: datetime) -> tuple[tuple[str, str], ...]:
    call = one.call
    until = call.until or now + _NO_LIMIT
    row = (
        f"call={call.linked_id};id={one.id};side={one.side};from={one.old.kind};to={one.to}"
        f";why={one.why};asked_ms={int(one.asked_at.timestamp() * 1000)}"
    )
    plan = f"session={one.session_id};caller={call.caller or ''};callee={call.callee or ''}"
    return (
        ("M_CALL", call.linked_id),
        ("M_SIDE", one.side.value),
        ("M_OLD", one.old.channel),
        ("M_STAYS", one.stays.channel),
        ("M_LEG", unique_id),
        ("M_HAND", row),
        ("M_PLAN", plan),
        ("M_UNTIL", str(int(until.timestamp()))),
        ("M_WARN", str(call.warn_before_s)),
    )


def _result(event: Event) -> Result:
    """What the dialplan says of a leg that was not answered."""
    try:
        return Result(event.get("Result") or "")
    except ValueError:
        return Result.FAILED
