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

from api.dispatch import KEY_ID, ROUTE
from api.errors import ApiError
from api.metrics import ApiMetrics
from api.problems import api_error, problem_response
from api.services import Services

_log = logging.getLogger("maskline.api")
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
    timeout_s = services.settings.request_timeout_s

    @web.middleware
    async def ring(request: web.Request, handler: Serve) -> web.StreamResponse:
        begun = perf_counter()
        request_id = new_request_id(services)
        metrics.in_flight += 1
        try:
            async with asyncio.timeout(timeout_s):
                response = await handler(request)
        except Exception as error:  # noqa: BLE001 (every error becomes a problem document)
            response = _problem(error, request_id, metrics)
        finally:
            metrics.in_flight -= 1
        finish(response, request_id)
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
        headers[name] = value
    headers["X-Request-Id"] = request_id
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", _STRICT_CSP)


def _problem(error: Exception, request_id: str, metrics: ApiMetrics) -> web.Response:
    known = api_error(error)
    if known is None:
        # Neither text nor traceback of a foreign error: both may quote what was sent.
        _log.error("request %s failed: %s at %s", request_id, type(error).__name__, where(error))
        known = ApiError()
    elif known.status >= 500:
        _log.warning(
            "request %s refused: %s (%s)", request_id, known.error_id, type(error).__name__
        )
    metrics.refusals.add(known.error_id)
    return problem_response(known, request_id)


def where(error: BaseException) -> str:
    """The places an error passed through, innermost last, without any of its values."""
    places = []
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}")
        frame = frame.tb_next
    return " ".join(places[-12:])


def _record(
    request: web.Request,
    response: web.StreamResponse,
    request_id: str,
    took_s: float,
    metrics: ApiMetrics,
) -> None:
    route = request.get(ROUTE)
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
