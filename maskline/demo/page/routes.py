"""What is served below /demo: the page itself, what it asks for, and Maskline's own calls to us.

The page's requests must come from the page (same origin, and a host that no foreign name can be
made to mean); pushes and webhooks must be signed. Never hands out a key of the API.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from api.routing import Answer, Write
from api.streaming import Streaming
from masking.model import Language, Role
from maskline.demo.page.feed import Feed
from maskline.demo.page.signature import is_signed

PREFIX: Final = "/demo"
_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".map": "application/json",
    ".txt": "text/plain",
}
_MOST_BYTES: Final = 64 * 1024

Json = Mapping[str, Any]
Ask = Callable[[Json], Awaitable[Json]]


class Desk(Protocol):
    """Who answers the page."""

    feed: Feed

    async def show(self, asked: Json) -> Json:
        """Everything the page begins with."""
        ...

    async def again(self, asked: Json) -> Json:
        """The same, after a new conversation was begun."""
        ...

    async def credentials(self, asked: Json) -> Json:
        """Of the app of `asked["role"]`."""
        ...

    async def switch(self, asked: Json) -> Json:
        """Flips switches."""
        ...

    async def records(self, asked: Json) -> Json:
        """History and call log."""
        ...

    async def seen(self, asked: Json) -> Json:
        """The call log was looked at."""
        ...

    async def relay(self, asked: Json) -> Json:
        """A relay of the buyer's network."""
        ...

    def policy(self, host: str) -> str:
        """The page's Content-Security-Policy, for a browser that calls us `host`."""
        ...

    def voice(self, language: Language, role: Role, number: int) -> Path | None:
        """A line that is spoken."""
        ...

    def secret(self, door: str) -> str:
        """What signs requests to `door`, events or push."""
        ...

    def pushed(self, body: Json) -> bool:
        """Wake the seller's app; False: it cannot be reached."""
        ...

    def heard(self, body: Json) -> None:
        """A webhook's event."""
        ...


def application(desk: Desk, assets: Callable[[], Path | None]) -> web.Application:
    """The application to be mounted at /demo; `assets` is where the built page is."""
    app = web.Application(client_max_size=_MOST_BYTES, middlewares=[_plainly])
    doors = _Doors(desk, assets)
    app.router.add_get("", doors.page)
    app.router.add_get("/feed", doors.feed)
    asks: Mapping[str, Ask] = {
        "show": desk.show,
        "again": desk.again,
        "credentials": desk.credentials,
        "switch": desk.switch,
        "records": desk.records,
        "seen": desk.seen,
        "relay": desk.relay,
    }
    for name, ask in asks.items():
        app.router.add_post(f"/ask/{name}", _asked(ask))
    app.router.add_post("/hooks/{door:(push|events)}", doors.hook)
    app.router.add_get(r"/voices/{lang:(ru|en)}/{role:(buyer|seller)}/{n:[0-2]}", doors.voice)
    app.router.add_get(r"/{name:[A-Za-z0-9][A-Za-z0-9._-]{0,80}}", doors.asset)
    return app


@web.middleware
async def _plainly(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A refusal is its status and nothing else."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return web.Response(status=refusal.status)


class _Doors:
    """The handlers that are not plain questions."""

    def __init__(self, desk: Desk, assets: Callable[[], Path | None]) -> None:
        self._desk = desk
        self._assets = assets

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page, which runs nothing but its own files."""
        folder = self._assets()
        if folder is None:
            return web.Response(status=503, text="The demo page is not built: run make setup.\n")
        headers = {
            "Content-Security-Policy": self._desk.policy(request.url.host or ""),
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        }
        text = (folder / "index.html").read_text("utf-8")
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file beside it."""
        folder = self._assets()
        path = (folder / request.match_info["name"]) if folder is not None else None
        if path is None or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(
            body=path.read_bytes(),
            content_type=_TYPES[path.suffix],
            charset="utf-8",
            headers={"Cache-Control": "no-cache"},
        )

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """What happens, as it happens."""
        _must_be_here(request)
        desk = self._desk

        async def pour(write: Write) -> None:
            reader = desk.feed.open()
            try:
                async for event in reader.events():
                    await write(event)
            finally:
                desk.feed.leave(reader)

        return Streaming(Answer(200, content_type="text/event-stream", stream=pour))

    async def hook(self, request: web.Request) -> web.StreamResponse:
        """Maskline asks to wake an app, or tells of an event."""
        door = request.match_info["door"]
        raw = await request.read()
        if not is_signed(self._desk.secret(door), request.headers, raw, time.time()):
            return web.Response(status=401)
        body = json.loads(raw)
        if door == "push":
            return web.Response(status=204 if self._desk.pushed(body) else 410)
        self._desk.heard(body)
        return web.Response(status=204)

    async def voice(self, request: web.Request) -> web.StreamResponse:
        """A line, spoken."""
        where = request.match_info
        path = self._desk.voice(Language(where["lang"]), Role(where["role"]), int(where["n"]))
        if path is None:
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes(), content_type="audio/wav")


def _asked(ask: Ask) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        _must_be_here(request)
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            asked = await request.json()
            answered = await ask(asked if isinstance(asked, dict) else {})
        except (ValueError, KeyError):
            raise web.HTTPBadRequest from None
        return web.json_response(answered)

    return handle


def _must_be_here(request: web.Request) -> None:
    """Only the page itself, under an address or localhost: a foreign name may be made to mean us.

    Raises HTTPForbidden.
    """
    host = request.url.host or ""
    origin = request.headers.get("Origin")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if host != "localhost":
            raise web.HTTPForbidden from None
    if origin not in (None, f"{request.scheme}://{request.host}"):
        raise web.HTTPForbidden
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise web.HTTPForbidden
