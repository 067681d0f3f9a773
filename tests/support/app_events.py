"""Reads an app's stream of server-sent events as the standard has it (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from maskline.demo.spec import PATIENCE_S


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a stream; a comment has no kind."""

    kind: str
    data: Any
    id: int | None


class EventReader:
    """Reads a stream of server-sent events as the standard has it."""

    def __init__(self, response: aiohttp.ClientResponse, seen: Callable[[bytes], None]) -> None:
        self.response = response
        self._seen = seen

    async def next(self, *, comments: bool = False) -> Told:
        """The next event, or comment. Raises EOFError where the stream has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                told = await self._block()
                if told is not None and (told.kind or comments):
                    return told

    async def _block(self) -> Told | None:
        fields: dict[str, str] = {}
        while True:
            line = await self.response.content.readline()
            self._seen(line)
            if not line:
                raise EOFError
            text = line.decode().removesuffix("\n")
            if not text:
                break
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
        if "event" in fields:
            entry = fields.get("id")
            return Told(
                fields["event"], json.loads(fields["data"]), None if entry is None else int(entry)
            )
        return Told("", fields.get(""), None) if "" in fields else None


@asynccontextmanager
async def app_events(
    app_url: str, token: str, *, after: int | None = None
) -> AsyncIterator[EventReader]:
    """Listen as an app does; `after`: the id of the last entry it saw."""
    headers = {"Authorization": f"Bearer {token}"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{app_url}/events", headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        yield EventReader(response, lambda _: None)
