"""Carries one request through one route: who asks, may they, what was sent, what is answered.

The order is fixed: key, role, media type, size, JSON, fields; only then does the handler see it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from re import compile as pattern
from string import Formatter
from typing import Final
from urllib.parse import quote

from aiohttp import StreamReader, web
from pydantic import BaseModel
from pydantic_core import from_json

from api import idempotency
from api.errors import (
    BodyTooLarge,
    FieldError,
    Forbidden,
    NotFound,
    UnsupportedMediaType,
    ValidationFailed,
)
from api.metrics import ApiMetrics
from api.routing import Answer, Commit, Request, Route, Running, Work
from api.schemas.common import NoBody, NoQuery
from api.services import Services
from api.validation import parse_body, parse_query
from storage.keys import ApiKey

ROUTE: Final = web.RequestKey("route", Route)
KEY_ID: Final = web.RequestKey("key_id", str)

_NO_BODY: Final = NoBody()
_NO_QUERY: Final = NoQuery()
_IDEMPOTENCY_KEY: Final = pattern(r"[!-~]{1,255}")

Endpoint = Callable[[web.Request], Awaitable[web.Response]]
Locate = Callable[[bytes], str]


def endpoint(route: Route, services: Services, running: Running) -> Endpoint:
    """`route` as aiohttp serves it."""
    parameters = {one.name: pattern(one.pattern) for one in route.parameters}
    missing = route.missing or NotFound
    parse = _parser(route)
    locate = _locator(route.location)

    async def serve(raw: web.Request) -> web.Response:
        raw[ROUTE] = route
        key, bearer = None, ""
        if route.roles is not None:
            key, bearer = await running.keyring.identify(raw.headers.get("Authorization"))
            raw[KEY_ID] = key.id
            if not route.may(key.role):
                raise Forbidden(_allowed(route))
        path = raw.match_info
        for name, allowed in parameters.items():
            if not allowed.fullmatch(path[name]):
                raise missing
        query = (
            parse_query(route.query, list(raw.query.items())) if raw.query_string else _query(route)
        )
        sent = await _body(raw, services.settings.max_body_bytes) if route.has_body else b""
        body = parse(sent)
        now = _whole_ms(services.clock())
        request = Request(
            services=services,
            running=running,
            now=now,
            path=path,
            query=query,
            body=body,
            key=key,
            bearer=bearer,
            commit=_commit(raw, route, services, running.metrics, key, body, now),
        )
        return _response(await route.handler(request), locate)

    return serve


def _parser(route: Route) -> Callable[[bytes], BaseModel]:
    if not route.has_body:
        return lambda _: _NO_BODY
    return lambda sent: parse_body(route.body, sent)


def _query(route: Route) -> BaseModel:
    return _NO_QUERY if route.query is NoQuery else parse_query(route.query, ())


def _allowed(route: Route) -> str:
    roles = ", ".join(sorted({*(role.value for role in route.roles or ()), "admin"}))
    return f"Use a key of one of these roles: {roles}."


async def _body(raw: web.Request, at_most: int) -> bytes:
    """The body. Raises UnsupportedMediaType, or BodyTooLarge before more than `at_most` is kept."""
    if raw.content_type != "application/json" or (raw.charset or "utf-8").lower() not in {
        "utf-8",
        "utf8",
    }:
        raise UnsupportedMediaType
    if raw.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType(
            "Send the body uncompressed: leave out the header `Content-Encoding`."
        )
    if (raw.content_length or 0) > at_most:
        raise BodyTooLarge(_size(at_most))
    if raw.content.is_eof() and raw.content_length:
        return await raw.read()
    return await _read(raw.content, at_most)


async def _read(stream: StreamReader, at_most: int) -> bytes:
    sent = bytearray()
    while chunk := await stream.readany():
        sent += chunk
        if len(sent) > at_most:
            raise BodyTooLarge(_size(at_most))
    return bytes(sent)


def _size(at_most: int) -> str:
    return f"Send at most {at_most} bytes; split a long list over several requests."


def _commit(
    raw: web.Request,
    route: Route,
    services: Services,
    metrics: ApiMetrics,
    key: ApiKey | None,
    body: BaseModel,
    now: datetime,
) -> Commit:
    given = raw.headers.get("Idempotency-Key") if route.method == "POST" else None
    if given is None or key is None:
        return services.db.write
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        raise ValidationFailed(
            errors=[
                FieldError(
                    "Idempotency-Key", "use 1 to 255 visible ASCII characters, for example a UUID"
                )
            ]
        )
    claim = idempotency.Claim(
        key.id, given, idempotency.request_hash(services.vault, raw, body), now
    )

    async def commit(work: Work) -> Answer:
        made = await services.db.write(lambda conn: idempotency.once(conn, claim, work))
        if made.replayed:
            metrics.replays.add()
        return made

    return commit


def _response(made: Answer, locate: Locate | None) -> web.Response:
    response = web.Response(status=made.status, body=made.body or None, headers=made.headers)
    if made.body:
        response.headers["Content-Type"] = made.content_type
    if locate is not None and made.status == 201:
        response.headers["Location"] = locate(made.body)
    return response


def _locator(template: str) -> Locate | None:
    """Makes the `Location` of what was made from the answer that describes it."""
    if not template:
        return None
    names = [name for _, name, _, _ in Formatter().parse(template) if name]

    def locate(body: bytes) -> str:
        fields = from_json(body)
        return template.format(**{name: quote(str(fields[name]), safe="") for name in names})

    return locate


def _whole_ms(at: datetime) -> datetime:
    """Cut to what is stored, so that an answer equals what is read later."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
