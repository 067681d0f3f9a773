"""A carrier that speaks SIP over TLS, and somebody on the wire before it who keeps what he sees."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from tests.support.tcp_tap import TcpTap
from tests.support.wiretap import Address, tap_host

CHUNK = 65_536


def shown(cert: Path, key: Path) -> ssl.SSLContext:
    """What a carrier shows to those who connect to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def believed(authority: Path) -> ssl.SSLContext:
    """Whom a carrier believes that it connects to."""
    return ssl.create_default_context(cafile=str(authority))


class TlsTap(TcpTap):
    """One carrier's SIP address. `raw` is what it read, `wire` what passed on its line."""

    protocol = "TLS"

    def __init__(self, host: str, toward: Address) -> None:
        super().__init__(host, toward)
        self.wire = bytearray()
        self.line_port = 0  # where it is to be called, for its line to be heard

    @classmethod
    async def speaking(
        cls, toward: Address, host: str | None = None, *, shows: ssl.SSLContext
    ) -> Self:
        """Take connections, and show who we are."""
        tap = cls(host or tap_host(), toward)
        tap.shows = shows
        await tap.listen()
        return tap

    @contextlib.asynccontextmanager
    async def heard(self) -> AsyncIterator[Self]:
        """The same behind a line that is heard."""
        passing: set[asyncio.Task[None]] = set()

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection(self.host, self.port)
            for one, other in ((reader, back), (there, writer)):
                passing.add(asyncio.create_task(self._pass(one, other)))

        door = await asyncio.start_server(carry, self.host, 0)
        self.line_port = door.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            door.close()
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                self.wire += data
                writer.write(data)
        except OSError:
            pass  # cut
        finally:
            writer.close()
