"""Waits with a call for the callee's app: has it woken, and dials it at the moment it registers.

The dialplan waits by itself and goes on by itself (context `wake`): what is lost here costs the
callee's app this call and never the caller his.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from masking.ids import call_id
from masking.model import Role
from masking.plan import Plan
from masking.reaching import MAX_DEVICES
from telephony.ami import Action, AmiError, Event
from telephony.carry_out import dial_now, not_woken, read_plan_row
from telephony.errors import PlanUnusable

__all__ = ["ASLEEP", "Apps", "Asleep", "NoApps", "Waking", "WakingCounters", "read_asleep"]

ASLEEP: Final = "AppAsleep"
_MARGIN_S: Final = 0.3  # before the dialplan's own end of waiting nothing is sent any more
MOST_WAITING: Final = 5000  # calls that wait at once; of one more the app is not woken


@dataclass(frozen=True, slots=True)
class Asleep:
    """A call that waits for the callee's app."""

    call_id: str
    linked_id: str
    channel: str  # the caller's
    step: int
    session_id: str
    caller: Role
    callee: Role
    wait_s: int


class Apps(Protocol):
    """Who can wake apps and knows which are there."""

    async def wake(self, call: Asleep, known: Callable[[str], bool]) -> bool:
        """Have the callee's app woken; whether the platform took it on.

        Says whose app it is, to `known`, before the platform is asked; is there no need any more,
        that answers False. Never raises.
        """
        ...

    def devices(self, user_id: str) -> tuple[str, ...]:
        """User names of the devices that are registered."""
        ...


class NoApps:
    """Where there are none."""

    async def wake(self, call: Asleep, known: Callable[[str], bool]) -> bool:
        """Never."""
        return False

    def devices(self, user_id: str) -> tuple[str, ...]:
        """None."""
        return ()


@dataclass(slots=True)
class WakingCounters:
    """Running totals, for metrics."""

    pushed: int = 0  # apps that were to be woken
    refused: int = 0  # pushes that the platform refused, or did not answer in time
    woken: int = 0  # apps that registered in time and were dialled
    overload: int = 0  # not woken because too many calls waited


@dataclass(slots=True, eq=False)
class _Waiting:
    call: Asleep
    began_s: float  # by the loop's clock
    tried: frozenset[str]  # devices that were dialled in vain
    user_id: str | None = None
    task: asyncio.Task[None] | None = None


