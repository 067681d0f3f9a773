"""/v1/app: what an app asks with its token. All of it is about the token's own user.

A session or call of others is answered like one that does not exist.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from api import errors, preflight
from api.calls import CALL_ID
from api.errors import Unauthenticated
from api.history import log_seen
from api.in_app import sse
from api.in_app.log import page_out
from api.in_call import CLICK_ERRORS, HANDOVER_ERRORS, clicked, handed_over, rated
from api.reachability import quiet_now
from api.routing import Answer, Handler, Request, Route, Tag, answer
from api.schemas.app_self import AppCallList, AppCallOut, AppDialOut, AppSessionOut, MeOut
from api.schemas.common import NoBody, NoQuery
from api.schemas.history import CallLogPage, CallLogQuery, CardOut, SeenIn, SeenOut
from api.schemas.in_call import (
    AppHandoverIn,
    ClickOut,
    HandoverBegun,
    MeasuredIn,
    PreflightOut,
)
from api.schemas.ratings import AppRatingIn, RatingOut
from api.schemas.sessions import ListingOut
from api.sessions import SESSION_ID
from cdr import call_log
from cdr.call_log import Direction
from masking.model import SessionState
from storage import app_users, participation
from storage.apps import AppCredential


async def me(request: Request[NoBody, NoQuery]) -> Answer:
    """The token's own user."""
    one, now = _holder(request), request.now

    def work(conn: Connection) -> Answer:
        user = app_users.get(conn, one.user_id)
        return answer(
            MeOut(
                user_id=one.user_id,
                username=one.username,
                device=one.device,
                expires_at=one.expires_at,
                account=user.switches.account,
                in_app_calls=user.switches.in_app_calls,
                quiet_now=quiet_now(user.switches, now),
                unread_count=call_log.unread_count(conn, one.user_id),
            )
        )

    return await request.services.db.read(work)


async def session(request: Request[NoBody, NoQuery]) -> Answer:
    """A session of the user's."""
    user_id, now = _holder(request).user_id, request.now
    wanted, host = request.path["id"], request.services.settings.sip_host

    def work(conn: Connection) -> Answer:
        stand = participation.stand(conn, wanted, user_id)
        if stand is None:
            raise errors.SessionNotFound
        found, card, state = stand.session, stand.other.card, stand.session.state(now)
        dial = participation.dial_of(found, user_id, now)
        return answer(
            AppSessionOut(
                id=found.id,
                state=state,
                role=stand.me.role,
                card=CardOut(
                    role=stand.other.role,
                    name=card.name,
                    rating=card.rating,
                    facts=dict(card.facts),
                ),
                listing=None
                if found.listing is None
                else ListingOut(id=found.listing.id, title=found.listing.title),
                dial=None
                if state is not SessionState.OPEN
                else AppDialOut(
                    app=f"sip:{found.id}@{host}",
                    gsm=None if dial is None else dial.number,
                    extension=None if dial is None else dial.extension or None,
                    tel=None if dial is None else dial.tel,
                ),
                expires_at=found.expires_at,
            )
        )

    return await request.services.db.read(work)


async def own_preflight(request: Request[MeasuredIn, NoQuery]) -> Answer:
    """Without what is only the other side's business."""
    services, session_id = request.services, request.path["id"]
    try:
        outlook = await preflight.look(services, session_id, _holder(request).user_id, request.now)
    except errors.ParticipantNotFound:
        raise errors.SessionNotFound from None
    told = preflight.Outlook(outlook.dial, preflight.untold(outlook.forbidden))
    return preflight.advise(services, session_id, request.body, told, request.language)


async def own_click(request: Request[NoBody, NoQuery]) -> Answer:
    """Ring the user's phone, then the other side."""
    user_id = _holder(request).user_id

    async def effect() -> Answer:
        try:
            return await clicked(request.services, request.path["id"], user_id, request.now)
        except errors.ParticipantNotFound:
            raise errors.SessionNotFound from None

    return await request.once(effect)


async def own_calls(request: Request[NoBody, NoQuery]) -> Answer:
    """The user's live calls: few, so there is no paging."""
    user_id = _holder(request).user_id
    others = await request.running.calls_up.of_user(request.now, user_id)
    live = {
        one.call_id: (one.session_id, one)
        for one in (*others, *request.services.live.live_calls())
        if one.session_id is not None
    }
    wanted = {session_id for session_id, _ in live.values()}
    mine = await request.services.db.read(
        lambda conn: participation.roles_in(conn, user_id, wanted)
    )
    items = [
        AppCallOut(
            call_id=call.call_id,
            session_id=session_id,
            direction=Direction.OUT if call.caller is mine[session_id] else Direction.IN,
            state=call.state,
            since=call.since,
        )
        for session_id, call in sorted(live.values(), key=lambda one: one[1].since)
        if session_id in mine
    ]
    return answer(AppCallList(items=items))


