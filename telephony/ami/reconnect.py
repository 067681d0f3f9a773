"""Keeps one logical session up: opens it, watches it, opens it again after a jittered pause.

It retries whatever may pass and stops at what cannot (`PermanentAmiError`). Nothing of a lost
session is carried over into the next: actions are never repeated here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NoReturn, Protocol, TypeVar

from telephony.ami.errors import ActionTimeout, AmiError, PermanentAmiError
from telephony.ami.monitor import Monitor, Trouble, TroubleKind

__all__ = ["Backoff", "LinkState", "Reconnector", "Session"]


class Session(Protocol):
    """What is kept up: a client, or several as one."""

    async def wait_closed(self) -> BaseException:
        """Wait until it is dead and return the first cause."""

    async def aclose(self) -> None:
        """Close it; harmless when it is dead already."""


S = TypeVar("S", bound=Session)


class LinkState(Enum):
    """What the logical session is doing."""

    DOWN = "down"
    CONNECTING = "connecting"
    TAKING_STOCK = "taking_stock"
    UP = "up"
    STOPPED = "stopped"
    """For good: cancelled, or Asterisk refused the login."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts: exponential, capped, the upper half of each at random."""

    first_s: float = 0.1
    factor: float = 2.0
    cap_s: float = 10.0
    steady_after_s: float = 10.0
    """A session that lasted this long makes the next pause the first again."""
    uniform: Callable[[], float] = random.random
    """Gives numbers in [0, 1)."""

    def pause_s(self, failures: int) -> float:
        """Return the pause after this many failures in a row."""
        exponent = min(max(failures - 1, 0), 64)
        longest = min(self.cap_s, self.first_s * self.factor**exponent)
        return longest * (0.5 + 0.5 * self.uniform())


class Reconnector(Generic[S]):
    """Owns the session; `run` must be somebody's task.

    `open_session` connects and logs in. `on_connected` takes stock before the state is UP; it is
    bounded by `stock_within_s`, and if it raises, the session is closed and tried again.
    """

    def __init__(
        self,
        open_session: Callable[[], Awaitable[S]],
        *,
        on_connected: Callable[[S], Awaitable[None]],
        monitor: Monitor,
        backoff: Backoff | None = None,
        stock_within_s: float = 30.0,
        on_state: Callable[[LinkState], None] = lambda _: None,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._open_session = open_session
        self._on_connected = on_connected
        self._monitor = monitor
        self._backoff = backoff if backoff is not None else Backoff()
        self._stock_within_s = stock_within_s
        self._on_state = on_state
        self._clock = clock
        self._sleep = sleep
        self._state = LinkState.DOWN
        self._changed = asyncio.Event()
        self._session: S | None = None
        self._cause: BaseException | None = None

    @property
    def state(self) -> LinkState:
        """What it is doing now."""
        return self._state

    @property
    def session(self) -> S | None:
        """The session while the state is UP, else None."""
        return self._session if self._state is LinkState.UP else None

    @property
    def cause(self) -> BaseException | None:
        """Why the last session or attempt failed."""
        return self._cause

    async def wait_for(self, state: LinkState, *, deadline_s: float) -> None:
        """Wait until the state is `state`; raises `ActionTimeout`."""
        try:
            async with asyncio.timeout(deadline_s):
                while self._state is not state:
                    await self._changed.wait()
        except TimeoutError:
            raise ActionTimeout(f"state {state.value}", deadline_s, sent=False) from None

    def _set_state(self, state: LinkState) -> None:
        if state is self._state:
            return
        self._state = state
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._on_state(state)

    async def run(self) -> NoReturn:
        """Keep the session up until cancelled; raises `PermanentAmiError` where that is no use."""
        clock = self._clock if self._clock is not None else asyncio.get_running_loop().time
        failures = 0
        try:
            while True:
                began_s = clock()
                self._cause = await self._one_session()
                self._monitor.tell(Trouble(TroubleKind.DOWN, error=self._cause))
                self._set_state(LinkState.DOWN)
                steady = clock() - began_s >= self._backoff.steady_after_s
                failures = 1 if steady else failures + 1
                await self._sleep(self._backoff.pause_s(failures))
        except PermanentAmiError as error:
            self._cause = error
            raise
        finally:
            self._set_state(LinkState.STOPPED)

    async def _one_session(self) -> BaseException:
        """Open, take stock, watch; return why it ended."""
        self._set_state(LinkState.CONNECTING)
        try:
            session = await self._open_session()
        except PermanentAmiError:
            raise
        except AmiError as error:
            return error
        try:
            self._set_state(LinkState.TAKING_STOCK)
            failure = await self._take_stock(session)
            if failure is not None:
                return failure
            self._session = session
            self._set_state(LinkState.UP)
            return await session.wait_closed()
        finally:
            self._session = None
            await session.aclose()

    async def _take_stock(self, session: S) -> Exception | None:
        try:
            async with asyncio.timeout(self._stock_within_s):
                await self._on_connected(session)
        except Exception as error:  # noqa: BLE001 - a hook's fault must not end the link
            self._monitor.tell(Trouble(TroubleKind.STOCK_FAILED, error=error))
            return error
        return None
