"""The logical connection to one Asterisk node: a login for events and one for actions, as one.

Every login that stays is woken by Asterisk for every event, whether it sees it or not. Where events
are many there is one login for them, and one for actions whose answers never queue behind a burst;
where they are filtered down to a few, one login does both. The link is up while all are; when
either dies, both are opened anew and the node's stock is taken again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from telephony.ami.client import MAX_LIST_ITEMS, Client, connect
from telephony.ami.codec import Action, Headers
from telephony.ami.errors import ClosedByUs, NotConnected
from telephony.ami.frames import Event, Response
from telephony.ami.monitor import Counters, Monitor, Report
from telephony.ami.reconnect import Backoff, LinkState, Reconnector
from telephony.ami.settings import Limits, Login
from telephony.ami.subscriptions import EventHub, Subscription

__all__ = ["NodeLink", "NodeSession"]


@dataclass(frozen=True, slots=True)
class NodeSession:
    """Both logins of a node while they last. Take stock through `actions`."""

    events: Client
    actions: Client
    booted: Event
    """Asterisk's FullyBooted, with its Uptime."""

    async def wait_closed(self) -> BaseException:
        """Wait until either is dead and return its first cause."""
        closed = (self.events.closed, self.actions.closed)
        done, _ = await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED)
        return next(future for future in closed if future in done).result()

    async def aclose(self) -> None:
        """Close both."""
        await self.events.aclose()
        await self.actions.aclose()


class NodeLink:
    """Actions and events of one node, across reconnections; an `ActionPort`.

    `actions` is None where the login for events may act as well.

    `on_connected` takes stock each time both logins are up: events that come meanwhile wait and
    flow once it returns, so what it finds may be told a second time by events. Run `run` as a
    task of your own; it ends only when cancelled or with a `PermanentAmiError`.
    """

    def __init__(
        self,
        *,
        events: Login,
        actions: Login | None = None,
        on_connected: Callable[[NodeSession], Awaitable[None]],
        on_state: Callable[[LinkState], None] = lambda _: None,
        report: Report | None = None,
        limits: Limits | None = None,
        backoff: Backoff | None = None,
        stock_within_s: float = 30.0,
    ) -> None:
        self._events = events
        self._actions = actions
        self._limits = limits if limits is not None else Limits()
        self._user_on_state = on_state
        self._monitor = Monitor(report)
        self._hub = EventHub(self._monitor)
        self._reconnector = Reconnector(
            self._open,
            on_connected=on_connected,
            monitor=self._monitor,
            backoff=backoff,
            stock_within_s=stock_within_s,
            on_state=self._on_state,
        )

    async def run(self) -> NoReturn:
        """Keep the link up. See `Reconnector.run`."""
        await self._reconnector.run()

    @property
    def state(self) -> LinkState:
        """What the link is doing now."""
        return self._reconnector.state

    @property
    def counters(self) -> Counters:
        """Running totals, for metrics."""
        return self._monitor.counters

    async def wait_up(self, *, deadline_s: float) -> None:
        """Wait until actions can be sent; raises `ActionTimeout`."""
        await self._reconnector.wait_for(LinkState.UP, deadline_s=deadline_s)

    def subscribe(
        self, events: Iterable[str] | None, *, name: str, capacity: int = 10_000
    ) -> Subscription:
        """Subscribe to events by name, None for all; the subscription outlives reconnections."""
        return self._hub.subscribe(events, name=name, capacity=capacity)

    async def action(self, name: str, headers: Headers = (), *, deadline_s: float) -> Response:
        """See `ActionPort`; raises `NotConnected` at once while the link is not up."""
        return await self._client().action(name, headers, deadline_s=deadline_s)

    async def list_action(
        self,
        name: str,
        headers: Headers = (),
        *,
        deadline_s: float,
        max_items: int = MAX_LIST_ITEMS,
        trailing_ids: bool = False,
    ) -> list[Event]:
        """See `ActionPort`; raises `NotConnected` at once while the link is not up."""
        client = self._client()
        return await client.list_action(
            name,
            headers,
            deadline_s=deadline_s,
            max_items=max_items,
            trailing_ids=trailing_ids,
        )

    async def actions(self, actions: Sequence[Action], *, deadline_s: float) -> list[Response]:
        """See `ActionPort`; raises `NotConnected` at once while the link is not up."""
        return await self._client().actions(actions, deadline_s=deadline_s)

    def post(self, actions: Sequence[Action]) -> None:
        """See `ActionPort`; raises `NotConnected` at once while the link is not up."""
        self._client().post(actions)

    def _client(self) -> Client:
        session = self._reconnector.session
        if session is None:
            raise NotConnected(self._reconnector.cause or ClosedByUs("not connected yet"))
        return session.actions

    def _on_state(self, state: LinkState) -> None:
        if state is LinkState.UP:
            self._hub.release()
        elif state is LinkState.CONNECTING:
            self._hub.hold()
        self._user_on_state(state)

    async def _open(self) -> NodeSession:
        events = await connect(self._events, hub=self._hub, limits=self._limits)
        try:
            booted = await events.wait_fully_booted(deadline_s=self._limits.booted_s)
            if self._actions is None:
                return NodeSession(events, events, booted)
            actions = await connect(self._actions, hub=self._hub, limits=self._limits)
        except BaseException:
            await events.aclose()
            raise
        return NodeSession(events, actions, booted)