async def own_hand_over(request: Request[AppHandoverIn, NoQuery]) -> Answer:
    """Move the user's side of a call."""
    user_id, wanted = _holder(request).user_id, request.path["id"]

    async def effect() -> Answer:
        try:
            return await handed_over(request, wanted, user_id, request.body.to)
        except errors.CallElsewhere:
            theirs = await request.running.calls_up.of_user(request.now, user_id)
            if any(one.call_id == wanted for one in theirs):
                raise
            raise errors.LiveCallNotFound from None

    return await request.once(effect)


async def own_rating(request: Request[AppRatingIn, NoQuery]) -> Answer:
    """Keep what the user said of a call."""
    user_id = _holder(request).user_id
    return await request.commit(rated(request.path["id"], user_id, request.body, request.now))


async def own_call_log(request: Request[NoBody, CallLogQuery]) -> Answer:
    """The user's calls, newest first."""
    query, user_id, now = request.query, _holder(request).user_id, request.now
    host = request.services.settings.sip_host
    page = await request.services.db.read(lambda conn: page_out(conn, user_id, query, now, host))
    return answer(page)


async def own_seen(request: Request[SeenIn, NoQuery]) -> Answer:
    """The user has looked."""
    return await log_seen(request, _holder(request).user_id)


async def events(request: Request[NoBody, NoQuery]) -> Answer:
    """What happens, as it happens; and what was missed."""
    after = sse.last_event_id(request.last_event_id)
    if request.method == "HEAD":
        return Answer(200, content_type=sse.MEDIA_TYPE)
    stream = await request.running.streams.open(_holder(request), after)
    return Answer(200, content_type=sse.MEDIA_TYPE, stream=stream.run)


def _holder(request: Request[Any, Any]) -> AppCredential:
    if request.holder is None:  # a route of the app always has one
        raise Unauthenticated
    return request.holder


def _route(
    name: str,
    method: str,
    path: str,
    summary: str,
    handler: Handler,
    **more: Any,  # noqa: ANN401 (the fields of a route)
) -> Route:
    return Route(name, method, path, summary, Tag.APP, handler, roles=_NOBODY, app=True, **more)


_NOBODY: Final = frozenset[Any]()

ROUTES: Final = (
    _route("app_me", "GET", "/v1/app/me", "Whose token this is", me, answers=MeOut),
    _route(
        "app_session",
        "GET",
        "/v1/app/sessions/{id}",
        "Look at a session",
        session,
        answers=AppSessionOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
    ),
    _route(
        "app_preflight",
        "POST",
        "/v1/app/sessions/{id}/preflight",
        "Ask how a call had better be made",
        own_preflight,
        body=MeasuredIn,
        answers=PreflightOut,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
    ),
    _route(
        "app_click",
        "POST",
        "/v1/app/sessions/{id}/calls",
        "Be called back on one's phone",
        own_click,
        answers=ClickOut,
        status=202,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        errors=(errors.SessionClosed, errors.SessionExpired, *CLICK_ERRORS),
        description="The user's own phone rings first, then the other side.",
    ),
    _route(
        "app_calls",
        "GET",
        "/v1/app/calls",
        "The user's live calls",
        own_calls,
        answers=AppCallList,
    ),
    _route(
        "app_hand_over",
        "POST",
        "/v1/app/calls/{id}/handover",
        "Move one's own side of a call",
        own_hand_over,
        body=AppHandoverIn,
        answers=HandoverBegun,
        status=202,
        parameters=(CALL_ID,),
        missing=errors.LiveCallNotFound,
        errors=HANDOVER_ERRORS,
    ),
    _route(
        "app_rate_call",
        "POST",
        "/v1/app/calls/{id}/rating",
        "Rate a call",
        own_rating,
        body=AppRatingIn,
        answers=RatingOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
    ),
    _route(
        "app_call_log",
        "GET",
        "/v1/app/call-log",
        "The user's call log",
        own_call_log,
        query=CallLogQuery,
        answers=CallLogPage,
    ),
    _route(
        "app_mark_seen",
        "POST",
        "/v1/app/call-log/seen",
        "The user has looked at the call log",
        own_seen,
        body=SeenIn,
        answers=SeenOut,
    ),
    _route(
        "app_events",
        "GET",
        "/v1/app/events",
        "What happens, as it happens",
        events,
        answers=sse.MEDIA_TYPE,
        description="Server-sent events. `call.missed` and `call_log`: an entry of the call log, "
        "with its id; with `Last-Event-ID` the stream goes on after that entry, without it begins "
        "with all that is unread. `call.quality`, `call.handover_offered`, `call.handover`, "
        "`call.ended`: what happens now, without an id; "
        "so `call_log.seen`: the user has looked. `end`: why the stream ends (`expired`, "
        "`revoked`, `replaced`, `restart`, `too_slow`). A comment every 15 s shows that it lives.",
    ),
)
