"""Live calls over HTTP: what is up now, and the way to end it."""

from __future__ import annotations

from typing import Final

from api import errors
from api.calls import CALL_ID
from api.routing import NOTHING, Answer, Request, Route, Tag, answer
from api.schemas.calls import LiveCallOut, LiveCallPage
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.services import LiveCall
from storage.keys import KeyRole


async def list_live_calls(request: Request[NoBody, PageQuery]) -> Answer:
    """Live calls, oldest first; the cursor is the id of the last one shown."""
    query = request.query
    calls = sorted(request.services.live.live_calls(), key=lambda call: (call.since, call.call_id))
    if query.cursor is not None:
        begun = [index for index, call in enumerate(calls) if call.call_id == query.cursor]
        # The call behind the cursor may have ended since: then all are shown again, none is missed.
        calls = calls[begun[0] + 1 :] if begun else calls
    shown = calls[: query.limit]
    more = shown[-1].call_id if len(calls) > len(shown) else None
    return answer(LiveCallPage(items=[_out(call) for call in shown], next_cursor=more))


async def hang_up(request: Request[NoBody, NoQuery]) -> Answer:
    """End a live call."""
    try:
        await request.services.live.hang_up(request.path["id"])
    except LookupError:
        raise errors.LiveCallNotFound from None
    except (ConnectionError, TimeoutError):
        raise errors.NodeUnavailable from None
    return NOTHING


def _out(call: LiveCall) -> LiveCallOut:
    return LiveCallOut(
        call_id=call.call_id,
        session_id=call.session_id,
        caller=call.caller,
        callee=call.callee,
        trunk_in=call.trunk_in,
        trunk_out=call.trunk_out,
        state=call.state,
        since=call.since,
    )


_ROLES: Final = frozenset({KeyRole.STAFF, KeyRole.OPERATOR})

ROUTES: Final = (
    Route(
        "list_live_calls",
        "GET",
        "/v1/live-calls",
        "List live calls",
        Tag.LIVE_CALLS,
        list_live_calls,
        roles=_ROLES,
        query=PageQuery,
        answers=LiveCallPage,
    ),
    Route(
        "hang_up",
        "DELETE",
        "/v1/live-calls/{id}",
        "End a live call",
        Tag.LIVE_CALLS,
        hang_up,
        roles=_ROLES,
        answers=None,
        status=204,
        parameters=(CALL_ID,),
        missing=errors.LiveCallNotFound,
        errors=(errors.NodeUnavailable,),
        description="Both sides are hung up; the record says that the system ended the call.",
    ),
)
