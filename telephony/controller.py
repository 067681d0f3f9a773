"""Answers a node's offers within the route time-out, and knows the calls that are on it.

It never holds a call up: a call that is up needs no controller, and an offer that is not answered
in time is refused by the dialplan itself. Whether a decision was carried out is told by events and
by the node's event file, never by remembering that it was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import NoReturn, assert_never

from masking.call import State
from masking.load import Gate, TrunkLoads, trunks_of
from masking.plan import Decision, Plan, Prompt, Refusal
from telephony import waking
from telephony.ami import ActionPort, AmiError, Event, Login, NodeLink, NodeSession, Report
from telephony.carry_out import actions_for, hang_up_actions, offer_again
from telephony.claims import Claims
from telephony.control import DISK_FULL, OVERLOADED, ControllerCounters, ControllerLimits, Routes
from telephony.errors import PlanUnusable, UnknownCall
from telephony.hep.dialogs import Dialogs
from telephony.hep.telling import LadderNews
from telephony.late import Late
from telephony.live import LiveCall, LiveEvent, LiveTable, Side, leg_of
from telephony.offers import Heard, read_offer
from telephony.originate import Ring
from telephony.owned import Owned
from telephony.stock import WAKE_CONTEXT, Stock, count
from telephony.waking import Apps, NoApps, Waking, WakingCounters

__all__ = ["Controller", "ControllerCounters", "ControllerLimits", "Routes"]

_HEARD = ("UserEvent", "DialEnd", "Hangup")
_CAUSE_NORMAL = 16


class Controller:
    """One node's controller. `run` must be somebody's task."""

    def __init__(  # noqa: PLR0913 (wired in one place, each by name)
        self,
        *,
        node: str,
        login: Login,
        routes: Routes,
        apps: Apps | None = None,
        limits: ControllerLimits | None = None,
        report: Report | None = None,
        on_error: Callable[[BaseException], None] = lambda _: None,
        on_connected: Callable[[], Awaitable[None]] | None = None,
        on_live: Callable[[LiveEvent, LiveCall], None] = lambda _event, _call: None,
        on_called: Callable[[str], None] = lambda _device: None,
        has_room: Callable[[], bool] = lambda: True,
        ladder: Dialogs | None = None,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`has_room`: whether what becomes of one more call can be written down.

        `ladder`, if any, is told whose messages the node's SIP may be, `on_called` which app calls.
        """
        self._node = node
        self._routes = routes
        self._limits = limits or ControllerLimits()
        self._on_error = on_error
        self._on_connected = on_connected
        self._on_live = on_live
        self._on_called = on_called
        self._has_room = has_room
        self._now = wall_clock
        self._link = NodeLink(
            events=login,
            on_connected=self._take_stock,
            report=report,
            stock_within_s=self._limits.stock_s,
        )
        self._events = self._link.subscribe(_HEARD, name="controller", capacity=50_000)
        self._live = LiveTable()
        self._followers: list[Callable[[Event], None]] = []
        self._ladder = LadderNews(ladder, wall_clock)
        apps = apps or NoApps()
        seams = (self._link, self._live.get, apps.devices, self.ringing)
        self.late = Late(node, *seams, clock=wall_clock, on_error=on_error)
        self._waking = Waking(self._link.post, apps, self.late.dialled)
        self._loads = TrunkLoads()
        self._gate = Gate(self._limits.begun_a_second)
        self._claims = Claims()
        self._closed = False
        self._deciding = Owned(on_error)
        self.counters = ControllerCounters()

    # -- what others ask ----------------------------------------------------------------------

    @property
    def link(self) -> NodeLink:
        """The connection to the node: its state and counters."""
        return self._link

    @property
    def loads(self) -> TrunkLoads:
        """What every trunk carries. To be read only."""
        return self._loads

    @property
    def deciding(self) -> int:
        """Offers that are being decided."""
        return len(self._deciding)

    @property
    def waking(self) -> WakingCounters:
        """How often apps were woken, and what came of it."""
        return self._waking.counters

    def registered(self, user_id: str, username: str) -> None:
        """A device of the user has registered: calls that wait for it, or ring, ring there."""
        self._waking.registered(user_id, username)
        self.late.registered(user_id, username)

    def live_calls(self) -> tuple[LiveCall, ...]:
        """The calls on the node now."""
        return self._live.snapshot()

    def live_call(self, call_id: str) -> LiveCall | None:
        """The call of that id, if it is on the node."""
        return self._live.by_call_id(call_id)

    def follow(self, listener: Callable[[Event], None]) -> None:
        """Let `listener` hear what becomes of legs that we make, and of the end of every one."""
        self._followers.append(listener)

    def begin(self, call: LiveCall) -> None:
        """Know of a call whose first leg we are about to ring ourselves."""
        self._live.offered(call)

    def ringing(self, call_id: str, rings: Iterable[Ring]) -> None:
        """Know of legs that we are about to ring ourselves."""
        self._ladder.ringing(call_id, rings)

    def forget(self, linked_id: str) -> None:
        """The call came to nothing: no channel of it will be heard of."""
        self._gone(linked_id)

    def close_door(self) -> None:
        """Begin no call any more: each is turned away at once. Those that are there go on."""
        self._closed = True

    async def wait_up(self, *, deadline_s: float) -> None:
        """Wait until offers are answered. Raises ActionTimeout."""
        await self._link.wait_up(deadline_s=deadline_s)

    async def hang_up(self, call_id: str, cause: int = _CAUSE_NORMAL) -> None:
        """End a call. Raises UnknownCall, and AmiError where the node cannot be told."""
        call = self._live.by_call_id(call_id)
        if call is None:
            raise UnknownCall(call_id)
        answers = await self._link.actions(
            hang_up_actions(call.channel, cause), deadline_s=self._limits.answer_s
        )
        if not answers[-1].ok:
            raise UnknownCall(call_id)

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Answer offers until cancelled. Raises PermanentAmiError where the login is refused."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._link.run(), name="node-link")
                tasks.create_task(self._events.run(self._heard), name="controller-events")
                tasks.create_task(self._keep_reconciled(), name="controller-reconcile")
        finally:
            await self._waking.close()
            await self.late.close()
            await self._deciding.close()
        raise asyncio.CancelledError

    async def _take_stock(self, session: NodeSession) -> None:
        """Count the node's calls anew, and have the offers that still wait offered again.

        They are sent back to the beginning of `offer`, where they ask anew, with a new time-out:
        what they asked the controller that is gone may be lost.
        """
        self._adopt(stock := await self._stock(session.actions))
        if self._on_connected is not None:
            await self._on_connected()
        self._ask_again(session, stock)

    async def _stock(self, port: ActionPort) -> Stock:
        return await count(port, self._node, self._now, deadline_s=self._limits.stock_s)

    def _adopt(self, stock: Stock) -> None:
        self.counters.stocks += 1
        for call in self._live.replace_all(stock.calls):
            self._loads.release(call.call_id)
        known = {call.call_id for call in stock.calls}
        for stale in self._loads.calls() - known:
            self._loads.release(stale)
        for call in stock.calls:
            self._loads.adopt(call.call_id, call.trunks, self._now())
        self.late.adopt(stock.rung, stock.late)

    async def _keep_reconciled(self) -> None:
        """Forget calls that are gone though we did not hear so: an event may have been lost."""
        while True:
            await asyncio.sleep(self._limits.reconcile_s)
            before = {call.linked_id for call in self._live.snapshot()}
            try:
                stock = await self._stock(self._link)
            except AmiError:
                continue  # with the next connection stock is taken anyway
            for linked_id in before - {call.linked_id for call in stock.calls}:
                self._gone(linked_id)

    def _ask_again(self, session: NodeSession, stock: Stock) -> None:
        waiting = {one.channel for one in stock.waiting if one.context != WAKE_CONTEXT}
        for call in stock.calls:
            if call.channel in waiting:
                self._live.gone(call.linked_id)
                self._loads.release(call.call_id)
                self._claims.forget(call.linked_id)
        for one in stock.waiting:
            session.actions.post((offer_again(one.channel, one.context),))

    # -- events -------------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        match event.name:
            case "UserEvent":
                self._heard_own(event)
            case "Hangup":
                self._heard_hangup(event)
            case "DialEnd":
                self._heard_dial_end(event)
            case _:
                pass

    def _heard_own(self, event: Event) -> None:
        match event.get("UserEvent"):
            case waking.ASLEEP:
                if (call := waking.read_asleep(event, self._node)) is None:
                    self.counters.malformed += 1
                else:
                    self.late.over(call.linked_id)
                    self._waking.asleep(call)
            case "HandedOver":
                self._heard_handed_over(event)
                self._tell_of_legs(event)
            case "HandoverFailed" | "ClickFailed":
                self._tell_of_legs(event)
            case _:
                if not self.late.heard(event):
                    self._heard_offer(event)

    def _heard_offer(self, event: Event) -> None:
        heard = read_offer(event, self._node)
        if heard is None:
            self.counters.malformed += 1
            return
        if not self._claims.claim(heard.unique_id, heard.turn):
            self.counters.repeated += 1
            return
        self.counters.offers += 1
        self._offered(heard)
        self._ladder.offered(heard)  # the caller first: no message is looked at before we are done
        if heard.offer.app is not None:
            self._on_called(heard.offer.app)

    def _offered(self, heard: Heard) -> None:
        self._live.offered(
            LiveCall(
                call_id=heard.offer.call_id,
                linked_id=heard.unique_id,
                channel=heard.channel,
                progress=State.OFFERED,
                since=heard.offer.at,
                trunk_in=heard.offer.trunk,
                caller_leg=leg_of(heard.channel, heard.unique_id),
            )
        )
        if heard.turn or heard.offer.clicked is not None:
            self._loads.release(heard.offer.call_id)  # it is decided anew, as if it held nothing
        elif not self._has_room():
            self._carry_out(heard, DISK_FULL)
            return
        elif self._closed or not self._gate.admit(heard.offer.at):
            self._carry_out(heard, OVERLOADED)
            return
        if self._answered_at_once(heard):
            return
        if len(self._deciding) >= self._limits.deciding:
            self.counters.overload += 1
            return
        self._deciding.begin(self._answer(heard), "decide")

    def _answered_at_once(self, heard: Heard) -> bool:
        began_s = asyncio.get_running_loop().time()
        try:
            decision = self._routes.decide_at_once(heard.offer, self._loads)
            if decision is None:
                return False
            if self._limits.left_s(heard.offered_at_s, self._now()) <= 0:
                self.counters.late += 1
            else:
                self._carry_out(heard, decision)
                self.counters.decide_s += asyncio.get_running_loop().time() - began_s
        except Exception as error:  # noqa: BLE001 - one bad offer must not end the controller
            self._not_answered(heard, error)
        return True

    async def _answer(self, heard: Heard) -> None:
        began_s = asyncio.get_running_loop().time()
        try:
            if (left_s := self._limits.left_s(heard.offered_at_s, self._now())) <= 0:
                raise TimeoutError
            async with asyncio.timeout(left_s):
                decision = await self._routes.decide(heard.offer, self._loads)
            # No await from the decision to here, nor below: what it saw free is still free.
            self._carry_out(heard, decision)
        except TimeoutError:
            self.counters.late += 1
        except Exception as error:  # noqa: BLE001 - one bad offer must not end the controller
            self._not_answered(heard, error)
        else:
            self.counters.decide_s += asyncio.get_running_loop().time() - began_s

    def _not_answered(self, heard: Heard, error: Exception) -> None:
        self.counters.failed += 1
        if isinstance(error, (AmiError, PlanUnusable)):
            self._loads.release(heard.offer.call_id)
        self._on_error(error)

    def _carry_out(self, heard: Heard, decision: Decision) -> None:
        call = self._live.get(heard.unique_id)
        if call is None:
            self.counters.abandoned += 1
            return
        actions = actions_for(heard.channel, decision)
        self._loads.take(call.call_id, trunks_of(decision, call.trunk_in), self._now())
        self._link.post(actions)
        match decision:
            case Plan():
                self.counters.plans += 1
                self._ladder.planned(call.call_id, decision)  # likewise
                self._live.planned(call.linked_id, decision)
                self._waking.planned(call.linked_id, decision)
                self.late.planned(call.linked_id, decision)
                self._tell(LiveEvent.STARTED, call.linked_id)
            case Refusal():
                reason = decision.reason.value
                self.counters.refusals[reason] = self.counters.refusals.get(reason, 0) + 1
            case Prompt():
                self.counters.prompts += 1
            case _:
                assert_never(decision)

    def _heard_hangup(self, event: Event) -> None:
        if (linked_id := self._live.over_with(event.get("Uniqueid") or "")) is not None:
            self._gone(linked_id)
        self._tell_of_legs(event)

    def _tell_of_legs(self, event: Event) -> None:
        """To those who make legs: they hear here, for a subscription costs every call a task."""
        for listener in self._followers:
            listener(event)

    def _gone(self, linked_id: str) -> None:
        if (call := self._live.gone(linked_id)) is not None:
            self._waking.over(linked_id)
            self.late.over(linked_id)
            self._loads.release(call.call_id)
            self._ladder.over(call.call_id)
            self._on_live(LiveEvent.ENDED, call)

    def _tell(self, event: LiveEvent, linked_id: str) -> None:
        if (call := self._live.get(linked_id)) is not None:
            self._on_live(event, call)

    def _heard_dial_end(self, event: Event) -> None:
        linked_id = event.get("Linkedid")
        if linked_id is None or event.get("DialStatus") != "ANSWER":
            return
        if (call := self._live.get(linked_id)) is not None:
            leg = leg_of(event.get("DestChannel") or "", event.get("DestUniqueid") or "")
            self._waking.over(linked_id)
            self.late.answered(linked_id, leg)
            self._live.answered(linked_id, leg, self._now())
            self._tell(LiveEvent.UP, linked_id)
            self._loads.settle(call.call_id, (call.trunk_in, leg.via), tried=(leg.via,))

    def _heard_handed_over(self, event: Event) -> None:
        """A leg has been swapped for another, by the dialplan itself."""
        channel, unique_id, side = map(event.get, ("Channel", "Uniqueid", "Side"))
        if not (channel and unique_id and side in (Side.CALLER, Side.CALLEE)):
            return
        leg = leg_of(channel, unique_id)
        call = self._live.handed_over(event.get("Call") or "", Side(side), leg)
        if call is not None:
            self._loads.adopt(call.call_id, call.trunks, self._now())
