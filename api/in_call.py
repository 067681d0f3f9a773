"""Calls begun by a click, handed over while they are up, rated when they are over."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from api import errors
from api.calls import CALL_ID
from api.errors import ApiError
from api.live_calls import not_here
from api.routing import Answer, Request, Route, Tag, Work, answer
from api.schemas.common import NoQuery
from api.schemas.in_call import (
    ClickIn,
    ClickOut,
    HandoverBegun,
    HandoverIn,
)
from api.schemas.ratings import AppRatingIn, RatingIn, RatingOut
from api.services import NodeElsewhere, Services
from api.sessions import SESSION_ID
from masking.model import SessionState
from masking.plan import Channel
from storage import participation, ratings
from storage.keys import KeyRole
from storage.ratings import Rating


async def click(request: Request[ClickIn, NoQuery]) -> Answer:
    """Ring the caller's phone, then the other side."""
    return await request.once(
        lambda: clicked(request.services, request.path["id"], request.body.from_, request.now)
    )


async def hand_over(request: Request[HandoverIn, NoQuery]) -> Answer:
    """Move one side of a call."""
    sent = request.body
    return await request.once(
        lambda: handed_over(request, request.path["id"], sent.user_id, sent.to)
    )


async def rate(request: Request[RatingIn, NoQuery]) -> Answer:
    """Keep what a participant said of a call."""
    work = rated(request.path["id"], request.body.user_id, request.body, request.now)
    return await request.commit(work)


async def clicked(services: Services, session_id: str, user_id: str, now: datetime) -> Answer:
    """Begin the call. Raises ApiError, LiveRefused."""

    def work(conn: Connection) -> type[ApiError] | None:
        stand = participation.stand(conn, session_id, user_id)
        if stand is None:
            known = participation.exists(conn, session_id)
            return errors.ParticipantNotFound if known else errors.SessionNotFound
        return _OVER.get(stand.session.state(now))

    wrong = await services.db.read(work)
    if wrong is not None:
        raise wrong
    try:
        call_id = await services.live.click(session_id, user_id)
    except LookupError:
        raise errors.SessionNotFound from None
    except NodeElsewhere:
        raise errors.NoNodeHere from None
    except (ConnectionError, TimeoutError):
        raise errors.NodeUnavailable from None
    return answer(ClickOut(call_id=call_id), 202)


async def handed_over(
    request: Request[Any, Any], call_id: str, user_id: str, to: Channel
) -> Answer:
    """Begin the handover. Raises ApiError, LiveRefused."""
    try:
        await request.services.live.hand_over(call_id, user_id, to)
    except (LookupError, NodeElsewhere):
        raise await not_here(request, call_id) from None
    except (ConnectionError, TimeoutError):
        raise errors.NodeUnavailable from None
    return answer(HandoverBegun(call_id=call_id, to=to), 202)


def rated(call_id: str, user_id: str, sent: AppRatingIn, now: datetime) -> Work:
    """The work that keeps a rating. Raises CallNotFound."""
    rating = Rating(user_id, sent.stars, tuple(dict.fromkeys(sent.issues)), now)

    def work(conn: Connection) -> Answer:
        if not ratings.put(conn, call_id, rating):
            raise errors.CallNotFound
        return answer(rating_out(rating))

    return work


def rating_out(rating: Rating) -> RatingOut:
    """The rating as it goes out."""
    return RatingOut(
        user_id=rating.user_id, stars=rating.stars, issues=list(rating.issues), at=rating.at
    )


_OVER: Final = {
    SessionState.CLOSED: errors.SessionClosed,
    SessionState.EXPIRED: errors.SessionExpired,
}
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
CLICK_ERRORS: Final = (errors.CannotNow, errors.NoNodeHere, errors.NodeUnavailable)
HANDOVER_ERRORS: Final = (errors.CallElsewhere, errors.CannotNow, errors.NodeUnavailable)

ROUTES: Final = (
    Route(
        "click_to_call",
        "POST",
        "/v1/sessions/{id}/calls",
        "Begin a call by a click",
        Tag.IN_APP,
        click,
        roles=_PLATFORM,
        body=ClickIn,
        answers=ClickOut,
        status=202,
        parameters=(SESSION_ID,),
        missing=errors.SessionNotFound,
        errors=(
            errors.ParticipantNotFound,
            errors.SessionClosed,
            errors.SessionExpired,
            *CLICK_ERRORS,
        ),
        description="The phone of `from` rings first, from their proxy number; once it is "
        "answered the other side is rung as always. What came of it is told by `call.ended`.",
    ),
    Route(
        "hand_over",
        "POST",
        "/v1/calls/{id}/handover",
        "Move one side of a call",
        Tag.IN_APP,
        hand_over,
        roles=_PLATFORM,
        body=HandoverIn,
        answers=HandoverBegun,
        status=202,
        parameters=(CALL_ID,),
        missing=errors.LiveCallNotFound,
        errors=HANDOVER_ERRORS,
        description="From the app to the phone or back, while the call is up: the new leg is rung, "
        "and takes the old one's place when it is answered. Else everything stays as it is.",
    ),
    Route(
        "rate_call",
        "POST",
        "/v1/calls/{id}/rating",
        "Rate a call",
        Tag.IN_APP,
        rate,
        roles=_PLATFORM,
        body=RatingIn,
        answers=RatingOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
        description="By one of its participants, once it is over and recorded; a later rating "
        "replaces the earlier. Issues: `echo` (one's own voice), `noise`, `choppy` (words are "
        "missing), `distorted`, `delay`, `quiet`, `one_way` (only one was heard), `silence`, "
        "`dropped`, `other`.",
    ),
)
