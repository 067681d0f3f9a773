"""Trunks over HTTP. A change is stored, then the node is given a few seconds to take it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import Connection

from api import errors
from api.errors import FieldError
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.schemas.patterns import NAME
from api.schemas.trunks import (
    AuthOut,
    DigestAuth,
    IpAuth,
    TrunkBody,
    TrunkIn,
    TrunkOut,
    TrunkPage,
    TrunkPatch,
)
from api.services import Services
from masking.trunks import AuthType, Trunk, TrunkAuth, check, check_door
from storage import trunks
from storage.errors import StorageError
from storage.keys import KeyRole

_log = logging.getLogger("maskline.api")

APPLIED: Final = "Maskline-Applied"


async def create_trunk(request: Request[TrunkIn, NoQuery]) -> Answer:
    """Add a trunk."""
    services, now = request.services, request.now
    trunk = trunk_from(request.body.name, request.body)
    may_be(services, trunk)

    def work(conn: Connection) -> Answer:
        trunks.add(conn, services.vault, trunk, now)
        return answer(trunk_out(trunk), 201)

    return await _applied(services, await request.commit(work))


async def replace_trunk(request: Request[TrunkBody, NoQuery]) -> Answer:
    """Give it other settings, whole."""
    services, now = request.services, request.now
    trunk = trunk_from(request.path["name"], request.body)
    may_be(services, trunk)

    def work(conn: Connection) -> Answer:
        trunks.replace(conn, services.vault, trunk, now)
        return answer(trunk_out(trunk))

    return await _applied(services, await request.commit(work))


async def change_trunk(request: Request[TrunkPatch, NoQuery]) -> Answer:
    """Give it some other settings."""
    services, name, now = request.services, request.path["name"], request.now
    changes = _changes(request.body)

    def work(conn: Connection) -> Answer:
        present = trunks.get(conn, services.vault, name)
        if present is None:
            raise errors.TrunkNotFound
        trunk = replace(present, **changes)
        may_be(services, trunk, present)
        trunks.replace(conn, services.vault, trunk, now)
        return answer(trunk_out(trunk))

    return await _applied(services, await request.commit(work))


async def delete_trunk(request: Request[NoBody, NoQuery]) -> Answer:
    """Remove it."""
    services, name = request.services, request.path["name"]

    def work(conn: Connection) -> Answer:
        trunks.remove(conn, name)
        return NOTHING

    return await _applied(services, await request.commit(work))


async def get_trunk(request: Request[NoBody, NoQuery]) -> Answer:
    """One trunk."""
    services, name = request.services, request.path["name"]
    found = await services.db.read(lambda conn: trunks.get(conn, services.vault, name))
    if found is None:
        raise errors.TrunkNotFound
    return answer(trunk_out(found))


async def list_trunks(request: Request[NoBody, PageQuery]) -> Answer:
    """Trunks by name. They are few: the cursor is the name of the last one shown."""
    services, query = request.services, request.query
    found = sorted(
        await services.db.read(lambda conn: trunks.all(conn, services.vault)),
        key=lambda trunk: trunk.name,
    )
    rest = [trunk for trunk in found if query.cursor is None or trunk.name > query.cursor]
    shown = rest[: query.limit]
    more = shown[-1].name if len(rest) > len(shown) else None
    return answer(TrunkPage(items=[trunk_out(trunk) for trunk in shown], next_cursor=more))


async def _applied(services: Services, made: Answer) -> Answer:
    taken = "now" if await tell_node(services) else "later"
    return replace(made, headers={**made.headers, APPLIED: taken})


def may_be(services: Services, trunk: Trunk, present: Trunk | None = None) -> None:
    """Raise InvalidTrunk for one that cannot be, or not on these nodes.

    `present` had its place already: where calls come in from is looked at when it changes.
    """
    check(trunk)
    before = None if present is None else (present.transport, present.inbound, present.auth)
    if (trunk.transport, trunk.inbound, trunk.auth) == before:
        return
    if services.transports().tls is None:
        check_door(trunk)


async def tell_node(services: Services) -> bool:
    """Tell the node; whether it took the change.

    A node that is away takes what is stored when it comes back.
    """
    try:
        async with asyncio.timeout(services.settings.trunks_timeout_s):
            await services.trunks_changed()
    except (TimeoutError, OSError, StorageError) as error:
        _log.warning("the node has not taken the trunks yet: %s", type(error).__name__)
        return False
    return True


def trunk_out(trunk: Trunk) -> TrunkOut:
    """The trunk as it goes out: never with its password."""
    settings = {
        one.name: getattr(trunk, one.name)
        for one in fields(trunk)
        if one.name not in {"auth", "codecs"}
    }
    auth = AuthOut(
        type=trunk.auth.type, username=trunk.auth.username, register_=trunk.auth.register
    )
    return TrunkOut(**settings, auth=auth, codecs=list(trunk.codecs))


def trunk_from(name: str, sent: TrunkBody) -> Trunk:
    """The trunk that was sent."""
    return Trunk(name=name, **settings_of(sent, TrunkBody.model_fields))


def _changes(sent: TrunkPatch) -> dict[str, Any]:
    nulls = [name for name in sent.model_fields_set if getattr(sent, name) is None]
    if nulls:
        raise errors.ValidationFailed(
            errors=[FieldError(name, "leave it out to keep it as it is") for name in nulls]
        )
    return settings_of(sent, sent.model_fields_set)


def settings_of(sent: BaseModel, names: Iterable[str]) -> dict[str, Any]:
    """Those of the settings that were sent, as a `Trunk` has them."""
    settings: dict[str, Any] = {name: getattr(sent, name) for name in names if name != "name"}
    if "codecs" in settings:
        settings["codecs"] = tuple(settings["codecs"])
    match settings.get("auth"):
        case DigestAuth() as auth:
            settings["auth"] = TrunkAuth(
                AuthType.DIGEST, auth.username, auth.password, auth.register_
            )
        case IpAuth():
            settings["auth"] = TrunkAuth()
        case _:  # not among the changes
            pass
    return settings


TRUNK_NAME: Final = PathParameter("name", NAME, "The trunk's name", "carrier-a")
_OPERATOR: Final = frozenset({KeyRole.OPERATOR})
_APPLIED: Final = (
    "The header `Maskline-Applied` says `now` if the node has taken the change, `later` if it will "
    "when it is back. Calls that are up are not touched."
)

ROUTES: Final = (
    Route(
        "create_trunk",
        "POST",
        "/v1/trunks",
        "Add a trunk",
        Tag.TRUNKS,
        create_trunk,
        roles=_OPERATOR,
        body=TrunkIn,
        answers=TrunkOut,
        status=201,
        errors=(errors.TrunkExists,),
        location="/v1/trunks/{name}",
        description=_APPLIED,
    ),
    Route(
        "list_trunks",
        "GET",
        "/v1/trunks",
        "List trunks",
        Tag.TRUNKS,
        list_trunks,
        roles=_OPERATOR,
        query=PageQuery,
        answers=TrunkPage,
    ),
    Route(
        "get_trunk",
        "GET",
        "/v1/trunks/{name}",
        "Look at a trunk",
        Tag.TRUNKS,
        get_trunk,
        roles=_OPERATOR,
        answers=TrunkOut,
        parameters=(TRUNK_NAME,),
        missing=errors.TrunkNotFound,
    ),
    Route(
        "replace_trunk",
        "PUT",
        "/v1/trunks/{name}",
        "Replace a trunk's settings",
        Tag.TRUNKS,
        replace_trunk,
        roles=_OPERATOR,
        body=TrunkBody,
        answers=TrunkOut,
        parameters=(TRUNK_NAME,),
        missing=errors.TrunkNotFound,
        description=_APPLIED,
    ),
    Route(
        "change_trunk",
        "PATCH",
        "/v1/trunks/{name}",
        "Change some of a trunk's settings",
        Tag.TRUNKS,
        change_trunk,
        roles=_OPERATOR,
        body=TrunkPatch,
        answers=TrunkOut,
        parameters=(TRUNK_NAME,),
        missing=errors.TrunkNotFound,
        description=_APPLIED,
    ),
    Route(
        "delete_trunk",
        "DELETE",
        "/v1/trunks/{name}",
        "Remove a trunk",
        Tag.TRUNKS,
        delete_trunk,
        roles=_OPERATOR,
        answers=None,
        status=204,
        parameters=(TRUNK_NAME,),
        missing=errors.TrunkNotFound,
        errors=(errors.TrunkInUse,),
        description=_APPLIED,
    ),
)
