"""What people see of their calls, over HTTP: a conversation's history and a user's call log."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from api.errors import NotFound
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.history import (
    CallLogPage,
    CallLogQuery,
    CardOut,
    HistoryEntryOut,
    HistoryPage,
    HistoryQuery,
    LogEntryOut,
    SeenIn,
    SeenOut,
    SideOut,
    TextsOut,
)
from api.schemas.patterns import IDENTIFIER
from api.schemas.sessions import ListingOut
from cdr import call_log, history
from cdr.call_log import LogEntry
from cdr.history import HistoryEntry, Side
from cdr.wording import wording
from masking.model import Language, Listing
from masking.outcome import EndedBy
from storage.keys import KeyRole


async def get_history(request: Request[NoBody, HistoryQuery]) -> Answer:
    """A conversation's calls, newest first."""
    query, conversation_id = request.query, request.path["id"]
    page = await request.services.db.read(
        lambda conn: history.page(conn, conversation_id, limit=query.limit, cursor=query.cursor)
    )
    items = [_entry_out(entry, query.language) for entry in page.items]
    return answer(HistoryPage(items=items, next_cursor=page.next_cursor))


async def get_call_log(request: Request[NoBody, CallLogQuery]) -> Answer:
    """A user's calls, newest first."""
    query, user_id = request.query, request.path["id"]

    def work(conn: Connection) -> Answer:
        page = call_log.page(
            conn,
            user_id,
            limit=query.limit,
            cursor=query.cursor,
            outcome=query.outcome,
            unread=query.unread,
        )
        unread = call_log.unread_count(conn, user_id)
        items = [_log_entry_out(entry) for entry in page.items]
        return answer(CallLogPage(items=items, next_cursor=page.next_cursor, unread_count=unread))

    return await request.services.db.read(work)


async def mark_seen(request: Request[SeenIn, NoQuery]) -> Answer:
    """The user has looked."""
    user_id, until, now = request.path["id"], request.body.until, request.now

    def work(conn: Connection) -> Answer:
        marked = call_log.mark_read(conn, user_id, until=until, now=now)
        return answer(SeenOut(marked=marked))

    return await request.commit(work)


def _entry_out(entry: HistoryEntry, language: Language) -> HistoryEntryOut:
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
        channel=entry.channel,
        ended_by=entry.ended_by,
        ring_s=entry.ring_ms / 1000,
        talk_s=entry.talk_ms / 1000,
    )


def _text(entry: HistoryEntry, side: EndedBy, language: Language) -> str | None:
    if side not in entry.shown_to:
        return None
    return wording(
        side, entry.outcome, talk_ms=entry.talk_ms, reason=entry.reason, language=language
    )


def _log_entry_out(entry: LogEntry) -> LogEntryOut:
    card = entry.card
    return LogEntryOut(
        id=entry.id,
        call_id=entry.call_id,
        session_id=entry.session_id,
        direction=entry.direction,
        outcome=entry.outcome,
        at=entry.at,
        card=CardOut(role=entry.role, name=card.name, rating=card.rating, facts=dict(card.facts)),
        listing=_listing(entry.listing),
        ring_s=entry.ring_ms / 1000,
        talk_s=entry.talk_ms / 1000,
        unread=entry.unread,
    )


def _listing(listing: Listing | None) -> ListingOut | None:
    return None if listing is None else ListingOut(id=listing.id, title=listing.title)


def _side(side: Side | None) -> SideOut | None:
    return None if side is None else SideOut(role=side.role, user_id=side.user_id)


_CONVERSATION: Final = PathParameter("id", IDENTIFIER, "The conversation's id", "chat-81")
_USER: Final = PathParameter("id", IDENTIFIER, "The user's id", "u-2")
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})

ROUTES: Final = (
    Route(
        "get_history",
        "GET",
        "/v1/conversations/{id}/history",
        "A conversation's history",
        Tag.CALLS,
        get_history,
        roles=_READERS,
        query=HistoryQuery,
        answers=HistoryPage,
        parameters=(_CONVERSATION,),
        missing=NotFound,
        description="One entry a call. A conversation without calls has an empty history.",
    ),
    Route(
        "get_call_log",
        "GET",
        "/v1/users/{id}/call-log",
        "A user's call log",
        Tag.CALLS,
        get_call_log,
        roles=_READERS,
        query=CallLogQuery,
        answers=CallLogPage,
        parameters=(_USER,),
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
        parameters=(_USER,),
        missing=NotFound,
    ),
)
