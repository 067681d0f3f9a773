"""The service about itself: alive, ready, metrics, description. Open to all: no secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from api import metrics
from api.health import check_all
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.service import Alive, CheckOut, Ready
from api.services import Services
from storage import apps, headroom
from storage.errors import StorageError
from storage.headroom import Gauge

_UNREADY: Final = 503


async def healthz(_: Request[NoBody, NoQuery]) -> Answer:
    """The event loop turns."""
    return answer(Alive(status="ok"))


async def readyz(request: Request[NoBody, NoQuery]) -> Answer:
    """Everything that a call needs is there."""
    found = await check_all(request.services)
    ok = all(health.ok for health in found.values())
    checks = {name: CheckOut(ok=health.ok, detail=health.detail) for name, health in found.items()}
    return answer(
        Ready(status="ready" if ok else "unready", checks=checks), 200 if ok else _UNREADY
    )


async def metrics_text(request: Request[NoBody, NoQuery]) -> Answer:
    """Counters and gauges."""
    found = await check_all(request.services)
    checks = {name: (health.ok, health.gauges) for name, health in found.items()}
    lines = [*request.running.metrics.lines(), *metrics.health_lines(checks)]
    lines += metrics.pool_lines(await _pools(request.services))
    lines += metrics.app_lines(len(request.running.streams), await _credentials(request))
    lines.append("")
    return Answer(200, "\n".join(lines).encode(), content_type=metrics.MEDIA_TYPE)


async def _credentials(request: Request[NoBody, NoQuery]) -> int | None:
    services, now = request.services, request.now
    try:
        async with asyncio.timeout(services.settings.probe_timeout_s):
            return await services.db.read(lambda conn: apps.live_count(conn, now))
    except (TimeoutError, StorageError):
        return None


async def _pools(services: Services) -> Sequence[Gauge]:
    """What metrics say of pools; nothing while the database does not answer in time."""
    try:
        async with asyncio.timeout(services.settings.probe_timeout_s):
            return await services.db.read(headroom.gauges)
    except (TimeoutError, StorageError):
        return ()


async def openapi(request: Request[NoBody, NoQuery]) -> Answer:
    """The OpenAPI document."""
    return Answer(200, request.running.pages.openapi, headers={"Cache-Control": "max-age=300"})


async def docs(request: Request[NoBody, NoQuery]) -> Answer:
    """The reference, as a page that loads nothing."""
    pages = request.running.pages
    headers = {"Content-Security-Policy": pages.reference_csp, "Cache-Control": "max-age=300"}
    return Answer(200, pages.reference, "text/html; charset=utf-8", headers)


ROUTES: Final = (
    Route(
        "healthz",
        "GET",
        "/healthz",
        "Is the process alive?",
        Tag.SERVICE,
        healthz,
        roles=None,
        answers=Alive,
    ),
    Route(
        "readyz",
        "GET",
        "/readyz",
        "Can calls be made?",
        Tag.SERVICE,
        readyz,
        roles=None,
        answers=Ready,
        unready=True,
    ),
    Route(
        "metrics",
        "GET",
        "/metrics",
        "Metrics for Prometheus",
        Tag.SERVICE,
        metrics_text,
        roles=None,
        answers="text/plain",
    ),
    Route(
        "openapi",
        "GET",
        "/openapi.json",
        "This description",
        Tag.SERVICE,
        openapi,
        roles=None,
        answers="application/json",
    ),
    Route(
        "docs",
        "GET",
        "/docs",
        "This description as a page",
        Tag.SERVICE,
        docs,
        roles=None,
        answers="text/html",
    ),
)
