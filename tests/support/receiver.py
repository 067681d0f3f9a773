"""A platform's receiver of webhooks: a real HTTP server that does as the test says.

As a program (`python -m tests.support.receiver PORT FILE`) it appends what it takes to FILE, a line
of JSON each, on the disk before it answers: it may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Received:
    """One request."""

    headers: Mapping[str, str]
    body: bytes
    request: web.Request = field(repr=False)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:  # noqa: ANN401 (JSON)
        return json.loads(self.body)

    def signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is this secret's; written after the standard's text."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")


Behaviour = Callable[[Received], Awaitable[web.StreamResponse]]


async def takes_all(received: Received) -> web.StreamResponse:
    return web.Response(status=204)


def answers(status: int, **headers: str) -> Behaviour:
    async def behave(received: Received) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named)

    return behave


@dataclass
class Receiver:
    """`async with Receiver() as receiver:` listens on a port of 127.0.0.1."""

    behaviour: Behaviour = takes_all
    port: int = 0
    got: list[Received] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{any:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> list[Any]:
        return [one.event for one in self.got]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        received = Received(dict(request.headers), await request.read(), request)
        self.got.append(received)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.behaviour(received)
        finally:
            self.at_once -= 1


async def until(condition: Callable[[], bool], what: str, deadline_s: float = 20.0) -> None:
    """Wait for `condition`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while not condition():
                await asyncio.sleep(0.01)
    assert condition(), f"not within {deadline_s} s: {what}"


async def _main(port: int, file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def keep(received: Received) -> web.StreamResponse:
        kept = {"id": received.id, "event": received.event}
        os.write(descriptor, json.dumps(kept).encode() + b"\n")
        return web.Response(status=204)

    async with Receiver(keep, port):
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        await asyncio.sleep(120)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
