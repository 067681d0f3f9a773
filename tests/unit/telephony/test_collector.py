"""The collector reads what comes, writes what is due, and loses nothing quietly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from masking.plan import Channel
from telephony.errors import PortTaken
from telephony.hep import collector as module
from telephony.hep.codec import Packet
from telephony.hep.collector import Collector, hep_listener, pause_after
from telephony.hep.dialogs import Dialogs, Exchange, Leg
from tests.support.hep import CARRIER, NODE, SECRET, encode, invite, request

LEG = Leg("cal_1", Channel.GSM, "carrier-a")


@dataclass
class Scene:
    """A collector whose database does what a test says."""

    listener: socket.socket
    dialogs: Dialogs = field(default_factory=Dialogs)
    written: list[Exchange] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    broken: bool = False
    now_us: int = 1_000_000
    collector: Collector = field(init=False)
    node: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.collector = Collector(
            self.listener,
            self.dialogs,
            self.write,
            secret=SECRET,
            now_us=lambda: self.now_us,
            on_error=self.errors.append,
        )
        self.node = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.node.connect(self.listener.getsockname())

    async def write(self, exchanges: Sequence[Exchange]) -> None:
        if self.broken:
            raise OSError
        self.written += exchanges

    def says(self, payload: bytes, secret: str = SECRET) -> None:
        self.node.send(encode(Packet(self.now_us, CARRIER, NODE, payload), secret))

    async def until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """A collector that runs, and writes soon."""
    monkeypatch.setattr(module, "EVERY_S", 0.02)
    scene = Scene(hep_listener(0))
    scene.dialogs.offered(LEG, 0, tag="in")
    task = asyncio.create_task(scene.collector.run())
    try:
        yield scene
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        scene.node.close()


async def test_what_comes_is_written_once_it_was_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as scene:
        scene.says(invite("a", "x", "y", "in"))
        for _ in range(50):
            scene.says(request("INFO", "a"))
        await scene.until(lambda: scene.collector.counters.heard == 51)
        assert scene.written == []
        scene.now_us += 5_000_000
        await scene.until(lambda: scene.written)
    assert [len(one.messages) for one in scene.written] == [51]


async def test_what_is_held_at_the_end_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as scene:
        scene.says(invite("a", "x", "y", "in"))
        await scene.until(lambda: scene.collector.counters.heard == 1)
        scene.says(request("BYE", "a"))
    assert [len(one.messages) for one in scene.written] == [2]
    assert scene.listener.fileno() == -1


async def test_what_came_since_the_last_reading_is_written_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as a pause is, much more than one lot may have come."""
    monkeypatch.setattr(module, "LONG_PAUSE_S", 60)
    monkeypatch.setattr(module, "PAUSE_S", 60)
    async with running(monkeypatch) as scene:
        scene.says(invite("a", "x", "y", "in"))
        await scene.until(lambda: scene.collector.counters.heard == 1)
        for _ in range(3 * module.LOT):
            scene.says(request("INFO", "a"))
    assert sum(len(one.messages) for one in scene.written) == 3 * module.LOT + 1


@pytest.mark.parametrize(
    ("exchanges", "seconds", "pause_s"),
    [(0, 1.0, 1.0), (19, 1.0, 1.0), (20, 1.0, 4.0), (79, 4.0, 1.0), (80, 4.0, 4.0)],
)
def test_the_more_there_is_the_longer_it_is_gathered(
    exchanges: int, seconds: float, pause_s: float
) -> None:
    assert pause_after(exchanges, seconds) == pause_s


async def test_others_and_noise_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as scene:
        scene.says(invite("a", "x", "y", "in"), secret="somebody else's")
        scene.node.send(b"noise")
        scene.node.send(b"")
        await scene.until(lambda: scene.collector.counters.refused == 3)
        scene.now_us += 5_000_000
    assert scene.written == []


async def test_a_database_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as scene:
        scene.broken = True
        scene.says(invite("a", "x", "y", "in"))
        await scene.until(lambda: scene.collector.counters.heard == 1)
        scene.now_us += 5_000_000
        await scene.until(lambda: len(scene.errors) > 2)
        scene.broken = False
        await scene.until(lambda: scene.written)
    assert len(scene.written) == 1
    assert scene.collector.counters.lost == 0


async def test_what_cannot_wait_any_longer_is_lost_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_UNWRITTEN", 1)
    async with running(monkeypatch) as scene:
        scene.broken = True
        for call_id in ("a", "b", "c"):
            scene.says(invite(call_id, "x", "y", "in"))
        await scene.until(lambda: scene.collector.counters.heard == 3)
        scene.now_us += 5_000_000
        await scene.until(lambda: scene.collector.counters.lost == 2)


async def test_others_have_their_turn_while_much_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as scene:
        scene.says(invite("a", "x", "y", "in"))
        for _ in range(module.LOT * 4):
            scene.says(request("INFO", "a"))
        turns = 0
        while scene.collector.counters.heard < module.LOT * 4:
            before = scene.collector.counters.heard
            await asyncio.sleep(0)
            assert scene.collector.counters.heard - before <= module.LOT
            turns += 1
        assert turns >= 4


def test_a_taken_port_is_said_to_be() -> None:
    with hep_listener(0) as one, pytest.raises(PortTaken):
        hep_listener(one.getsockname()[1])
