"""What people see of their calls, over HTTP: a conversation's history and a user's call log."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from api.errors import NotFound
from api.in_app.log import page_out
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.history import (
    CallLogPage,
    CallLogQuery,
    HandedOverOut,
    HistoryEntryOut,
    HistoryPage,
    HistoryQuery,
    HistorySeenIn,
    SeenIn,
    SeenOut,
    SideOut,
    TextsOut,
    UnreadCounts,
    UnreadIn,
    UnreadOut,
)
from api.schemas.patterns import IDENTIFIER
from api.schemas.sessions import ListingOut
from api.services import Services
from cdr import call_log, history
from cdr.history import HistoryEntry, Side
from cdr.wording import wording
from masking.model import Language, Listing
from masking.outcome import EndedBy
from storage.keys import KeyRole


async def get_history(request: Request[NoBody, HistoryQuery]) -> Answer:
    """A conversation's calls, newest first."""
    query, conversation_id = request.query, request.path["id"]
    user_id = query.user_id

    def work(conn: Connection) -> Answer:
        page = history.page(conn, conversation_id, limit=query.limit, cursor=query.cursor)
        items = [entry_out(entry, query.language) for entry in page.items]
        if user_id is None:
            return answer(HistoryPage(items=items, next_cursor=page.next_cursor))
        unread = call_log.unread_of_conversation(conn, user_id, conversation_id)
        told = [one.model_copy(update={"unread": one.call_id in unread}) for one in items]
        return answer(
            HistoryPage(items=told, next_cursor=page.next_cursor, unread_count=len(unread))
        )

    return await request.services.db.read(work)


async def see_history(request: Request[HistorySeenIn, NoQuery]) -> Answer:
    """A user has looked at the conversation."""
    conversation_id, now = request.path["id"], request.now
    user_id, until = request.body.user_id, request.body.until

    def work(conn: Connection) -> Answer:
        marked = call_log.mark_conversation_read(
            conn, user_id, conversation_id, until=until, now=now
        )
        return answer(SeenOut(marked=marked))

    seen = await request.commit(work)
    _tell_seen(request.services, user_id, until, conversation_id)
    return seen


async def count_unread(request: Request[UnreadIn, NoQuery]) -> Answer:
    """What several users have not seen yet."""
    wanted = list(dict.fromkeys(request.body.user_ids))
    counts = await request.services.db.read(lambda conn: call_log.unread_counts(conn, wanted))
    return answer(
        UnreadCounts(items=[UnreadOut(user_id=one, unread_count=counts[one]) for one in wanted])
    )


def _tell_seen(
    services: Services, user_id: str, until: datetime, conversation_id: str | None = None
) -> None:
    """Tell the user's streams that they have looked: at all, or at one conversation."""
    data = {"until": until.isoformat().replace("+00:00", "Z"), "conversation_id": conversation_id}
    services.bus.publish(user_id, "call_log.seen", data)


async def get_call_log(request: Request[NoBody, CallLogQuery]) -> Answer:
    """A user's calls, newest first."""
    query, user_id, now = request.query, request.path["id"], request.now
    host = request.services.settings.sip_host
    page = await request.services.db.read(lambda conn: page_out(conn, user_id, query, now, host))
    return answer(page)


async def mark_seen(request: Request[SeenIn, NoQuery]) -> Answer:
    """The user has looked."""
    return await log_seen(request, request.path["id"])


async def log_seen(request: Request[SeenIn, NoQuery], user_id: str) -> Answer:
    """The user has looked at the call log, whoever says so."""
    until, now = request.body.until, request.now

    def work(conn: Connection) -> Answer:
        marked = call_log.mark_read(conn, user_id, until=until, now=now)
        return answer(SeenOut(marked=marked))

    seen = await request.commit(work)
    _tell_seen(request.services, user_id, until)
    return seen


def entry_out(entry: HistoryEntry, language: Language) -> HistoryEntryOut:
    """The entry, read in `language`."""
    return HistoryEntryOut(
        id=entry.id,
        kind="call",
        conversation_id=entry.conversation_id,
        call_id=entry.call_id,
        at=entry.at,
        outcome=entry.outcome,
        reason=entry.reason,
        session_id=entry.session_id,
        listing=_listing(entry.listing),
        caller=_side(entry.caller),
        callee=_side(entry.callee),
        shown_to=list(entry.shown_to),
        text=TextsOut(
            caller=_text(entry, EndedBy.CALLER, language),
            callee=_text(entry, EndedBy.CALLEE, language),
        ),
        why=entry.why,
        came_by=entry.came_by,
        channel=entry.channel,
        handovers=[
            HandedOverOut(side=one.side, to=one.target, at=one.at) for one in entry.handovers
        ],
        ended_by=entry.ended_by,
        ring_s=entry.ring_ms / 1000,
        talk_s=entry.talk_ms / 1000,
    )


def _text(entry: HistoryEntry, side: EndedBy, language: Language) -> str | None:
    if side not in entry.shown_to:
        return None
    reason = entry.reason or entry.why
    return wording(side, entry.outcome, talk_ms=entry.talk_ms, reason=reason, language=language)


def _listing(listing: Listing | None) -> ListingOut | None:
    return None if listing is None else ListingOut(id=listing.id, title=listing.title)


def _side(side: Side | None) -> SideOut | None:
    return None if side is None else SideOut(role=side.role, user_id=side.user_id)


CONVERSATION: Final = PathParameter("id", IDENTIFIER, "The conversation's id", "chat-81")
USER: Final = PathParameter("id", IDENTIFIER, "The user's id", "u-2")
READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})

ROUTES: Final = (
    Route(
        "get_history",
        "GET",
        "/v1/conversations/{id}/history",
        "A conversation's history",
        Tag.CALLS,
        get_history,
        roles=READERS,
        query=HistoryQuery,
        answers=HistoryPage,
        parameters=(CONVERSATION,),
        missing=NotFound,
        description="One entry a call. A conversation without calls has an empty history. From "
        "page to page each entry that was there at first comes exactly once, whatever is written "
        "meanwhile; what is written then is told by the stream of events.",
    ),
    Route(
        "see_history",
        "POST",
        "/v1/conversations/{id}/history/seen",
        "A user has looked at the conversation",
        Tag.CALLS,
        see_history,
        roles=_PLATFORM,
        body=HistorySeenIn,
        answers=SeenOut,
        parameters=(CONVERSATION,),
        missing=NotFound,
        description="Its calls are then read in the user's call log as well.",
    ),
    Route(
        "count_unread",
        "POST",
        "/v1/call-log/unread",
        "Count what users have not seen yet",
        Tag.CALLS,
        count_unread,
        roles=READERS,
        body=UnreadIn,
        answers=UnreadCounts,
        description="Of up to 500 users at once. It changes nothing.",
    ),
    Route(
        "get_call_log",
        "GET",
        "/v1/users/{id}/call-log",
        "A user's call log",
        Tag.CALLS,
        get_call_log,
        roles=READERS,
        query=CallLogQuery,
        answers=CallLogPage,
        parameters=(USER,),
        missing=NotFound,
        description="As a phone shows it. A user without calls has an empty log.",
    ),
    Route(
        "mark_seen",
        "POST",
        "/v1/users/{id}/call-log/seen",
        "The user has looked at the call log",
        Tag.CALLS,
        mark_seen,
        roles=_PLATFORM,
        body=SeenIn,
        answers=SeenOut,
        parameters=(USER,),
        missing=NotFound,
    ),
)
