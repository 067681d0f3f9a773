"""What the open page is told as it happens: Server-Sent Events to one reader at a time.

The four phones can be in one window only; whoever opens the page next takes them over, and the
window before is told so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

BOUND = 64  # events that a reader may be behind; one that is further behind is let go
KEEP_ALIVE_S = 10.0


class Reader:
    """One window."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(BOUND)

    def put(self, event: bytes | None) -> None:
        """Give it an event; None ends it, as does falling too far behind."""
        if self._waiting.full():
            while not self._waiting.empty():
                self._waiting.get_nowait()
            event = None
        self._waiting.put_nowait(event)

    async def events(self) -> AsyncIterator[bytes]:
        """The events, and a sign of life while there is none."""
        yield b"retry: 1000\n\n"
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    event = await self._waiting.get()
            except TimeoutError:
                event = b":\n\n"
            if event is None:
                return
            yield event


class Feed:
    """The page's feed."""

    def __init__(self) -> None:
        self._reader: Reader | None = None
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether a page is open."""
        return self._reader is not None

    def open(self) -> Reader:
        """A new reader; the one before is told that the phones went elsewhere."""
        if self._reader is not None:
            self._reader.put(_event("elsewhere", {}))
            self._reader.put(None)
        reader = Reader()
        if self._closed:
            reader.put(None)
        else:
            self._reader = reader
        return reader

    def leave(self, reader: Reader) -> None:
        """It is gone."""
        if self._reader is reader:
            self._reader = None

    def tell(self, kind: str, data: Mapping[str, object]) -> None:
        """Tell the open page, if there is one."""
        if self._reader is not None:
            self._reader.put(_event(kind, data))

    def close(self) -> None:
        """No more."""
        self._closed = True
        if self._reader is not None:
            self._reader.put(None)


def _event(kind: str, data: Mapping[str, object]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
