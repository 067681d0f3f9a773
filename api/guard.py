"""The outermost ring of every request: deadline, problems, security headers, access log, metrics.

Nothing leaves without it. It logs route templates and ids of ours, never a path, a query string or
a body: any of them may hold a phone.
"""

from __future__ import annotations

import asyncio
import logging
from binascii import hexlify
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from api.console.page import PRESENTER, REQUEST_ID, WAY
from api.dispatch import KEY_ID, ROUTE
from api.in_app import cors
from api.judging import judge
from api.metrics import ApiMetrics
from api.problems import problem_response
from api.services import Services

_access = logging.getLogger("maskline.api.access")

HEADERS: Final = (
    ("Server", "maskline"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_STRICT_CSP: Final = "default-src 'none'; frame-ancestors 'none'"

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guard(services: Services, metrics: ApiMetrics) -> Middleware:
    """The ring as aiohttp's middleware."""
    timeout_s, origins = services.settings.request_timeout_s, services.settings.app_origins

    @web.middleware
    async def ring(request: web.Request, handler: Serve) -> web.StreamResponse:
        begun = perf_counter()
        request_id = request[REQUEST_ID] = new_request_id(services)
        metrics.in_flight += 1
        try:
            async with asyncio.timeout(timeout_s):
                response = await handler(request)
        except Exception as error:  # noqa: BLE001 (every error becomes a problem document)
            known, page = judge(error, request_id, metrics), request.get(PRESENTER)
            show = problem_response if page is None else page.show
            response = show(known, request_id)
        finally:
            metrics.in_flight -= 1
        finish(response, request_id)
        cors.allow(request, response, origins)
        _record(request, response, request_id, perf_counter() - begun, metrics)
        return response

    return ring


def new_request_id(services: Services) -> str:
    """``req_`` and 16 hexadecimal digits."""
    return "req_" + hexlify(services.entropy(8)).decode("ascii")


def finish(response: web.StreamResponse, request_id: str) -> None:
    """Give `response` what every answer carries."""
    headers = response.headers
    for name, value in HEADERS:
        headers.setdefault(name, value)
    headers["X-Request-Id"] = request_id
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", _STRICT_CSP)


def _record(
    request: web.Request,
    response: web.StreamResponse,
    request_id: str,
    took_s: float,
    metrics: ApiMetrics,
) -> None:
    route = request.get(ROUTE) or request.get(WAY)
    path = route.path if route is not None else "(no route)"
    method = route.method if route is not None else "-"
    metrics.requests.add(method, path, str(response.status))
    metrics.latency.observe(took_s, method, path)
    if _access.isEnabledFor(logging.INFO):
        _access.info(
            "%s %s %s %d %.1fms key=%s",
            request_id,
            method,
            path,
            response.status,
            took_s * 1000,
            request.get(KEY_ID, "-"),
        )
