from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.ami import (
    ActionTimeout,
    AuthenticationRefused,
    Backoff,
    ConnectFailed,
    LinkState,
    Monitor,
    PingTimeout,
    Reconnector,
    Trouble,
    TroubleKind,
)


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        self.now_s += duration_s
        await asyncio.sleep(0)


class FakeSession:
    def __init__(self) -> None:
        self.closed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.aclosed = False

    async def wait_closed(self) -> BaseException:
        return await self.closed

    async def aclose(self) -> None:
        self.aclosed = True


class Scene:
    """A reconnector with everything around it in our hands."""

    def __init__(self, backoff: Backoff | None = None) -> None:
        self.time = Time()
        self.states: list[LinkState] = []
        self.troubles: list[Trouble] = []
        self.sessions: list[FakeSession] = []
        self.outcomes: list[Exception | None] = []
        self.stock: Callable[[FakeSession], None] = lambda _: None
        self.stocks = 0
        self.reconnector = Reconnector(
            self.open,
            on_connected=self.on_connected,
            monitor=Monitor(self.troubles.append),
            backoff=backoff or Backoff(uniform=lambda: 1.0),
            on_state=self.states.append,
            stock_within_s=0.05,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )

    async def open(self) -> FakeSession:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.sessions.append(FakeSession())
        return self.sessions[-1]

    async def on_connected(self, session: FakeSession) -> None:
        self.stocks += 1
        assert self.reconnector.session is None
        self.stock(session)

    async def up(self) -> FakeSession:
        await self.reconnector.wait_for(LinkState.UP, deadline_s=2)
        return self.sessions[-1]


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_retries_with_growing_capped_pauses_and_takes_stock_when_up() -> None:
    scene = Scene(Backoff(first_s=1, factor=2, cap_s=5, uniform=lambda: 1.0))
    scene.outcomes = [ConnectFailed("no") for _ in range(5)]
    task = asyncio.create_task(scene.reconnector.run())
    session = await scene.up()
    assert scene.time.slept == [1, 2, 4, 5, 5]
    assert scene.stocks == 1
    assert scene.reconnector.session is session
    assert scene.states[:3] == [LinkState.CONNECTING, LinkState.DOWN, LinkState.CONNECTING]
    assert scene.states[-2:] == [LinkState.TAKING_STOCK, LinkState.UP]
    await stop(task)
    assert session.aclosed
    assert scene.reconnector.state is LinkState.STOPPED
    assert scene.reconnector.session is None


async def test_a_lost_session_is_closed_reported_and_opened_anew() -> None:
    scene = Scene()
    task = asyncio.create_task(scene.reconnector.run())
    first = await scene.up()
    cause = PingTimeout("no pong")
    first.closed.set_result(cause)
    await asyncio.sleep(0)
    await scene.reconnector.wait_for(LinkState.UP, deadline_s=2)
    async with asyncio.timeout(2):
        while len(scene.sessions) < 2 or scene.reconnector.state is not LinkState.UP:
            await asyncio.sleep(0)
    assert first.aclosed
    assert scene.stocks == 2
    assert scene.reconnector.cause is cause
    assert [(t.kind, t.error) for t in scene.troubles] == [(TroubleKind.DOWN, cause)]
    await stop(task)


async def test_a_session_that_lasted_makes_the_next_pause_the_first_again() -> None:
    scene = Scene(Backoff(first_s=1, cap_s=60, steady_after_s=10, uniform=lambda: 1.0))
    scene.outcomes = [ConnectFailed("no")] * 3
    task = asyncio.create_task(scene.reconnector.run())
    session = await scene.up()
    scene.time.now_s += 9
    session.closed.set_result(PingTimeout())
    async with asyncio.timeout(2):
        while len(scene.sessions) < 2:
            await asyncio.sleep(0)
    second = await scene.up()
    scene.time.now_s += 11
    second.closed.set_result(PingTimeout())
    async with asyncio.timeout(2):
        while len(scene.sessions) < 3:
            await asyncio.sleep(0)
    assert scene.time.slept == [1, 2, 4, 8, 1]
    await stop(task)


async def test_a_refused_authentication_stops_it_for_good() -> None:
    scene = Scene()
    refused = AuthenticationRefused("no")
    scene.outcomes = [ConnectFailed("no"), refused]
    with pytest.raises(AuthenticationRefused):
        await scene.reconnector.run()
    assert scene.reconnector.state is LinkState.STOPPED
    assert scene.reconnector.cause is refused
    assert len(scene.time.slept) == 1


async def test_a_hook_that_raises_is_reported_and_tried_again() -> None:
    scene = Scene()
    errors = itertools.chain([ValueError("x")], itertools.repeat(None))

    def stock(_: FakeSession) -> None:
        error = next(errors)
        if error is not None:
            raise error

    scene.stock = stock
    task = asyncio.create_task(scene.reconnector.run())
    await scene.up()
    assert scene.sessions[0].aclosed
    assert scene.stocks == 2
    assert scene.troubles[0].kind is TroubleKind.STOCK_FAILED
    await stop(task)


async def test_a_hook_that_hangs_is_broken_off() -> None:
    scene = Scene()
    hung = asyncio.Event()

    async def hang(_: FakeSession) -> None:
        if not hung.is_set():
            hung.set()
            await asyncio.Event().wait()

    scene.reconnector._on_connected = hang
    task = asyncio.create_task(scene.reconnector.run())
    await scene.up()
    assert hung.is_set()
    assert len(scene.sessions) == 2
    await stop(task)


async def test_waiting_for_a_state_has_a_deadline() -> None:
    with pytest.raises(ActionTimeout):
        await Scene().reconnector.wait_for(LinkState.UP, deadline_s=0.01)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_between_half_and_all_of_its_step_and_never_over_the_cap(
    failures: int, drawn: float
) -> None:
    backoff = Backoff(first_s=0.1, factor=2, cap_s=10, uniform=lambda: drawn)
    longest = min(10.0, 0.1 * 2.0 ** min(max(failures - 1, 0), 64))
    assert longest / 2 <= backoff.pause_s(failures) <= longest
