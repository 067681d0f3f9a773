"""Actions with deadlines, event lists and subscriptions over one connection.

An action is written once. If its answer does not come, the caller learns whether it may have been
carried out; repeating it is the caller's decision, never this module's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, Self

from telephony.ami.codec import Action, Headers
from telephony.ami.connection import Connection, open_connection
from telephony.ami.errors import ActionRefused, ActionTimeout, ConnectionLost
from telephony.ami.frames import Event, Response
from telephony.ami.monitor import Monitor
from telephony.ami.settings import Limits, Login
from telephony.ami.subscriptions import EventHub, Subscription
from telephony.ami.waiters import Answer, ListWanted, Waiter

__all__ = ["ActionPort", "Client", "connect"]

MAX_LIST_ITEMS = 100_000


class ActionPort(Protocol):
    """What can be asked of Asterisk; a `Client` and a `NodeLink` both offer it."""

    async def action(self, name: str, headers: Headers = (), *, deadline_s: float) -> Response:
        """Send one action and return its answer.

        Raises `ActionRefused`, `ActionTimeout`, `ConnectionLost`, `NotSendable` or `TooBusy`.
        """

    async def list_action(
        self,
        name: str,
        headers: Headers = (),
        *,
        deadline_s: float,
        max_items: int = MAX_LIST_ITEMS,
        trailing_ids: bool = False,
    ) -> list[Event]:
        """Send an action that is answered by a list and return its events, the last one left out.

        `trailing_ids` is for the few lists whose items carry their ActionID last (DBGet, Status),
        which are rejected without it. An item that a caller has tampered with has no headers.
        Raises as `action`, and `ListCancelled`, `ListIncomplete` or `ListTooLong`.
        """

    async def actions(self, actions: Sequence[Action], *, deadline_s: float) -> list[Response]:
        """Send several actions in one segment, in order, and return their answers in order.

        A refused one does not raise: look at `Response.ok`.
        """

    def post(self, actions: Sequence[Action]) -> None:
        """Send several actions in one segment, in order, and await no answer.

        Refusals are counted and reported. Raises `ConnectionLost`, `NotSendable` or `TooBusy`.
        """


class Client:
    """One logged-in connection; an `ActionPort`."""

    def __init__(
        self, connection: Connection, hub: EventHub, booted: asyncio.Future[Event]
    ) -> None:
        self._connection = connection
        self._hub = hub
        self._booted = booted

    async def action(self, name: str, headers: Headers = (), *, deadline_s: float) -> Response:
        """See `ActionPort`."""
        (answer,) = await self._ask((Action.of(name, headers),), deadline_s)
        return _accepted(name, answer)

    async def list_action(
        self,
        name: str,
        headers: Headers = (),
        *,
        deadline_s: float,
        max_items: int = MAX_LIST_ITEMS,
        trailing_ids: bool = False,
    ) -> list[Event]:
        """See `ActionPort`."""
        (answer,) = await self._ask(
            (Action.of(name, headers),), deadline_s, ListWanted(max_items, trailing_ids)
        )
        _accepted(name, answer)
        return list(answer.items)

    async def actions(self, actions: Sequence[Action], *, deadline_s: float) -> list[Response]:
        """See `ActionPort`."""
        return [answer.response for answer in await self._ask(actions, deadline_s)]

    def post(self, actions: Sequence[Action]) -> None:
        """See `ActionPort`."""
        self._connection.send(actions, posted=True)

    async def _ask(
        self, actions: Sequence[Action], deadline_s: float, wants: ListWanted | None = None
    ) -> list[Answer]:
        waiters: list[Waiter] = []
        try:
            async with asyncio.timeout(deadline_s):
                await self._connection.wait_writable()
                waiters = self._connection.send(actions, wants=wants)
                return [await waiter.future for waiter in waiters]
        except TimeoutError:
            late = next((w for w in waiters if not w.future.done()), None)
            name = late.action if late is not None else actions[0].name
            raise ActionTimeout(name, deadline_s, sent=bool(waiters)) from None
        finally:
            for waiter in waiters:
                self._connection.forget(waiter)

    def subscribe(
        self, events: Iterable[str] | None, *, name: str, capacity: int = 10_000
    ) -> Subscription:
        """Subscribe to unsolicited events by name, None for all. See `Subscription`."""
        return self._hub.subscribe(events, name=name, capacity=capacity)

    async def wait_fully_booted(self, *, deadline_s: float) -> Event:
        """Wait for Asterisk's FullyBooted and return it; the login needs the class `system`.

        Its Uptime (seconds) tells a restarted Asterisk from one that merely lost the connection;
        it is missing when Asterisk booted after the login. Raises `ActionTimeout`, or
        `ConnectionLost` as soon as the connection dies.
        """
        closed = self._connection.closed
        await asyncio.wait(
            (self._booted, closed), timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED
        )
        if self._booted.done():
            return self._booted.result()
        if closed.done():
            raise ConnectionLost(closed.result())
        raise ActionTimeout("FullyBooted", deadline_s, sent=False)

    @property
    def closed(self) -> asyncio.Future[BaseException]:
        """Done with the first cause once the connection is dead; not to be cancelled."""
        return self._connection.closed

    async def wait_closed(self) -> BaseException:
        """Wait until the connection is dead and return the first cause."""
        return await self._connection.wait_closed()

    async def aclose(self) -> None:
        """Close the connection; whoever waits for an answer learns it at once."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _accepted(name: str, answer: Answer) -> Response:
    if not answer.response.ok:
        raise ActionRefused(name, answer.response.message)
    return answer.response


async def connect(
    login: Login,
    *,
    hub: EventHub | None = None,
    limits: Limits | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> Client:
    """Connect and log in, once.

    Raises `ConnectFailed`, `LoginRefused`, `LoginTimeout`, `NotAmi`, `ConnectionLost`, or
    `AuthenticationRefused`, which is permanent. Events go to `hub`, which may serve several
    connections one after another.
    """
    hub = hub if hub is not None else EventHub(Monitor())
    booted: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    def on_event(event: Event) -> None:
        if event.name == "FullyBooted" and not booted.done():
            booted.set_result(event)
        hub.publish(event)

    connection = await open_connection(
        login,
        on_event=on_event,
        monitor=hub.monitor,
        limits=limits if limits is not None else Limits(),
        wall_clock=wall_clock,
    )
    return Client(connection, hub, booted)
