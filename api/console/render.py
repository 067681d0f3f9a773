"""Makes pages: templates filled, redirects, streams, problems. Escapes everything it puts in.

Templates are read from the tree's console/templates and compiled once. Whatever leaves here is not
kept by any cache, and brings a policy under which no inline script or style runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.console import look
from api.console.errors import ConsoleProblem, Told, told
from api.console.navigation import ENTRIES
from api.console.page import Guest, Handler, Visit
from api.console.table_cells import labelled
from api.console.texts import Texts, load
from api.errors import ApiError
from api.in_app import sse
from api.routing import Answer, Write
from api.streaming import Streaming
from masking.staff import Right
from storage import staff_sessions

__all__ = ["ConsoleProblem", "problem", "render", "see", "stream"]

SOURCES: Final = Path(__file__).parents[2] / "console"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
LOOK_S: Final = 5.0  # how often a stream looks whether its session still is
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        # With `no-referrer` a browser says `Origin: null` of our own forms.
        "Referrer-Policy": "same-origin",
    }
)
OVER: Final = sse.event("over", {})
LAST_S: Final = 2.0  # to take what is written last
_FOUND: Final = 303
Pour = Callable[[Write], Awaitable[None]]


@lru_cache(maxsize=4)
def texts_of(sources: Path = SOURCES) -> Mapping[str, Texts]:
    """The texts of each language. Raises TextsBroken."""
    return load(sources / "texts")


@lru_cache(maxsize=4)
def environment(sources: Path = SOURCES) -> Environment:
    """The templates."""
    made = Environment(
        loader=FileSystemLoader(sources / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals.update(Right=Right, entries=ENTRIES, proxy_text=look.proxy)
    made.filters["labelled"] = labelled
    return made


def render(visit: Visit | Guest, template: str, status: int = 200, **view: object) -> web.Response:
    """`template` for this visitor."""
    text = environment().get_template(template).render(_context(visit, view))
    return web.Response(
        status=status, text=text, content_type="text/html", charset="utf-8", headers=HEADERS
    )


def see(path: str) -> web.Response:
    """Go on there, by GET."""
    assert path.startswith("/console/"), "redirects stay in the console"
    return web.Response(status=_FOUND, headers={"Location": path, **HEADERS})


def led_on(handler: Handler) -> Handler:
    """`handler` for a script too, that would follow a redirect by itself and stay on its page."""

    async def serve(visit: Visit) -> web.StreamResponse:
        response = await handler(visit)
        if visit.partial and response.status == _FOUND:
            onward = {"HX-Redirect": response.headers["Location"]}
            return web.Response(status=204, headers={**onward, **HEADERS})
        return response

    return serve


def stream(visit: Visit, pour: Pour) -> Streaming:
    """The events that `pour` writes, until the visitor's session ends: of that, one says so.

    `pour` has its own deadlines for every piece, and sends something every 15 s.
    """

    async def watched(write: Write) -> None:
        pouring = asyncio.ensure_future(pour(write))
        visit.running.console.add(pouring)
        try:
            while True:
                done, _ = await asyncio.wait({pouring}, timeout=LOOK_S)
                if done:
                    await pouring
                    return
                if not await _still(visit):
                    pouring.cancel()  # it writes no more
                    await asyncio.wait({pouring}, timeout=LAST_S)
                    with suppress(ConnectionError, TimeoutError):
                        async with asyncio.timeout(LAST_S):
                            await write(OVER)
                    return
        finally:
            pouring.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await pouring
            visit.running.console.discard(pouring)

    return Streaming(
        Answer(200, content_type=sse.MEDIA_TYPE, headers=dict(HEADERS), stream=watched)
    )


def problem(
    visit: Visit | Guest, error: ConsoleProblem | ApiError, request_id: str
) -> web.Response:
    """`error` as a page, or as a fragment that htmx puts where notices are."""
    words: Told = told(error, visit.texts)
    template = "notice.html" if visit.partial else "problem.html"
    response = render(visit, template, words.status, told=words, request_id=request_id)
    if visit.partial:
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
    if isinstance(error, ApiError):
        response.headers.update(
            {n: v for n, v in error.headers.items() if n.lower() != "www-authenticate"}
        )
    return response


async def _still(visit: Visit) -> bool:
    """Whether the session of a visit is still there, and not over."""
    now = visit.services.clock()
    idle = timedelta(seconds=visit.services.settings.console_idle_s)
    theirs = await visit.services.db.look_up(
        lambda conn: staff_sessions.of_account(conn, visit.account.id)
    )
    return any(
        one.id == visit.session.id and one.expires_at > now and one.seen_at + idle > now
        for one in theirs
    )


def _context(visit: Visit | Guest, view: Mapping[str, object]) -> dict[str, object]:
    texts = visit.texts
    zone = visit.account.time_zone if isinstance(visit, Visit) else "UTC"
    context: dict[str, object] = {
        "visit": visit,
        "t": texts,
        "csrf": visit.csrf,
        "language": visit.language,
        "asset": visit.running.console.assets.url,
        "moment": lambda at: look.moment(at, zone, texts, visit.now),
        "in_full": lambda at: look.in_full(at, zone),
        "figure": lambda value, digits=0: look.figure(value, visit.language, digits),
        "duration_text": lambda ms, tenths=True: look.duration(ms, visit.language, tenths=tenths),
        "may": visit.may if isinstance(visit, Visit) else _nothing,
        "shown": [
            entry
            for entry in ENTRIES
            if isinstance(visit, Visit) and (entry.right is None or visit.may(entry.right))
        ],
        **view,
    }
    # The macros see what the template sees, in every template and fragment, without an import.
    context["ui"] = environment().get_template("ui.html").make_module(context)
    return context


def _nothing(_right: Right) -> bool:
    return False
