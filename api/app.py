"""Puts the API together: the route table, the guard around it, and what it keeps while it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from itertools import count
from re import escape
from types import MappingProxyType

from aiohttp import web
from pydantic_core import to_json

from api import openapi, reference, static
from api.auth import Keyring
from api.calls_up import CallsUp
from api.console import app as console
from api.console.assets import Assets
from api.console.audit_check import AuditCheck
from api.console.board_watch import Watch
from api.console.export_jobs import ExportJobs
from api.console.render import texts_of
from api.console.running import Console
from api.dispatch import endpoint
from api.entropy import Reservoir
from api.errors import ExpectationFailed
from api.exports import Exports
from api.guard import guard
from api.in_app import cors
from api.in_app.limits import Rates
from api.in_app.log import Log
from api.in_app.streams import Bounds, Streams
from api.in_app.tokens import Tokens
from api.live_streams import LiveStreams
from api.metrics import ApiMetrics
from api.routing import Pages, Running
from api.server import Runner
from api.services import Services
from api.table import ROUTES

Guests = Mapping[str, web.Application]
"""Applications of others by the path below which they are served."""

_NO_GUESTS: Guests = MappingProxyType({})


def create_app(services: Services, guests: Guests = _NO_GUESTS) -> web.Application:
    """The API over `services`, to be run by `create_runner`; `guests` behind the same guard."""
    services = replace(services, entropy=Reservoir(services.entropy))
    metrics = ApiMetrics()
    settings = services.settings
    bounds = Bounds(settings.streams_of_device, settings.streams, settings.keep_alive_s)
    log = Log(services.db, services.clock, settings.sip_host)
    jobs = ExportJobs(services.db, services.clock, services.entropy, services.exports)
    calls_up = CallsUp(services)
    running = Running(
        pages=_pages(),
        keyring=Keyring(services.db, services.clock, settings.key_cache_ttl_s),
        metrics=metrics,
        rotation=count(int.from_bytes(services.entropy(4), "big")),
        tokens=Tokens(services.db, services.clock),
        rates=Rates(settings.app_rate, settings.app_burst),
        streams=Streams(services.db, services.bus, services.clock, log.events, bounds),
        live=LiveStreams(services, log),
        calls_up=calls_up,
        exports=Exports(),
        console=Console(
            Assets(services.console),
            Watch(services, texts_of(), calls_up),
            jobs,
            AuditCheck(services.db, services.clock),
        ),
    )
    app = web.Application(middlewares=[guard(services, metrics)])
    paths = _spelt({route.path for route in ROUTES})
    for route in ROUTES:
        handler = endpoint(route, services, running)
        # RFC 9110, 9.1: a server answers GET and HEAD. The body is left out by aiohttp.
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, paths[route.path], handler, expect_handler=_expect)
    for path in dict.fromkeys(route.path for route in ROUTES if route.app):
        app.router.add_route("OPTIONS", path, cors.preflight)

    if services.web is not None:
        static.add(app, services.web)
    console.add(app, services, running)

    async def begin(_: web.Application) -> None:
        running.console.board.begin()
        await running.console.jobs.start()

    async def end_streams(_: web.Application) -> None:
        running.exports.close()
        running.console.close()
        await running.console.board.close()
        await running.console.audit_check.close()
        await running.console.jobs.close()
        await running.streams.close()
        await running.live.close()

    app.on_startup.append(begin)
    app.on_shutdown.append(end_streams)
    for prefix, guest in guests.items():
        app.add_subapp(prefix, guest)
    return app


def _spelt(paths: Collection[str]) -> dict[str, str]:
    """Each path as the router is told: a name that is a path of its own fills no parameter.

    Else `/v1/calls/search` would be the call `search` as well, and allow what a call allows.
    """
    found = {}
    for path in paths:
        folder, _, last = path.rpartition("/")
        beside = [one.rpartition("/") for one in paths]
        names = sorted(name for over, _, name in beside if over == folder and name[:1] != "{")
        if last.startswith("{") and names:
            found[path] = f"{folder}/{last[:-1]}:(?!(?:{'|'.join(map(escape, names))})$)[^/]+}}"
        else:
            found[path] = path
    return found


def create_runner(services: Services, guests: Guests = _NO_GUESTS) -> web.AppRunner:
    """The application with a server that keeps our manners even for what is not HTTP."""
    return Runner(create_app(services, guests), services)


async def _expect(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise ExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@cache
def _pages() -> Pages:
    described = openapi.document()
    html = reference.page(described)
    return Pages(to_json(described), html.encode(), reference.content_security_policy())
