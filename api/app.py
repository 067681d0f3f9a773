"""Puts the API together: the route table, the guard around it, and what it keeps while it runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from aiohttp import web
from pydantic_core import to_json

from api import openapi, reference
from api.auth import Keyring
from api.dispatch import endpoint
from api.entropy import Reservoir
from api.errors import ExpectationFailed
from api.guard import guard
from api.metrics import ApiMetrics
from api.routing import Pages, Running
from api.server import Runner
from api.services import Services
from api.table import ROUTES


def create_app(services: Services) -> web.Application:
    """The API over `services`, to be run by `create_runner`."""
    services = replace(services, entropy=Reservoir(services.entropy))
    metrics = ApiMetrics()
    running = Running(
        pages=_pages(),
        keyring=Keyring(services.db, services.clock, services.settings.key_cache_ttl_s),
        metrics=metrics,
        rotation=count(int.from_bytes(services.entropy(4), "big")),
    )
    app = web.Application(middlewares=[guard(services, metrics)])
    for route in ROUTES:
        handler = endpoint(route, services, running)
        # RFC 9110, 9.1: a server answers GET and HEAD. The body is left out by aiohttp.
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, route.path, handler, expect_handler=_expect)
    return app


def create_runner(services: Services) -> web.AppRunner:
    """The application with a server that keeps our manners even for what is not HTTP."""
    return Runner(create_app(services), services)


async def _expect(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise ExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _pages() -> Pages:
    described = openapi.document()
    html = reference.page(described)
    return Pages(to_json(described), html.encode(), reference.content_security_policy())
