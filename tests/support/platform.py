# ruff: noqa: ANN401 (what is sent is JSON)
"""The platform as Maskline sees it: an HTTP receiver for the hook and for webhooks.

It believes nothing that is not signed, checks signatures by the text of Standard Webhooks rather
than with our own code, and keeps every byte that reached it. It can be slow, silent or wrong.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from maskline.demo.spec import PATIENCE_S
from tests.support.leaks import WATCH

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TOLERANCE_S = 300


@dataclass(frozen=True)
class Received:
    """One request, whose signature was right."""

    path: str
    id: str
    body: Any
    raw: bytes = field(repr=False)  # head and body


@dataclass
class Platform:
    """`async with Platform() as platform:`"""

    answer: Callable[[Any], Any] = lambda _asked: {"action": "continue"}  # of the hook
    delay_s: float = 0.0
    status: int = 200
    secrets: list[str] = field(default_factory=lambda: [SECRET])
    received: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # why, of requests that were not signed well
    _runner: web.AppRunner | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    host: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        app.router.add_post("/events", self._events)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        assert self.refused == [], "every request is signed"

    @property
    def hook_url(self) -> str:
        """Where the hook is."""
        return f"http://{self.host}/hook"

    @property
    def events_url(self) -> str:
        """Where webhooks go."""
        return f"http://{self.host}/events"

    @property
    def asked(self) -> list[Any]:
        """What the hook was asked, in order."""
        return [one.body for one in self.received if one.path == "/hook"]

    def events(self, kind: str) -> list[Any]:
        """Webhooks of type `kind`, in order, each once."""
        found = {one.id: one.body for one in self.received if one.path == "/events"}
        return [body for body in found.values() if body["type"] == kind]

    async def event(
        self,
        kind: str,
        wanted: Callable[[Any], bool] = lambda _: True,
        timeout_s: float = PATIENCE_S,
    ) -> Any:
        """The first webhook of type `kind` that is `wanted`, as soon as it is there."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := [one for one in self.events(kind) if wanted(one)]):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            kinds = [one.body["type"] for one in self.received if one.path == "/events"]
            raise AssertionError(f"no {kind} within {timeout_s} s; came in: {kinds}") from None
        return found[0]

    @property
    def bytes(self) -> bytes:
        """Every byte that reached it."""
        return b"\n".join(one.raw for one in self.received)

    async def _hook(self, request: web.Request) -> web.Response:
        asked = await self._take(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if asked is None:
            return web.Response(status=401)
        answer = self.answer(asked)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=self.status, text=text, content_type="application/json")

    async def _events(self, request: web.Request) -> web.Response:
        return web.Response(status=401 if await self._take(request) is None else 204)

    async def _take(self, request: web.Request) -> Any:
        body = await request.read()
        WATCH.hear("what the platform was sent", body)
        head = "\r\n".join(
            [str(request.rel_url), *(f"{k}: {v}" for k, v in request.headers.items())]
        )
        why = fault(dict(request.headers), body, self.secrets)
        if why is not None:
            self.refused.append(why)
            return None
        told = json.loads(body)
        raw = head.encode() + b"\r\n\r\n" + body
        self.received.append(Received(request.path, request.headers["webhook-id"], told, raw))
        self._changed.set()
        return told


def fault(headers: dict[str, str], body: bytes, secrets: list[str]) -> str | None:
    """What is wrong with a message by Standard Webhooks 1.0; None: nothing."""
    named = {name.lower(): value for name, value in headers.items()}
    missing = {"webhook-id", "webhook-timestamp", "webhook-signature"} - set(named)
    if missing:
        return f"no {sorted(missing)}"
    at = named["webhook-timestamp"]
    if not at.isdigit() or abs(time.time() - int(at)) > TOLERANCE_S:
        return "its time is not now"
    content = named["webhook-id"].encode() + b"." + at.encode() + b"." + body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        if f"v1,{right}" in named["webhook-signature"].split(" "):
            return None
    return "no signature fits"