class Waking:
    """One node's. Not safe to use from other threads."""

    def __init__(
        self,
        post: Callable[[Sequence[Action]], object],
        apps: Apps,
        dialled: Callable[[str, Sequence[str]], None] = lambda _linked_id, _devices: None,
    ) -> None:
        """`post` sends actions, in order and without waiting; it may raise AmiError.

        `dialled` is told of which devices ring for which call from now on.
        """
        self._post = post
        self._apps = apps
        self._dialled = dialled
        self._waiting: dict[str, _Waiting] = {}  # by linkedid
        self._of_user: dict[str, set[_Waiting]] = {}
        self._tried: dict[str, frozenset[str]] = {}  # by linkedid: devices that are dialled first
        self.counters = WakingCounters()

    def __len__(self) -> int:
        return len(self._waiting)

    # -- what the controller tells -------------------------------------------------------------

    def planned(self, linked_id: str, plan: Plan) -> None:
        """The plan was sent. What it dials first is not what is waited for afterwards."""
        first = plan.attempts[0]
        if first.devices and first.wake_s:
            self._tried[linked_id] = frozenset(first.devices)

    def asleep(self, call: Asleep) -> None:
        """The call waits. It is taken up once, however often it says so."""
        before = self._waiting.get(call.linked_id)
        if before is not None:
            if before.call.step == call.step:
                return
            self._forget(before)
        tried = self._tried.pop(call.linked_id, frozenset())
        if len(self._waiting) >= MOST_WAITING:
            self.counters.overload += 1
            self._send(not_woken(call.channel, "refused"))
            return
        loop = asyncio.get_running_loop()
        waiting = _Waiting(call, loop.time(), tried)
        self._waiting[call.linked_id] = waiting
        waiting.task = loop.create_task(self._wake(waiting), name="wake")

    def registered(self, user_id: str, username: str) -> None:
        """A device has come, or has come back from elsewhere: whoever waits for it dials it."""
        for waiting in tuple(self._of_user.get(user_id, ())):
            there = self._apps.devices(user_id)
            self._dial(
                waiting, [one for one in there if one == username or one not in waiting.tried]
            )

    def over(self, linked_id: str) -> None:
        """The call was answered, or is gone."""
        self._tried.pop(linked_id, None)
        waiting = self._waiting.get(linked_id)
        if waiting is not None:
            self._forget(waiting)

    async def close(self) -> None:
        """Wait for nothing any more."""
        tasks = [one.task for one in self._waiting.values() if one.task is not None]
        for linked_id in (*self._waiting, *self._tried):
            self.over(linked_id)
        if tasks:
            await asyncio.wait(tasks)

    # -- waiting -------------------------------------------------------------------------------

    async def _wake(self, waiting: _Waiting) -> None:
        call = waiting.call

        def known(user_id: str) -> bool:
            if self._waiting.get(call.linked_id) is not waiting:
                return False
            waiting.user_id = user_id
            self._of_user.setdefault(user_id, set()).add(waiting)
            # It may have come between the decision and now.
            there = [one for one in self._apps.devices(user_id) if one not in waiting.tried]
            if there:
                self._dial(waiting, there)
            return not there

        try:
            async with asyncio.timeout(max(call.wait_s - _MARGIN_S, 0)):
                self.counters.pushed += 1
                taken_on = await self._apps.wake(call, known)
                if self._waiting.get(call.linked_id) is not waiting:
                    return
                if not taken_on:
                    self.counters.refused += 1
                    self._forget(waiting)
                    self._send(not_woken(call.channel, "refused"))
                    return
                await asyncio.Event().wait()  # `registered` or `over` ends it
        except TimeoutError:
            self._forget(waiting)  # the dialplan goes on by itself

    def _dial(self, waiting: _Waiting, devices: Sequence[str]) -> None:
        call, devices = waiting.call, devices[:MAX_DEVICES]
        if not devices:
            return  # it has gone again
        self._forget(waiting)
        loop = asyncio.get_running_loop()
        after_ms = round((loop.time() - waiting.began_s) * 1000)
        if self._send(dial_now(call.channel, call.step, devices, after_ms)):
            self.counters.woken += 1
            self._dialled(call.linked_id, devices)

    def _forget(self, waiting: _Waiting) -> None:
        self._waiting.pop(waiting.call.linked_id, None)
        if waiting.user_id is not None:
            others = self._of_user.get(waiting.user_id, set())
            others.discard(waiting)
            if not others:
                self._of_user.pop(waiting.user_id, None)
        if waiting.task is not None and waiting.task is not asyncio.current_task():
            waiting.task.cancel()

    def _send(self, actions: Sequence[Action]) -> bool:
        try:
            self._post(actions)
        except (AmiError, PlanUnusable):
            return False  # the dialplan waits it out
        return True


def read_asleep(event: Event, node: str) -> Asleep | None:
    """The waiting call in an AppAsleep event, or None if it is not whole."""
    if event.get("UserEvent") != ASLEEP or event.get("Complete") != "yes":
        return None
    linked_id, channel = event.get("Linkedid"), event.get("Channel")
    row = read_plan_row(event.get("Plan") or "")
    step, wait_s = event.get("Step") or "", event.get("Wait") or ""
    if not (linked_id and channel and row.get("session") and step.isdigit() and wait_s.isdigit()):
        return None
    try:
        caller, callee = Role(row.get("caller", "")), Role(row.get("callee", ""))
    except ValueError:
        return None
    return Asleep(
        call_id=call_id(node, linked_id),
        linked_id=linked_id,
        channel=channel,
        step=int(step),
        session_id=row["session"],
        caller=caller,
        callee=callee,
        wait_s=int(wait_s),
    )
