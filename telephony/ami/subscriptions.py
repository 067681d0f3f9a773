"""Unsolicited events on their way to whoever subscribed, through bounded queues.

The reader only ever appends to a queue. A full queue loses the newest event, counts it and reports
it; a subscriber that is slow, stuck or raising never delays the reader or another subscriber.
While the hub is held (a new connection is taking stock) events queue up but none is handed out.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Self, TypeAlias

from telephony.ami.frames import Event
from telephony.ami.monitor import Monitor, Trouble, TroubleKind

__all__ = ["EventHub", "Handler", "Subscription"]

Handler: TypeAlias = Callable[[Event], Awaitable[None] | None]

_SLICE_S = 0.0005
"""How long a subscriber may take events without letting others in."""


class Subscription:
    """One subscriber's queue: iterate over it, or give `run` a handler. One consumer only."""

    def __init__(self, hub: EventHub, name: str, capacity: int) -> None:
        self._hub = hub
        self._name = name
        self._capacity = capacity
        # Bytes, not events: the garbage collector does not look at them, so a long queue does not
        # make the loop stand still.
        self._queue: deque[bytes] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._slice_until_s = 0.0
        self._full = False
        self._closed = False
        self._dropped = 0

    @property
    def name(self) -> str:
        """What reports call this subscriber."""
        return self._name

    @property
    def dropped(self) -> int:
        """Events this subscriber lost because its queue was full."""
        return self._dropped

    def __len__(self) -> int:
        return len(self._queue)

    def push(self, event: Event) -> None:
        """Take an event from the reader; never waits, never raises."""
        if len(self._queue) < self._capacity:
            self._queue.append(event.raw)
            if self._wake is not None:
                self.wake()
            return
        self._dropped += 1
        self._hub.monitor.counters.dropped += 1
        if not self._full:
            self._full = True
            self._hub.monitor.tell(Trouble(TroubleKind.QUEUE_FULL, self._name))

    def wake(self) -> None:
        """Let a waiting consumer look again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def discard(self) -> int:
        """Throw the queued events away and return how many there were."""
        count = len(self._queue)
        self._queue.clear()
        self._full = False
        return count

    def close(self) -> None:
        """Unsubscribe; the consumer still gets what is queued, then its iteration ends."""
        if not self._closed:
            self._closed = True
            self._hub.remove(self)
            self.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        loop = asyncio.get_running_loop()
        if loop.time() > self._slice_until_s:
            await asyncio.sleep(0)
            self._slice_until_s = loop.time() + _SLICE_S
        while self._hub.held or not self._queue:
            if self._closed and not self._queue:
                raise StopAsyncIteration
            if self._wake is not None:
                raise RuntimeError(f"subscription {self._name} has two consumers")
            self._wake = loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None
            self._slice_until_s = loop.time() + _SLICE_S
        self._full = False
        return Event.unsolicited(self._queue.popleft())

    async def run(self, handler: Handler) -> None:
        """Hand every event to `handler`, in order, one at a time, until `close`.

        An exception of the handler is counted and reported, and the next event follows.
        """
        async for event in self:
            try:
                result = handler(event)
                if result is not None and inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001 - whatever it raises stays with it
                self._hub.monitor.subscriber_raised(self._name, error)


class EventHub:
    """Who wants which events. Outlives connections."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._all: tuple[Subscription, ...] = ()
        self._by_name: dict[str, tuple[Subscription, ...]] = {}
        self._names: dict[Subscription, frozenset[str] | None] = {}
        self._held = False

    @property
    def held(self) -> bool:
        """Whether events are kept back."""
        return self._held

    def subscribe(
        self, events: Iterable[str] | None, *, name: str, capacity: int = 10_000
    ) -> Subscription:
        """Subscribe to events by name, None for all; `capacity` bounds the queue."""
        subscription = Subscription(self, name, capacity)
        self._names[subscription] = None if events is None else frozenset(events)
        self._index()
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber."""
        self._names.pop(subscription, None)
        self._index()

    def _index(self) -> None:
        wanted = {name for names in self._names.values() if names is not None for name in names}
        self._all = tuple(sub for sub, names in self._names.items() if names is None)
        self._by_name = {
            name: tuple(s for s, names in self._names.items() if names is None or name in names)
            for name in wanted
        }

    def publish(self, event: Event) -> None:
        """Queue an event for those who want it; never waits, never raises."""
        for subscription in self._by_name.get(event.name, self._all):
            subscription.push(event)

    def hold(self) -> None:
        """Keep events back, and throw away what a lost connection left in the queues."""
        self._held = True
        for subscription in self._names:
            self.monitor.counters.stale += subscription.discard()

    def release(self) -> None:
        """Let events flow."""
        self._held = False
        for subscription in self._names:
            subscription.wake()
