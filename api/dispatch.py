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
from api.language import accepted
from api.metrics import ApiMetrics
from api.routing import Answer, Commit, Effect, Once, Request, Route, Running, Work
from api.schemas.common import NoBody, NoQuery
from api.services import Services
from api.streaming import Streaming
from api.validation import parse_body, parse_query
from storage import audit
from storage.apps import AppCredential
from storage.audit import Actor, ActorKind, Entry
from storage.keys import ApiKey

ROUTE: Final = web.RequestKey("route", Route)
KEY_ID: Final = web.RequestKey("key_id", str)

_NO_BODY: Final = NoBody()
_NO_QUERY: Final = NoQuery()
_IDEMPOTENCY_KEY: Final = pattern(r"[!-~]{1,255}")

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]
Locate = Callable[[bytes], str]


def endpoint(route: Route, services: Services, running: Running) -> Endpoint:
    """`route` as aiohttp serves it."""
    parameters = {one.name: pattern(one.pattern) for one in route.parameters}
    missing = route.missing or NotFound
    parse = _parser(route)
    locate = _locator(route.location)

    async def serve(raw: web.Request) -> web.StreamResponse:
        raw[ROUTE] = route
        key, bearer, holder = None, "", None
        if route.app:
            holder = await running.tokens.identify(raw.headers.get("Authorization"))
            raw[KEY_ID] = holder.username
            running.rates.take(holder.username)
        elif route.roles is not None:
            key, bearer = await running.keyring.identify(raw.headers.get("Authorization"))
            raw[KEY_ID] = key.id
            if not route.may(key.role):
                await _remember(raw, route, services, key)
                raise Forbidden(_allowed(route))
        path = raw.match_info
        for name, allowed in parameters.items():
            if not allowed.fullmatch(path[name]):
                raise missing
        query = (
            parse_query(route.query, list(raw.query.items())) if raw.query_string else _query(route)
        )
        sent = await _sent(raw, route, services.settings.max_body_bytes)
        body = parse(sent)
        now = _whole_ms(services.clock())
        claim = _claim(raw, route, services, _asker(key, holder), body, now)
        request = Request(
            services=services,
            running=running,
            now=now,
            method=raw.method,
            path=path,
            query=query,
            body=body,
            key=key,
            bearer=bearer,
            commit=_commit(claim, services, running.metrics),
            once=_once(claim, services, running.metrics),
            holder=holder,
            language=accepted(raw.headers.get("Accept-Language")),
            last_event_id=raw.headers.get("Last-Event-ID"),
            range=raw.headers.get("Range"),
            if_range=raw.headers.get("If-Range"),
        )
        made = await route.handler(request)
        if made.stream is not None and raw.method != "HEAD":
            return Streaming(made)
        return _response(made, locate)

    return serve


async def _remember(raw: web.Request, route: Route, services: Services, key: ApiKey) -> None:
    """Keep in the audit log that the key's role may not do this, where that is worth keeping."""
    refusal = route.refusal
    if refusal is None:
        return
    allowed = next(one.pattern for one in route.parameters if one.name == "id")
    wanted = raw.match_info["id"]
    entry = Entry(
        at=_whole_ms(services.clock()),
        actor=Actor(ActorKind.KEY, key.id, key.name),
        action=refusal.action,
        object_kind=refusal.object_kind,
        object_id=wanted if pattern(allowed).fullmatch(wanted) else None,  # else anything
        refused=True,
        facts={"role": key.role.value},
    )
    await services.db.write(lambda conn: audit.append(conn, entry))


def _parser(route: Route) -> Callable[[bytes], BaseModel]:
    if not route.has_body:
        return lambda _: _NO_BODY
    return lambda sent: parse_body(route.body, sent)


def _query(route: Route) -> BaseModel:
    return _NO_QUERY if route.query is NoQuery else parse_query(route.query, ())


def _allowed(route: Route) -> str:
    roles = ", ".join(sorted({*(role.value for role in route.roles or ()), "admin"}))
    return f"Use a key of one of these roles: {roles}."


async def _sent(raw: web.Request, route: Route, at_most: int) -> bytes:
    if not route.has_body:
        return b""
    if route.body_optional and not raw.body_exists:
        return b"{}"
    return await _body(raw, at_most)


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


def _asker(key: ApiKey | None, holder: AppCredential | None) -> str | None:
    if holder is not None:
        return holder.username
    return None if key is None else key.id


def _claim(
    raw: web.Request,
    route: Route,
    services: Services,
    asker: str | None,
    body: BaseModel,
    now: datetime,
) -> idempotency.Claim | None:
    """What an Idempotency-Key claims; None: there is none. Raises ValidationFailed."""
    given = raw.headers.get("Idempotency-Key") if route.method == "POST" else None
    if given is None or asker is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        raise ValidationFailed(
            errors=[
                FieldError(
                    "Idempotency-Key", "use 1 to 255 visible ASCII characters, for example a UUID"
                )
            ]
        )
    hashed = idempotency.request_hash(services.vault, raw, body)
    return idempotency.Claim(asker, given, hashed, now)


def _commit(claim: idempotency.Claim | None, services: Services, metrics: ApiMetrics) -> Commit:
    if claim is None:
        return services.db.write

    async def commit(work: Work) -> Answer:
        made = await services.db.write(lambda conn: idempotency.once(conn, claim, work))
        if made.replayed:
            metrics.replays.add()
        return made

    return commit


def _once(claim: idempotency.Claim | None, services: Services, metrics: ApiMetrics) -> Once:
    if claim is None:
        return lambda effect: effect()

    async def once(effect: Effect) -> Answer:
        made = await idempotency.outside(services.db, claim, effect)
        if made.replayed:
            metrics.replays.add()
        return made

    return once


def _response(made: Answer, locate: Locate | None) -> web.Response:
    response = web.Response(status=made.status, body=made.body or None, headers=made.headers)
    if made.body or made.stream is not None:
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
