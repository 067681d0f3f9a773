"""On the way down: which calls are waited for, and what ends the wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from masking.call import State
from maskline import node_part
from maskline.node_part import NodePart
from telephony.live import LiveCall

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LONG_S = 3600.0


@dataclass
class Controller:
    """One whose calls a test ends."""

    up: list[str]
    closed: bool = False
    looks: asyncio.Event = field(default_factory=asyncio.Event)

    def close_door(self) -> None:
        self.closed = True

    def live_calls(self) -> tuple[LiveCall, ...]:
        self.looks.set()
        return tuple(LiveCall(one, one, one, State.UP, NOW, "") for one in self.up)


@dataclass
class Scene:
    controller: Controller
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def drain(self, within_s: float) -> asyncio.Task[None]:
        part = NodePart.__new__(NodePart)  # the rest of a node has no part in it
        part._controller = cast("Any", self.controller)
        return asyncio.create_task(part.drain(within_s, self.hurry))

    async def looked(self) -> None:
        self.controller.looks.clear()
        async with asyncio.timeout(5):
            await self.controller.looks.wait()


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(node_part, "DRAIN_LOOK_S", 0.01)
    return Scene(Controller(["cal_1", "cal_2"]))


async def test_the_calls_of_then_are_waited_for_and_no_later_one(scene: Scene) -> None:
    draining = scene.drain(LONG_S)
    await scene.looked()
    assert scene.controller.closed
    scene.controller.up = ["cal_2", "cal_3"]
    await scene.looked()
    await scene.looked()
    assert not draining.done()
    scene.controller.up = ["cal_3"]
    async with asyncio.timeout(5):
        await draining


async def test_who_is_asked_once_more_waits_for_nobody(scene: Scene) -> None:
    draining = scene.drain(LONG_S)
    await scene.looked()
    scene.hurry.set()
    async with asyncio.timeout(5):
        await draining


async def test_the_wait_is_no_longer_than_the_operator_said(scene: Scene) -> None:
    async with asyncio.timeout(5):
        await scene.drain(0.05)
    assert len(scene.controller.up) == 2


async def test_unless_the_operator_says_so_the_door_stays_as_it_is(scene: Scene) -> None:
    async with asyncio.timeout(5):
        await scene.drain(0)
    assert not scene.controller.closed
