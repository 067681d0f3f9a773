"""Cross-origin use of /v1/app by web apps (WHATWG Fetch, CORS): only by origins that are named.

No cookie is ever asked for or set: a token in a header is all that counts, so no credentials mode.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

BELOW: Final = "/v1/app/"
_METHODS: Final = "GET, POST"
_REQUEST_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
_EXPOSED: Final = "X-Request-Id, Retry-After, Idempotency-Replayed"
_AN_HOUR: Final = "3600"


def allow(request: web.Request, response: web.StreamResponse, origins: tuple[str, ...]) -> None:
    """Tell the browser of a web app whose origin is among `origins` that it may read."""
    if not request.path.startswith(BELOW):
        return
    headers = response.headers
    headers["Vary"] = "Origin"
    origin = request.headers.get("Origin")
    if origin is None or not ("*" in origins or origin in origins):
        return
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = _EXPOSED
    # Readable across origins is what is meant here; the guard's default would say otherwise.
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = _METHODS
        headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = _AN_HOUR


async def preflight(_request: web.Request) -> web.Response:
    """The answer to OPTIONS: `allow` says the rest."""
    return web.Response(status=204)
