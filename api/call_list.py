"""The list of calls over HTTP, with every filter: in the address, or in a body that takes a phone.

Calls that are over, as `cdr` recorded them. A phone never stands in an address: those are logged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from api.call_filter import filter_of
from api.calls import READERS, call_out, states_of
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.call_filter import CallsQuery, CallsSearchIn
from api.schemas.calls import CallPage
from api.schemas.common import NoBody, NoQuery
from cdr import records
from cdr.record_filter import Filter
from storage import ratings


async def list_calls(request: Request[NoBody, CallsQuery]) -> Answer:
    """Calls, newest first."""
    query = request.query
    wanted = filter_of(query, request.services.vault)
    return await request.services.db.read(_page(wanted, query.limit, query.cursor))


async def search_calls(request: Request[CallsSearchIn, NoQuery]) -> Answer:
    """The same, asked for in a body."""
    sent = request.body
    wanted = filter_of(sent, request.services.vault)
    return await request.services.db.read(_page(wanted, sent.limit, sent.cursor))


def _page(wanted: Filter, limit: int, cursor: str | None) -> Callable[[Connection], Answer]:
    def work(conn: Connection) -> Answer:
        page = records.page(conn, wanted, limit=limit, cursor=cursor)
        rated = ratings.of_calls(conn, [one.call_id for one in page.items])
        states = states_of(conn, page.items)
        items = [
            call_out(one, rated.get(one.call_id, ()), states.get(one.call_id)) for one in page.items
        ]
        return answer(CallPage(items=items, next_cursor=page.next_cursor))

    return work


_ABOUT: Final = (
    "Calls that are over, newest first; those that meet all that is given. For those that are up "
    "see /v1/live-calls. Where several things are asked for that hardly ever come together, a page "
    "may hold fewer calls than `limit`, even none, and still have a `next_cursor`: go on with it "
    "until it is null."
)

ROUTES: Final = (
    Route(
        "list_calls",
        "GET",
        "/v1/calls",
        "List calls",
        Tag.CALLS,
        list_calls,
        roles=READERS,
        query=CallsQuery,
        answers=CallPage,
        description=f"{_ABOUT} Lists are written with commas: `outcome=missed,busy`.",
    ),
    Route(
        "search_calls",
        "POST",
        "/v1/calls/search",
        "Search calls",
        Tag.CALLS,
        search_calls,
        roles=READERS,
        body=CallsSearchIn,
        body_optional=True,
        answers=CallPage,
        description=f"As a list of calls, and by `phone`, which no address may hold. {_ABOUT}",
    ),
)
