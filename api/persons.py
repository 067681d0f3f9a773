"""A person's data over HTTP: everything given out, or everything erased.

What is exported never holds the other side's number or id; an erasure goes on in the background,
whatever becomes of the request that began it.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b32encode
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

from api import errors
from api.routing import Answer, PathParameter, Pour, Request, Route, Tag, Write, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.patterns import IDENTIFIER
from api.schemas.persons import ErasureList, ErasureOut, ExportIn, FoundOut, PersonIn
from cdr import erasure as carrying_out
from cdr import portrait
from masking.model import Phone
from storage import audit, erasing, erasures, people
from storage.audit import Action, Actor, ActorKind, Entry
from storage.erasures import Erasure, State
from storage.keys import KeyRole
from storage.people import Person

_AT_ONCE_S: Final = 3.0  # of an erasure, within the request; the rest goes on without it
_PART_S: Final = 20.0  # for a reader to take a part of an export


async def export_user(request: Request[NoBody, NoQuery]) -> Answer:
    """Everything kept of a user."""
    vault, wanted = request.services.vault, request.path["id"]
    person = await request.services.db.read(lambda conn: people.of_user(conn, vault, wanted))
    return await _export(request, person, with_phones=False)


async def export_person(request: Request[ExportIn, NoQuery]) -> Answer:
    """The same, also by phone."""
    person = await _person(request)
    return await _export(request, person, with_phones=request.body.with_phones)


async def look_for_person(request: Request[PersonIn, NoQuery]) -> Answer:
    """What there is; nothing is changed."""
    person, now = await _person(request), request.now
    found = await request.services.db.read(lambda conn: carrying_out.dry_run(conn, person, now))
    ours = people.of_platform(person)
    known = len(ours) < len(person.user_ids)
    return answer(FoundOut(user_ids=list(ours), known_caller=known, found=found))


async def erase_user(request: Request[NoBody, NoQuery]) -> Answer:
    """Erase a user."""
    vault, wanted = request.services.vault, request.path["id"]
    person = await request.services.db.read(lambda conn: people.of_user(conn, vault, wanted))
    return await _erase(request, person)


async def erase_person(request: Request[PersonIn, NoQuery]) -> Answer:
    """The same, also by phone."""
    person = await _person(request)
    if len(people.of_platform(person)) > 1:
        raise errors.SeveralPeople
    return await _erase(request, person)


async def get_erasure(request: Request[NoBody, NoQuery]) -> Answer:
    """A receipt."""
    wanted = request.path["id"]
    found = await request.services.db.read(lambda conn: erasures.get(conn, wanted))
    if found is None:
        raise errors.ErasureNotFound
    return answer(_out(found))


async def list_erasures(request: Request[NoBody, NoQuery]) -> Answer:
    """The receipts of a user."""
    vault, wanted = request.services.vault, request.path["id"]
    found = await request.services.db.read(lambda conn: erasures.of_user(conn, vault, wanted))
    ref = vault.person_ref(wanted)
    return answer(ErasureList(items=[_out(one, ref) for one in found]))


async def _person(request: Request[Any, NoQuery]) -> Person:
    vault, sent = request.services.vault, request.body

    def work(conn: Connection) -> Person:
        if sent.user_id:
            return people.of_user(conn, vault, sent.user_id)
        return people.of_phone(conn, vault, Phone(sent.phone))

    found: Person = await request.services.db.read(work)
    return found


# -- erasing -------------------------------------------------------------------------------------


async def _erase(request: Request[Any, NoQuery], person: Person) -> Answer:
    services, now = request.services, request.now
    vault = services.vault
    new_id = "era_" + b32encode(services.entropy(15)).decode().lower()
    by = None if request.key is None else request.key.id
    named = person.user_ids[0]

    ended: tuple[str, ...] = ()

    def begin(conn: Connection) -> Answer:
        nonlocal ended
        ended = ()
        running = [
            one for one in erasures.of_user(conn, vault, named) if one.state is State.RUNNING
        ]
        if running:
            return answer(_out(running[0], vault.person_ref(named)), 202)
        ended = erasing.revoke(conn, person, now)
        begun = erasures.begin(conn, vault, person, new_id=new_id, asked_by=by, now=now)
        return answer(_out(begun, vault.person_ref(named)), 202)

    # Begun in the transaction that keeps the request's key: whoever asks again, because nobody
    # answered, is told of the same erasure, and how far it is by now.
    made = await request.commit(begin)
    if ended and not made.replayed:
        with suppress(TimeoutError, ConnectionError):  # they are over in any case
            async with asyncio.timeout(services.settings.trunks_timeout_s):
                await services.apps_changed(ended)
    told = from_json(made.body)
    found = await services.db.read(lambda conn: erasures.get(conn, told["id"]))
    until = time.monotonic() + _AT_ONCE_S
    while found is not None and found.state is State.RUNNING and time.monotonic() < until:
        found = await services.db.write(partial(_further, request, found))
    if found is None:
        return made
    return replace(made, body=answer(_out(found, told["person"])).body)


def _further(request: Request[Any, NoQuery], found: Erasure, conn: Connection) -> Erasure:
    services = request.services
    return carrying_out.work(conn, services.vault, found.id, services.clock()) or found


def _out(one: Erasure, ref: str | None = None) -> ErasureOut:
    return ErasureOut(
        id=one.id,
        person=ref,
        state=one.state,
        counts=dict(one.counts),
        requested_at=one.requested_at,
        finished_at=one.finished_at,
    )


# -- exporting -----------------------------------------------------------------------------------


async def _export(request: Request[Any, NoQuery], person: Person, *, with_phones: bool) -> Answer:
    services, now = request.services, request.now
    vault, key = services.vault, request.key
    actor = audit.SYSTEM if key is None else Actor(ActorKind.KEY, key.id, key.name)

    def begin(conn: Connection) -> dict[str, Any]:
        head = dict(portrait.summary(conn, vault, person, now))
        if with_phones:
            head["phones"] = portrait.own_phones(conn, vault, person)
        audit.append(
            conn,
            Entry(
                now,
                actor,
                Action.PERSON_EXPORTED,
                "user",
                vault.person_ref(person.user_ids[0]),
                facts={"with_phones": with_phones},
            ),
        )
        return head

    head = await services.db.write(begin)
    headers = {
        "Content-Disposition": 'attachment; filename="person.json"',
        "Cache-Control": "no-store",
    }
    return Answer(200, headers=headers, stream=_pour(request, person, head))


def _pour(request: Request[Any, NoQuery], person: Person, head: dict[str, Any]) -> Pour:
    """The document, part by part; a reader that does not take one in time is let go."""
    services = request.services

    async def pour(write: Write) -> None:
        async def say(text: bytes) -> None:
            async with asyncio.timeout(_PART_S):
                await write(text)

        await say(to_json(head)[:-1])
        for section in portrait.SECTIONS:
            await say(b',"' + section.name.encode() + b'":[')
            after: str | None = ""
            first = True
            while after is not None:
                place, read = after, section.read
                piece = await services.db.read(
                    lambda conn, read=read, place=place: read(  # type: ignore[misc]
                        conn, services.vault, person, place
                    )
                )
                text = to_json(piece.items)[1:-1]
                if text:
                    await say(text if first else b"," + text)
                    first = False
                after = piece.after
            await say(b"]")
        await say(b"}")

    return pour


_USER: Final = PathParameter("id", IDENTIFIER, "The user's id", "u-2")
_ERASURE: Final = PathParameter("id", r"era_[a-z2-7]{24}", "The erasure's id", "era_" + "a" * 24)
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
_ADMIN: Final[frozenset[KeyRole]] = frozenset()
_DOCUMENT: Final = "application/json"

ROUTES: Final = (
    Route(
        "export_user",
        "GET",
        "/v1/users/{id}/export",
        "Everything that is kept of a user",
        Tag.PERSONAL,
        export_user,
        roles=_PLATFORM,
        answers=_DOCUMENT,
        parameters=(_USER,),
        missing=errors.NotFound,
        description="Sessions, calls, call log, blocks, ratings, devices, recordings' metadata, "
        "and who exported it before. Of other people only the card that this user was shown. "
        "Streamed; audited.",
    ),
    Route(
        "erase_user",
        "POST",
        "/v1/users/{id}/erasure",
        "Erase a user",
        Tag.PERSONAL,
        erase_user,
        roles=_PLATFORM,
        answers=ErasureOut,
        status=202,
        parameters=(_USER,),
        missing=errors.NotFound,
        description="Closes their sessions and listing numbers, revokes their devices, deletes "
        "recordings, and takes id, phone and card out of everything that is kept; others keep "
        "that a call took place. There is no way back. It goes on in the background and is done "
        "again for what comes in late; asked for again while it runs, it is the same one.",
    ),
    Route(
        "list_erasures",
        "GET",
        "/v1/users/{id}/erasures",
        "The receipts of a user's erasures",
        Tag.PERSONAL,
        list_erasures,
        roles=_PLATFORM,
        answers=ErasureList,
        parameters=(_USER,),
        missing=errors.NotFound,
        description="Found by a keyed digest of the id: the id itself is kept nowhere.",
    ),
    Route(
        "get_erasure",
        "GET",
        "/v1/erasures/{id}",
        "The receipt of an erasure",
        Tag.PERSONAL,
        get_erasure,
        roles=_PLATFORM,
        answers=ErasureOut,
        parameters=(_ERASURE,),
        missing=errors.ErasureNotFound,
    ),
    Route(
        "look_for_person",
        "POST",
        "/v1/persons/search",
        "What there is of a person, by id or phone",
        Tag.PERSONAL,
        look_for_person,
        roles=_ADMIN,
        body=PersonIn,
        answers=FoundOut,
        description="Changes nothing: look before you erase.",
    ),
    Route(
        "export_person",
        "POST",
        "/v1/persons/export",
        "Everything that is kept of a person, by id or phone",
        Tag.PERSONAL,
        export_person,
        roles=_ADMIN,
        body=ExportIn,
        answers=_DOCUMENT,
        description="Like `GET /v1/users/{id}/export`; with their own phones where asked for.",
    ),
    Route(
        "erase_person",
        "POST",
        "/v1/persons/erasure",
        "Erase a person, by id or phone",
        Tag.PERSONAL,
        erase_person,
        roles=_ADMIN,
        body=PersonIn,
        answers=ErasureOut,
        status=202,
        errors=(errors.SeveralPeople,),
        description="Like `POST /v1/users/{id}/erasure`. A phone that several users have is "
        "refused: name the user.",
    ),
)
