"""Answers a node's offers within the route time-out, and knows the calls that are on it.

It never holds a call up: a call that is up needs no controller, and an offer that is not answered
in time is refused by the dialplan itself. Whether a decision was carried out is told by events and
by the node's event file, never by remembering that it was sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, Protocol, assert_never

from masking.call import State
from masking.load import TrunkLoads, trunks_of
from masking.plan import Decision, Offer, Plan, Prompt, Refusal
from telephony.ami import AmiError, Event, Login, NodeLink, NodeSession, Report
from telephony.carry_out import actions_for, hang_up_actions, offer_again
from telephony.errors import PlanUnusable, UnknownCall
from telephony.live import (
    STATUS_VARIABLES,
    LiveCall,
    LiveTable,
    Stock,
    read_stock,
)
from telephony.offers import Heard, read_offer

__all__ = ["Controller", "ControllerCounters", "ControllerLimits", "Routes"]

_HEARD = ("UserEvent", "DialEnd", "Hangup")
_REMEMBERED_CLAIMS = 20_000
_CAUSE_NORMAL = 16


class Routes(Protocol):
    """Decides offers. Wired to the domain and to storage."""

    def decide_at_once(self, offer: Offer, load: TrunkLoads) -> Decision | None:
        """Decide `offer` here and now; None where it takes waiting, and `decide` is to be asked.

        A task, a deadline and a turn of the loop cost a caller more than the decision itself.
        """

    async def decide(self, offer: Offer, load: TrunkLoads) -> Decision:
        """Decide `offer`; what the decision uses is taken from `load` by the controller.

        The last look at `load` and the return must have no await between them.
        """


@dataclass(frozen=True, slots=True)
class ControllerLimits:
    """Bounds of a controller. `route_timeout_s` is the dialplan's; see `NodeSettings`."""

    route_timeout_s: float = 3.0
    margin_s: float = 0.3  # before the time-out an answer must be on its way
    deciding: int = 500  # offers that are decided at once; more are left to the time-out
    answer_s: float = 2.0  # for actions whose answer is awaited
    stock_s: float = 20.0
    reconcile_s: float = 300.0  # how often calls whose end was not heard are looked for


@dataclass(slots=True)
class ControllerCounters:
    """Running totals, for metrics."""

    offers: int = 0
    plans: int = 0
    refusals: dict[str, int] = field(default_factory=dict)  # by reason
    prompts: int = 0  # questions put to callers
    repeated: int = 0  # offers heard again while they were being decided or after
    malformed: int = 0  # offers that were not whole
    late: int = 0  # not decided within the time-out
    overload: int = 0  # left to the time-out because too many were being decided
    failed: int = 0  # the decision raised, or could not be sent
    abandoned: int = 0  # the caller had gone before the answer
    stocks: int = 0  # times the node's channels were counted
    decide_s: float = 0.0  # time spent from hearing an offer to its answer, in all


