"""Calls that the platform asks for: rings the caller first, and leaves the rest to the dialplan.

The call's id is known before anything rings, because the first leg's uniqueid is ours to choose.
Once that leg is answered it makes an offer like any other; what happens if it is not stands in the
dialplan too (handover.conf), so that a record comes of it even with the controller dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn, Protocol

from masking.call import State
from masking.ids import call_id
from masking.live import CannotNow, LiveRefused
from masking.load import TrunkLoads
from masking.model import Role
from masking.plan import Channel
from telephony.ami import AmiError, Event
from telephony.handover import LiveCalls
from telephony.live import Leg, LiveCall
from telephony.originate import NewLeg, Ring, originate
from telephony.owned import Owned

__all__ = ["Clicks", "FirstLegs", "Starts"]

ANSWER_S: Final = 2.0
NO_CHANNEL_S: Final = 0.5  # within which Asterisk says that it could not even make a channel
MOST_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Starts:
    """How the caller can be rung, best first."""

    rings: tuple[Ring, ...]
    callee: Role


class FirstLegs(Protocol):
    """Knows whether a participant may be called for, and how they are rung first."""

    async def start(self, session_id: str, role: Role, call_id: str, load: TrunkLoads) -> Starts:
        """Raises LiveRefused where no call would come of it; LookupError: unknown."""
        ...


class BegunCalls(LiveCalls, Protocol):
    """The calls of a node, and the beginning of another; the controller."""

    def begin(self, call: LiveCall) -> None:
        """Know of a call whose first leg is about to be rung."""
        ...

    def forget(self, linked_id: str) -> None:
        """No channel came of it."""
        ...


class Clicks:
    """One node's. `run` must be somebody's task."""

    def __init__(
        self,
        calls: BegunCalls,
        first_legs: FirstLegs,
        *,
        node: str,
        clock: Callable[[], datetime],
        entropy: Callable[[int], str],
        on_error: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        """`entropy(n)` gives n random bytes in hex."""
        self._calls = calls
        self._first_legs = first_legs
        self._node = node
        self._now = clock
        self._entropy = entropy
        self._on_error = on_error
        self._waiting: dict[str, asyncio.Future[bool]] = {}  # by linkedid: whether it was rung
        self._tasks = Owned(on_error)
        calls.follow(self._heard)

    @property
    def waiting(self) -> int:
        """How many have been begun of which it is not known yet whether anything rings."""
        return len(self._waiting)

    async def run(self) -> NoReturn:
        """Own what is being begun until cancelled. What rings goes on ringing."""
        await self._tasks.run()

    async def begin(self, session_id: str, role: Role) -> str:
        """Ring the participant, then the other one; the call's id, as soon as it is begun.

        Raises LiveRefused, LookupError for an unknown session, AmiError where the node cannot be
        told, PlanUnusable.
        """
        now = self._now()
        linked_id = f"{self._node}-{int(now.timestamp())}.c{self._entropy(4)}"
        wanted = call_id(self._node, linked_id)
        if len(self._waiting) >= MOST_AT_ONCE:
            raise LiveRefused(CannotNow.IN_PROGRESS)
        starts = await self._first_legs.start(session_id, role, wanted, self._calls.loads)
        # No await from the look at `loads` to the reservation.
        one = _Begun(wanted, linked_id, session_id, role, starts.callee, now)
        await self._ring(one, starts.rings[0])
        self._tasks.begin(self._see_through(one, starts.rings), "click")
        return wanted

    async def _ring(self, one: _Begun, ring: Ring) -> None:
        """Raises PlanUnusable, AmiError."""
        action = originate(_leg(one, ring))
        trunks = [ring.via] if ring.kind is Channel.GSM else []
        self._calls.loads.take(one.call_id, trunks, one.at)
        self._calls.begin(_live(one, ring))
        self._calls.ringing(one.call_id, (ring,))
        rung = asyncio.get_running_loop().create_future()
        self._waiting[one.linked_id] = rung
        try:
            answer, *_ = await self._calls.link.actions([action], deadline_s=ANSWER_S)
        except BaseException:
            self._waiting.pop(one.linked_id, None)
            self._calls.forget(one.linked_id)
            raise
        if not answer.ok and not rung.done():
            rung.set_result(False)

    async def _see_through(self, one: _Begun, rings: Sequence[Ring]) -> None:
        """Where not even a channel could be made, the next way is tried, under the same id."""
        try:
            for place, ring in enumerate(rings):
                if place:
                    await self._ring(one, ring)
                if await self._was_rung(one):
                    return
                self._calls.forget(one.linked_id)
        except AmiError as error:
            self._on_error(error)
        finally:
            self._waiting.pop(one.linked_id, None)

    async def _was_rung(self, one: _Begun) -> bool:
        try:
            async with asyncio.timeout(NO_CHANNEL_S):
                return await self._waiting[one.linked_id]
        except TimeoutError:
            return True

    def _heard(self, event: Event) -> None:
        if event.get("UserEvent") != "ClickFailed" or event.get("Complete") != "yes":
            return
        rung = self._waiting.get(event.get("Call") or "")
        if rung is not None and not rung.done():
            # A leg that was refused at once says so itself, before Asterisk does.
            rung.set_result(event.get("Rung") == "yes")


@dataclass(frozen=True, slots=True)
class _Begun:
    """A call that is being begun."""

    call_id: str
    linked_id: str
    session_id: str
    caller: Role
    callee: Role
    at: datetime


def _live(one: _Begun, ring: Ring) -> LiveCall:
    return LiveCall(
        call_id=one.call_id,
        linked_id=one.linked_id,
        channel=one.linked_id,  # its name is not known yet; Asterisk takes the uniqueid as well
        progress=State.OFFERED,
        since=one.at,
        trunk_in=ring.via if ring.kind is Channel.GSM else "",
        session_id=one.session_id,
        caller=one.caller,
        callee=one.callee,
        caller_leg=Leg(one.linked_id, one.linked_id, ring.kind, ring.via),
    )


def _leg(one: _Begun, ring: Ring) -> NewLeg:
    row = (
        f"session={one.session_id};caller={one.caller};channel={ring.kind}"
        f";asked_ms={int(one.at.timestamp() * 1000)}"
    )
    variables = (
        ("M_CALL", one.linked_id),
        ("M_CLICK", row),
        ("M_CLICKED", one.caller.value),
        ("M_SESSION", one.session_id),
    )
    return NewLeg(one.linked_id, ring, "clicked", "unanswered-click", variables)
