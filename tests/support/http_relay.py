"""A door in front of an HTTP server that can be shut: to whoever comes by it the server is away."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from maskline.settings import Address


@dataclass
class HttpRelay:
    """Carries connections to `to`; `shut` breaks those there are and refuses further ones."""

    to: Address
    port: int
    _server: asyncio.Server | None = None
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def base(self) -> str:
        """What a browser asks."""
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Let them in."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port)

    async def shut(self) -> None:
        """Nobody is there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in (carrying := tuple(self._carrying)):
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self.to.host, self.to.port)
            try:
                await asyncio.gather(_pour(reader, back), _pour(there, writer))
            finally:
                back.transport.abort()
        except OSError:
            pass  # one side is gone
        finally:
            writer.transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