class Controller:
    """One node's controller. `run` must be somebody's task."""

    def __init__(
        self,
        *,
        node: str,
        login: Login,
        routes: Routes,
        limits: ControllerLimits | None = None,
        report: Report | None = None,
        on_error: Callable[[BaseException], None] = lambda _: None,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._node = node
        self._routes = routes
        self._limits = limits or ControllerLimits()
        self._on_error = on_error
        self._now = wall_clock
        self._link = NodeLink(
            events=login,
            on_connected=self._take_stock,
            report=report,
            stock_within_s=self._limits.stock_s,
        )
        self._events = self._link.subscribe(_HEARD, name="controller", capacity=50_000)
        self._live = LiveTable()
        self._loads = TrunkLoads()
        self._claimed: dict[str, str] = {}  # the last offer of each channel that was claimed
        self._claims: deque[str] = deque()
        self._deciding: set[asyncio.Task[None]] = set()
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

    def live_calls(self) -> tuple[LiveCall, ...]:
        """The calls on the node now."""
        return self._live.snapshot()

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
            for task in self._deciding:
                task.cancel()
            if self._deciding:
                await asyncio.wait(self._deciding)
        raise asyncio.CancelledError

    async def _take_stock(self, session: NodeSession) -> None:
        """Count the node's calls anew, and have the offers that still wait offered again.

        They are sent back to the beginning of `offer`, where they ask anew, with a new time-out:
        what they asked the controller that is gone may be lost.
        """
        statuses = await session.actions.list_action(
            "Status",
            {"Variables": ",".join(STATUS_VARIABLES)},
            deadline_s=self._limits.stock_s,
            # Asterisk ends these with the ActionID; all variables asked for are ours.
            trailing_ids=True,
        )
        stock = read_stock(statuses, self._node, self._now())
        self._adopt(stock)
        self._ask_again(session, stock)

    def _adopt(self, stock: Stock) -> None:
        self.counters.stocks += 1
        for call in self._live.replace_all(stock.calls):
            self._loads.release(call.call_id)
        known = {call.call_id for call in stock.calls}
        for stale in self._loads.calls() - known:
            self._loads.release(stale)
        for call in stock.calls:
            trunks = (call.trunk_in, call.trunk_out)
            self._loads.adopt(call.call_id, [t for t in trunks if t], self._now())

    async def _keep_reconciled(self) -> None:
        """Forget calls that are gone though we did not hear so: an event may have been lost."""
        while True:
            await asyncio.sleep(self._limits.reconcile_s)
            before = {call.linked_id for call in self._live.snapshot()}
            try:
                statuses = await self._link.list_action(
                    "Status",
                    {"Variables": ",".join(STATUS_VARIABLES)},
                    deadline_s=self._limits.stock_s,
                    trailing_ids=True,
                )
            except AmiError:
                continue  # with the next connection stock is taken anyway
            stock = read_stock(statuses, self._node, self._now())
            for linked_id in before - {call.linked_id for call in stock.calls}:
                self._gone(linked_id)

    def _ask_again(self, session: NodeSession, stock: Stock) -> None:
        waiting = set(stock.waiting)
        for call in stock.calls:
            if call.channel in waiting:
                self._live.gone(call.linked_id)
                self._loads.release(call.call_id)
                self._claimed.pop(call.linked_id, None)
        for channel in stock.waiting:
            session.actions.post((offer_again(channel),))

    # -- events -------------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        match event.name:
            case "UserEvent":
                self._heard_offer(event)
            case "Hangup":
                self._heard_hangup(event)
            case "DialEnd":
                self._heard_dial_end(event)
            case _:
                pass

    def _heard_offer(self, event: Event) -> None:
        heard = read_offer(event, self._node)
        if heard is None:
            self.counters.malformed += 1
            return
        if not self._claim(heard.unique_id, heard.turn):
            self.counters.repeated += 1
            return
        self.counters.offers += 1
        self._live.offered(
            LiveCall(
                call_id=heard.offer.call_id,
                linked_id=heard.unique_id,
                channel=heard.channel,
                progress=State.OFFERED,
                since=heard.offer.at,
                trunk_in=heard.offer.trunk,
            )
        )
        if heard.turn:
            self._loads.release(heard.offer.call_id)  # it is decided anew, as if it held nothing
        if self._answered_at_once(heard):
            return
        if len(self._deciding) >= self._limits.deciding:
            self.counters.overload += 1
            return
        task = asyncio.create_task(self._answer(heard), name="decide")
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    def _claim(self, unique_id: str, turn: str) -> bool:
        """Whether the offer is ours to answer: once, for a second Redirect would dial again.

        After a question the same call is offered again with the answer, which is another turn.
        """
        if self._claimed.get(unique_id) == turn:
            return False
        if unique_id not in self._claimed:
            self._claims.append(unique_id)
        self._claimed[unique_id] = turn
        if len(self._claims) > _REMEMBERED_CLAIMS:
            self._claimed.pop(self._claims.popleft(), None)
        return True

    def _answered_at_once(self, heard: Heard) -> bool:
        began_s = asyncio.get_running_loop().time()
        try:
            decision = self._routes.decide_at_once(heard.offer, self._loads)
            if decision is None:
                return False
            if self._left_s(heard) <= 0:
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
            if (left_s := self._left_s(heard)) <= 0:
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

    def _left_s(self, heard: Heard) -> float:
        """How long an answer to the offer is still worth something."""
        age_s = self._now().timestamp() - heard.offered_at_s
        return self._limits.route_timeout_s - self._limits.margin_s - max(age_s, 0.0)

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
                self._live.planned(call.linked_id, decision)
            case Refusal():
                reason = decision.reason.value
                self.counters.refusals[reason] = self.counters.refusals.get(reason, 0) + 1
            case Prompt():
                self.counters.prompts += 1
            case _:
                assert_never(decision)

    def _heard_hangup(self, event: Event) -> None:
        unique_id = event.get("Uniqueid")
        if unique_id is not None:
            self._gone(unique_id)

    def _gone(self, linked_id: str) -> None:
        call = self._live.gone(linked_id)
        if call is not None:
            self._loads.release(call.call_id)

    def _heard_dial_end(self, event: Event) -> None:
        linked_id = event.get("Linkedid")
        if linked_id is None or event.get("DialStatus") != "ANSWER":
            return
        call = self._live.get(linked_id)
        if call is not None:
            trunk = _trunk_of(event.get("DestChannel") or "")
            self._live.answered(linked_id, trunk)
            self._loads.settle(call.call_id, (call.trunk_in, trunk), tried=(trunk,))


def _trunk_of(channel: str) -> str:
    """PJSIP/<trunk>-<8 hex>."""
    return channel.removeprefix("PJSIP/").rpartition("-")[0]
