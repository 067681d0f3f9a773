"""Live calls over HTTP: what is up now on any node, and the way to end what is on our own."""

from __future__ import annotations

from typing import Any, Final

from api import errors
from api.calls import CALL_ID
from api.routing import NOTHING, Answer, Request, Route, Tag, answer
from api.schemas.calls import LiveCallOut, LiveCallPage
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.services import LiveCall, NodeElsewhere
from storage.keys import KeyRole


async def list_live_calls(request: Request[NoBody, PageQuery]) -> Answer:
    """Live calls, oldest first."""
    shown, more = await request.running.calls_up.oldest(
        request.now, limit=request.query.limit, cursor=request.query.cursor
    )
    return answer(LiveCallPage(items=[_out(call) for call in shown], next_cursor=more))


async def hang_up(request: Request[NoBody, NoQuery]) -> Answer:
    """End a live call."""
    wanted = request.path["id"]
    try:
        await request.services.live.hang_up(wanted)
    except (LookupError, NodeElsewhere):
        raise await not_here(request, wanted) from None
    except (ConnectionError, TimeoutError):
        raise errors.NodeUnavailable from None
    return NOTHING


async def not_here(request: Request[Any, Any], call_id: str) -> errors.ApiError:
    """Why nothing is done about a call that is not on our own node."""
    there = await request.running.calls_up.elsewhere(call_id)
    return errors.LiveCallNotFound() if there is None else errors.CallElsewhere(there)


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
        description="Those of every node, whichever process answers; of other nodes than its own "
        "they are told by their ingesters, a second or so later. Calls of a node of whose ingester "
        "nothing was heard for 45 seconds are left out: nobody knows whether they are still up.",
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
        errors=(errors.CallElsewhere, errors.NodeUnavailable),
        description="Both sides are hung up; the record says that the system ended the call. By "
        "the process that controls its node alone: others answer 409 `call_elsewhere`.",
    ),
)
