"""Sessions over HTTP: open, look at, extend, close, list."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.sessions import (
    DialOut,
    ListingOut,
    ParticipantOut,
    SessionIn,
    SessionOut,
    SessionPage,
    SessionPatch,
    SessionsQuery,
)
from api.services import Services
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Card, Listing, Participant, Phone, Session
from storage import sessions
from storage.keys import KeyRole

_ENTROPY_BYTES: Final = 10


async def open_session(request: Request[SessionIn, NoQuery]) -> Answer:
    """Give both participants their proxy numbers."""
    services, now = request.services, request.now
    draft = draft_of(request.body)
    new_id = session_id(now, services.entropy(_ENTROPY_BYTES))
    rotation = next(request.running.rotation)

    def work(conn: Connection) -> Answer:
        opened = sessions.open_session(
            conn, services.vault, draft, now=now, session_id=new_id, rotation=rotation
        )
        return answer(session_out(opened, now, services.settings.sip_host), 201)

    made = await request.commit(work)
    if not made.replayed:
        request.running.metrics.sessions.add()
    return made


async def get_session(request: Request[NoBody, NoQuery]) -> Answer:
    """One session."""
    services, wanted = request.services, request.path["id"]
    return await services.db.read(lambda conn: _present(conn, services, wanted, request.now))


async def extend_session(request: Request[SessionPatch, NoQuery]) -> Answer:
    """Let it end at another time."""
    services, now, wanted = request.services, request.now, request.path["id"]
    ttl_s, expires_at = request.body.ttl_s, request.body.expires_at
    until = expires_at if expires_at is not None else now + timedelta(seconds=ttl_s or 0)

    def work(conn: Connection) -> Answer:
        sessions.extend(conn, wanted, until, now)
        return _present(conn, services, wanted, now)

    return await request.commit(work)


async def close_session(request: Request[NoBody, NoQuery]) -> Answer:
    """End the permission; calls that are up stay up."""
    services, now, wanted = request.services, request.now, request.path["id"]

    def work(conn: Connection) -> Answer:
        sessions.close(conn, wanted, now)
        return _present(conn, services, wanted, now)

    return await request.commit(work)


async def list_sessions(request: Request[NoBody, SessionsQuery]) -> Answer:
    """Sessions, newest first."""
    services, now, query = request.services, request.now, request.query
    page = await services.db.read(
        lambda conn: sessions.page(
            conn,
            services.vault,
            conversation_id=query.conversation_id,
            user_id=query.user_id,
            state=query.state,
            limit=query.limit,
            cursor=query.cursor,
            now=now,
        )
    )
    host = services.settings.sip_host
    items = [session_out(one, now, host) for one in page.items]
    return answer(SessionPage(items=items, next_cursor=page.next_cursor))


def _present(conn: Connection, services: Services, wanted: str, now: datetime) -> Answer:
    found = sessions.get(conn, services.vault, wanted)
    if found is None:
        raise errors.SessionNotFound
    return answer(session_out(found, now, services.settings.sip_host))


def session_out(session: Session, now: datetime, sip_host: str) -> SessionOut:
    """The session as it goes out: never with a phone."""
    app = f"sip:{session.id}@{sip_host}"
    listing = session.listing
    return SessionOut.model_construct(
        id=session.id,
        state=session.state(now),
        conversation_id=session.conversation_id,
        listing=None
        if listing is None
        else ListingOut.model_construct(id=listing.id, title=listing.title),
        participants=[_participant_out(session, one, app) for one in session.participants],
        pool=session.pool,
        channel_policy=session.channel_policy,
        created_at=session.created_at,
        expires_at=session.expires_at,
        closed_at=session.closed_at,
    )


def _participant_out(session: Session, one: Participant, app: str) -> ParticipantOut:
    lease = session.lease(one.role)
    return ParticipantOut.model_construct(
        role=one.role,
        user_id=one.user_id,
        name=one.card.name,
        rating=one.card.rating,
        facts=dict(one.card.facts),
        dial=DialOut.model_construct(gsm=None if lease is None else lease.number.e164, app=app),
    )


def draft_of(sent: SessionIn) -> SessionDraft:
    """What is asked for, in the words of the domain."""
    return SessionDraft(
        conversation_id=sent.conversation_id,
        participants=tuple(
            Participant(
                role=one.role,
                user_id=one.user_id,
                phone=None if one.phone is None else Phone(one.phone),
                card=Card(name=one.name, rating=one.rating, facts=tuple(one.facts.items())),
            )
            for one in sent.participants
        ),
        pool=sent.pool,
        ttl=timedelta(seconds=sent.ttl_s),
        listing=None if sent.listing is None else Listing(sent.listing.id, sent.listing.title),
        channel_policy=sent.channel_policy,
    )


SESSION_ID: Final = PathParameter(
    "id", r"ses_[0-9a-z]{26}", "The session's id", "ses_01jd8n2k9hq3v6tbx4w7ymzcfe"
)
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})

ROUTES: Final = (
    Route(
        "open_session",
        "POST",
        "/v1/sessions",
        "Open a session",
        Tag.SESSIONS,
        open_session,
        roles=_PLATFORM,
        body=SessionIn,
        answers=SessionOut,
        status=201,
        errors=(errors.PoolNotFound, errors.PoolExhausted),
        location="/v1/sessions/{id}",
        description="Both participants can then call each other through their proxy numbers "
        "until it ends. Send an `Idempotency-Key` so that a repetition opens no second one.",
    ),
    Route(
        "list_sessions",
        "GET",
        "/v1/sessions",
        "List sessions",
        Tag.SESSIONS,
        list_sessions,
        roles=_READERS,
        query=SessionsQuery,
        answers=SessionPage,
    ),
    Route(
        "get_session",
        "GET",
        "/v1/sessions/{id}",
        "Look at a session",
        Tag.SESSIONS,
        get_session,
        roles=_READERS,
        answers=SessionOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
    ),
    Route(
        "extend_session",
        "PATCH",
        "/v1/sessions/{id}",
        "Let a session end at another time",
        Tag.SESSIONS,
        extend_session,
        roles=_PLATFORM,
        body=SessionPatch,
        answers=SessionOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        errors=(errors.SessionClosed, errors.SessionExpired),
    ),
    Route(
        "close_session",
        "DELETE",
        "/v1/sessions/{id}",
        "Close a session",
        Tag.SESSIONS,
        close_session,
        roles=_PLATFORM,
        answers=SessionOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        description="The numbers begin to cool down at once. Calls that are up stay up. "
        "Closing again changes nothing.",
    ),
)
