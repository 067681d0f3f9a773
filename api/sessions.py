"""Sessions over HTTP: open, look at, extend, close, list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from api import errors
from api.errors import FieldError
from api.routing import Answer, PathParameter, Request, Route, Tag, Work, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.sessions import (
    DialOut,
    ListingOut,
    ParticipantIn,
    ParticipantOut,
    SessionIn,
    SessionOut,
    SessionPage,
    SessionPatch,
    SessionsQuery,
)
from api.schemas.texts import HOLDS_PHONE, holds_phone
from api.services import Services
from masking.allocation import NO_WISH, Wish
from masking.digits import SECRET_BYTES
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Card, Lease, Listing, Participant, Phone, Session
from storage import consent, conversations, sessions
from storage.keys import ApiKey, KeyRole

_ENTROPY_BYTES: Final = 10
_SECOND: Final = timedelta(seconds=1)


async def open_session(request: Request[SessionIn, NoQuery]) -> Answer:
    """Give both participants their proxy numbers."""
    services, now = request.services, request.now
    draft, see = draft_of(request.body), _insight(request.key)
    new_id = session_id(now, services.entropy(_ENTROPY_BYTES))
    secret = services.entropy(SECRET_BYTES)
    rotation = next(request.running.rotation)

    def opening(busy: frozenset[str] | None) -> Work:
        def work(conn: Connection) -> Answer:
            opened = sessions.open_session(
                conn,
                services.vault,
                draft,
                now=now,
                session_id=new_id,
                rotation=rotation,
                secret=secret,
                busy=busy,
            )
            return answer(session_out(opened, now, services.settings.sip_host, see), 201)

        return work

    try:
        made = await request.commit(opening(None))
    except sessions.CallsUnknown:
        calls = services.live.live_calls()
        up = frozenset(call.session_id for call in calls if call.session_id is not None)
        made = await request.commit(opening(up))
    if not made.replayed:
        request.running.metrics.sessions.add()
    return made


async def get_session(request: Request[NoBody, NoQuery]) -> Answer:
    """One session."""
    wanted = request.path["id"]
    return await request.services.db.read(lambda conn: _present(conn, request, wanted))


async def change_session(request: Request[SessionPatch, NoQuery]) -> Answer:
    """Let it end at another time; name its conversation; consent. All of it or nothing."""
    now, wanted, sent = request.now, request.path["id"], request.body
    ttl = None if sent.ttl_s is None else timedelta(seconds=sent.ttl_s)
    until = sent.expires_at if ttl is None else now + ttl

    def work(conn: Connection) -> Answer:
        if sent.ends:
            sessions.extend(conn, wanted, until, now, ttl=ttl, ttl_from=sent.ttl_from)
        if sent.conversation_id is not None:
            _name(conn, request.services, wanted, sent.conversation_id)
        if sent.recording_consent is not None:
            consent.change(conn, wanted, sent.recording_consent)
        return _present(conn, request, wanted)

    return await request.commit(work)


async def close_session(request: Request[NoBody, NoQuery]) -> Answer:
    """End the permission; calls that are up stay up."""
    now, wanted = request.now, request.path["id"]

    def work(conn: Connection) -> Answer:
        sessions.close(conn, wanted, now)
        return _present(conn, request, wanted)

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
    host, see = services.settings.sip_host, _insight(request.key)
    items = [session_out(one, now, host, see) for one in page.items]
    return answer(SessionPage(items=items, next_cursor=page.next_cursor))


def _name(conn: Connection, services: Services, wanted: str, conversation_id: str) -> None:
    found = sessions.get(conn, services.vault, wanted)
    if found is None:
        raise errors.SessionNotFound
    if holds_phone(conversation_id, [one.phone for one in found.participants]):
        raise errors.ValidationFailed(errors=[FieldError("conversation_id", HOLDS_PHONE)])
    conversations.name(conn, wanted, conversation_id)


def _present(conn: Connection, request: Request[Any, Any], wanted: str) -> Answer:
    services = request.services
    found = sessions.get(conn, services.vault, wanted)
    if found is None:
        raise errors.SessionNotFound
    host = services.settings.sip_host
    return answer(session_out(found, request.now, host, _insight(request.key)))


@dataclass(frozen=True, slots=True)
class Insight:
    """What of a session a key is shown beyond what all readers see."""

    pins: bool = False
    reasons: bool = False


_INSIGHTS: Final = {
    KeyRole.PLATFORM: Insight(pins=True),
    KeyRole.STAFF: Insight(),
    KeyRole.OPERATOR: Insight(reasons=True),
    KeyRole.ADMIN: Insight(pins=True, reasons=True),
}


def _insight(key: ApiKey | None) -> Insight:
    return Insight() if key is None else _INSIGHTS[key.role]


def session_out(
    session: Session, now: datetime, sip_host: str, see: Insight = Insight()
) -> SessionOut:
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
        participants=[_participant_out(session, one, app, see) for one in session.participants],
        pool=session.pool,
        channel_policy=session.channel_policy,
        created_at=session.created_at,
        expires_at=session.expires_at,
        ttl_from=session.ttl_from,
        ttl_s=session.ttl // _SECOND,
        hard_expires_at=session.hard_expires_at,
        last_call_at=session.last_call_at,
        closed_at=session.closed_at,
        closed_why=session.closed_why,
        listing_number_id=session.listing_number_id,
        conversation_held=session.conversation_held,
    )


def _participant_out(session: Session, one: Participant, app: str, see: Insight) -> ParticipantOut:
    lease = session.lease(one.role)
    return ParticipantOut.model_construct(
        role=one.role,
        user_id=one.user_id,
        name=one.card.name,
        rating=one.card.rating,
        facts=dict(one.card.facts),
        recording_consent=one.recording_consent,
        dial=_dial_out(lease, app, see),
        why=dict(lease.why) if lease is not None and see.reasons else None,
    )


def _dial_out(lease: Lease | None, app: str, see: Insight) -> DialOut:
    if lease is None:
        return DialOut.model_construct(gsm=None, extension=None, tel=None, pin=None, app=app)
    gsm, extension = lease.number.e164, lease.extension
    return DialOut.model_construct(
        gsm=gsm,
        extension=extension or None,
        tel=f"{gsm},,{extension}" if extension else gsm,
        pin=lease.pin if see.pins else None,
        app=app,
    )


def draft_of(sent: SessionIn) -> SessionDraft:
    """What is asked for, in the words of the domain."""
    first, second = sent.participants
    return SessionDraft(
        conversation_id=sent.conversation_id,
        participants=tuple(
            Participant(
                role=one.role,
                user_id=one.user_id,
                phone=None if one.phone is None else Phone(one.phone),
                card=Card(name=one.name, rating=one.rating, facts=tuple(one.facts.items())),
                recording_consent=one.recording_consent,
            )
            for one in sent.participants
        ),
        pool=sent.pool if sent.pools is None else sent.pools[0],
        ttl=timedelta(seconds=sent.ttl_s),
        listing=None
        if sent.listing is None
        else Listing(sent.listing.id, sent.listing.title, sent.listing.category),
        channel_policy=sent.channel_policy,
        ttl_from=sent.ttl_from,
        hard_ttl=None if sent.hard_ttl_s is None else timedelta(seconds=sent.hard_ttl_s),
        more_pools=() if sent.pools is None else tuple(dict.fromkeys(sent.pools))[1:],
        wishes=(_wish(first), _wish(second)),
        same_number_as=sent.same_number_as,
        variant=sent.variant,
    )


def _wish(sent: ParticipantIn) -> Wish:
    return NO_WISH if sent.number is None else Wish(Phone(sent.number))


SESSION_ID: Final = PathParameter(
    "id", r"ses_[0-9a-z]{26}", "The session's id", "ses_01jd8n2k9hq3v6tbx4w7ymzcfe"
)
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF, KeyRole.OPERATOR})

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
        errors=(
            errors.PoolNotFound,
            errors.SessionNotFound,
            errors.NumberUnavailable,
            errors.NumberHeld,
            errors.StickyUnavailable,
            errors.SessionLimit,
            errors.PoolExhausted,
        ),
        location="/v1/sessions/{id}",
        description="Both participants can then call each other through their proxy numbers "
        "until it ends. A courier or somebody of support beside them gets a session of their own "
        "with each, under the same `conversation_id`. Send an `Idempotency-Key` so that a "
        "repetition opens no second one.",
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
        "Let a session end at another time, or name its conversation",
        Tag.SESSIONS,
        change_session,
        roles=_PLATFORM,
        body=SessionPatch,
        answers=SessionOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        errors=(
            errors.SessionClosed,
            errors.SessionExpired,
            errors.BeyondHardExpiry,
            errors.ConversationNamed,
        ),
        description="A session that a caller of a listing began has no conversation yet "
        "(`conversation_held`): history and records are kept under the session's id until "
        "`conversation_id` names it, once, and then under that name.",
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
