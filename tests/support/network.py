"""The network of one page: all that it sends and receives, and that can be lost and come back.

Lost as a radio loses it: nobody is told, nothing arrives. Back as another network: with other
ports, and connections from before are dead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.lossy_relay import LossyRelay

Address = tuple[str, int]


@dataclass
class Network:
    """`async with Network() as network:`; a page takes it by `AppScene.app(…, network=network)`."""

    relay: LossyRelay = field(default_factory=LossyRelay)
    _doors: dict[Address, _Door] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for door in self._doors.values():
            await door.close()
        await self.relay.__aexit__()

    async def through(self, url: str) -> str:
        """`url`, but by way of this network."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        far = (parts.hostname, parts.port)
        if far not in self._doors:
            self._doors[far] = await _Door.open(far)
        return parts._replace(netloc=f"127.0.0.1:{self._doors[far].port}").geturl()

    async def credentials(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same, but for where their WebSocket is."""
        return {**given, "ws_url": await self.through(given["ws_url"])}

    def slow_down(self, delay_s: float) -> None:
        """It takes so long until a connection is there; as over many lost packets."""
        for door in self._doors.values():
            door.delay_s = delay_s

    def lose(self) -> None:
        """Nothing goes through any more, and nobody is told."""
        self.relay.loss = 1.0
        for door in self._doors.values():
            door.lost = True

    def lose_at(self, words: bytes) -> asyncio.Event:
        """Lose it again at the moment when the page would be told these words; set when it is."""
        gone = asyncio.Event()

        def told() -> None:
            for door in self._doors.values():
                door.snare = None
            self.lose()
            gone.set()

        for door in self._doors.values():
            door.snare = _Snare(words, told)
        return gone

    def back(self, *, tell: bool = True) -> None:
        """It is another network: ports are others, connections from before are dead.

        They are reset; or hang, where the page is not to be told (`tell`).
        """
        self.relay.move()
        self.relay.loss = 0.0
        for door in self._doors.values():
            door.lost = False
            door.leave(reset=tell)


@dataclass(frozen=True)
class _Snare:
    """Words that do not come through, and what happens instead."""

    words: bytes
    caught: Callable[[], None]


@dataclass(eq=False)
class _Pipe:
    """A connection, to both sides."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None  # None: nobody is there
    dead: bool = False

    def abort(self) -> None:
        for writer in (self.near, self.far):
            if writer is not None:
                writer.transport.abort()


@dataclass
class _Door:
    """One TCP address, on a port of its own."""

    target: Address
    lost: bool = False
    delay_s: float = 0.0
    snare: _Snare | None = None
    port: int = 0
    _server: asyncio.Server | None = None
    _pipes: set[_Pipe] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    async def open(cls, target: Address) -> _Door:
        door = cls(target)
        door._server = await asyncio.start_server(door._take, "127.0.0.1", 0)
        door.port = door._server.sockets[0].getsockname()[1]
        return door

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.leave(reset=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def leave(self, *, reset: bool) -> None:
        """Nothing comes through connections that are there."""
        for pipe in self._pipes:
            pipe.dead = True
            if reset:
                pipe.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = _Pipe(writer, dead=self.lost)
        self._pipes.add(pipe)
        if pipe.dead:
            return  # asked for in vain: nothing is ever heard of it
        await asyncio.sleep(self.delay_s)
        try:
            far_reader, pipe.far = await asyncio.open_connection(*self.target)
        except OSError:
            pipe.abort()
            return
        for source, target in ((reader, pipe.far), (far_reader, writer)):
            task = asyncio.create_task(self._carry(pipe, source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, pipe: _Pipe, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if target is pipe.near and self.snare is not None and self.snare.words in data:
                    self.snare.caught()
                # What is lost here leaves a hole that nothing fills: the connection is to die.
                pipe.dead = pipe.dead or self.lost
                if not pipe.dead:
                    target.write(data)
                    await target.drain()
        if not pipe.dead:
            target.close()
