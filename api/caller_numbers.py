"""Caller numbers over HTTP: other phones from which a session's participants may call."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import NOTHING, Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.caller_numbers import CallerNumberIn, CallerNumberList, CallerNumberOut
from api.schemas.common import NoBody, NoQuery
from api.sessions import SESSION_ID
from masking.model import Phone
from storage import enrolments
from storage.enrolments import CallerNumber
from storage.keys import KeyRole


async def declare_caller_number(request: Request[CallerNumberIn, NoQuery]) -> Answer:
    """Let a participant call once from another phone."""
    sent, now, wanted = request.body, request.now, request.path["id"]
    vault = request.services.vault

    def work(conn: Connection) -> Answer:
        made = enrolments.declare(
            conn,
            vault,
            wanted,
            sent.user_id,
            Phone(sent.phone),
            ttl=timedelta(seconds=sent.ttl_s),
            now=now,
        )
        return answer(_out(made), 201)

    return await request.commit(work)


async def list_caller_numbers(request: Request[NoBody, NoQuery]) -> Answer:
    """Those that may call now."""
    now, wanted = request.now, request.path["id"]

    def work(conn: Connection) -> Answer:
        enrolments.must_exist(conn, wanted)
        found = enrolments.caller_numbers(conn, wanted, now)
        return answer(CallerNumberList(items=[_out(one) for one in found]))

    return await request.services.db.read(work)


async def withdraw_caller_number(request: Request[NoBody, NoQuery]) -> Answer:
    """Let that phone call no longer."""
    now, wanted = request.now, request.path["id"]
    position, _, slot = request.path["caller_number"].partition("-")

    def work(conn: Connection) -> Answer:
        if not enrolments.withdraw(conn, wanted, int(position), int(slot), now):
            raise errors.CallerNumberNotFound
        return NOTHING

    return await request.commit(work)


def _out(one: CallerNumber) -> CallerNumberOut:
    return CallerNumberOut(
        id=f"{one.position}-{one.slot}",
        user_id=one.user_id,
        role=one.role,
        number=one.number,
        extension=one.extension or None,
        once=one.once,
        since=one.since,
        expires_at=one.expires_at,
    )


_ID: Final = PathParameter(
    "caller_number", r"[01]-[1-9][0-9]{0,5}", "The caller number's id", "0-1"
)
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})

ROUTES: Final = (
    Route(
        "declare_caller_number",
        "POST",
        "/v1/sessions/{id}/caller-numbers",
        "Let a participant call once from another phone",
        Tag.SESSIONS,
        declare_caller_number,
        roles=_PLATFORM,
        body=CallerNumberIn,
        answers=CallerNumberOut,
        status=201,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        errors=(
            errors.ParticipantNotFound,
            errors.SessionClosed,
            errors.SessionExpired,
            errors.CallerNumberTaken,
            errors.NoNumberToCall,
            errors.TooManyCallerNumbers,
        ),
        description="For “I will call from this phone” in the app: the next call from it to the "
        "participant's proxy number reaches the other side, as if it were their own phone. It is "
        "used up by that call, or ends with `ttl_s` or the session.",
    ),
    Route(
        "list_caller_numbers",
        "GET",
        "/v1/sessions/{id}/caller-numbers",
        "List other phones that may call",
        Tag.SESSIONS,
        list_caller_numbers,
        roles=_READERS,
        answers=CallerNumberList,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        description="Phones declared for one call, and phones that were enrolled by PIN or by the "
        "platform's hook; never the phones themselves.",
    ),
    Route(
        "withdraw_caller_number",
        "DELETE",
        "/v1/sessions/{id}/caller-numbers/{caller_number}",
        "Let another phone call no longer",
        Tag.SESSIONS,
        withdraw_caller_number,
        roles=_PLATFORM,
        answers=None,
        status=204,
        parameters=(SESSION_ID, _ID),
        missing=errors.CallerNumberNotFound,
        errors=(errors.SessionNotFound,),
    ),
)
