"""A carrier of bare TCP connections (RFC 3261, 18): listens, connects, keeps every byte, cuts.

As `wiretap.Tap` is for UDP; a `Party` speaks through either.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Self

from maskline.demo.sip import Message
from tests.support.wiretap import Address, Tap, tap_host

_LENGTH = b"content-length:"


def frames(buffer: bytearray) -> list[bytes]:
    """Take the whole messages off the front of `buffer`; keep-alives (RFC 5626, 3.5.1) go."""
    found: list[bytes] = []
    while True:
        while buffer[:2] == b"\r\n":
            del buffer[:2]
        head, end, _ = buffer.partition(b"\r\n\r\n")
        if not end:
            return found
        lines = (line.lower() for line in head.split(b"\r\n"))
        length = next((int(one[len(_LENGTH) :]) for one in lines if one.startswith(_LENGTH)), 0)
        whole = len(head) + 4 + length
        if len(buffer) < whole:
            return found
        found.append(bytes(buffer[:whole]))
        del buffer[:whole]


class _Wire(asyncio.Protocol):
    """One connection of a tap's."""

    def __init__(self, tap: TcpTap, *, came_in: bool) -> None:
        self.tap, self.came_in = tap, came_in
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.tap.opened(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for message in frames(self._buffer):
            self.tap.received(message, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.tap.closed(self)


class TcpTap(Tap):
    """One carrier's SIP address. What it answers goes back over the connection that asked."""

    protocol = "TCP"

    def __init__(self, host: str, toward: Address) -> None:
        super().__init__(host, toward)
        self.wires: list[_Wire] = []
        self.came_in = 0  # connections that were made to us, ever
        self._server: asyncio.Server | None = None
        self._origin: dict[str, _Wire] = {}  # by Call-ID, where its last request came from
        self._waiting: list[bytes] = []  # until there is a connection
        self._dialling: asyncio.Task[None] | None = None
        self.dials = True  # else it calls over connections that were made to it
        self.shows: ssl.SSLContext | None = None  # to those who connect to it; None: bare TCP
        self.believes: ssl.SSLContext | None = None  # of those it connects to

    @classmethod
    async def open(cls, toward: Address, host: str | None = None, port: int = 0) -> Self:
        tap = cls(host or tap_host(), toward)
        await tap.listen(port)
        return tap

    async def listen(self, port: int = 0) -> None:
        """Take connections, at the port that it had before if none is given."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Wire(self, came_in=True), self.host, port or self.port, ssl=self.shows
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def deaf(self) -> None:
        """Take none any more: they are refused. Those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Reset every connection, as a carrier's machine that dies does."""
        gone, self.wires = self.wires, []
        for wire in gone:
            assert wire.transport is not None
            wire.transport.abort()

    async def __aexit__(self, *_exc: object) -> None:
        await self.deaf()
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.gather(self._dialling, return_exceptions=True)
        self.cut()

    def opened(self, wire: _Wire) -> None:
        """Called by a connection: it is there."""
        self.wires.append(wire)
        self.came_in += wire.came_in
        self._changed.set()

    def closed(self, wire: _Wire) -> None:
        """Called by a connection: it is gone."""
        if wire in self.wires:
            self.wires.remove(wire)
        self._changed.set()

    def received(self, message: bytes, wire: _Wire) -> None:
        """Called by a connection: a whole message."""
        self._origin[Message(message).call_id] = wire
        self.datagram_received(message, self.toward)

    def send(self, data: bytes, to: Address | None = None) -> None:
        """Over the connection that its call came by; over one of our own otherwise."""
        wire = self._origin.get(Message(data).call_id)
        if wire is None or wire not in self.wires:
            own = [one for one in self.wires if not (one.came_in and self.dials)]
            wire = own[0] if own else None
        if wire is not None:
            assert wire.transport is not None
            wire.transport.write(data)
            return
        self._waiting.append(data)
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(
            lambda: _Wire(self, came_in=False),
            *self.toward,
            local_addr=(self.host, 0),
            ssl=self.believes,
        )
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            assert wire.transport is not None
            wire.transport.write(data)
