"""A user's call log as it goes out: to the platform, to the app, and into its event stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from api.in_app import sse
from api.schemas.history import (
    CallBackOut,
    CallLogPage,
    CallLogQuery,
    CardOut,
    LogEntryOut,
    OwnRatingOut,
    WordsOut,
)
from api.schemas.sessions import ListingOut
from cdr import call_log
from cdr.call_log import Direction, LogEntry
from cdr.wording import ERASED, wording
from masking.model import Language, Session
from masking.outcome import EndedBy, Outcome
from storage import participation, ratings
from storage.database import Database
from storage.ratings import Rating

_ERASED = WordsOut(ru=ERASED[Language.RU], en=ERASED[Language.EN])

MISSED, OTHER = "call.missed", "call_log"
"""The kinds of events."""


def entries_out(
    conn: Connection, entries: Sequence[LogEntry], now: datetime, sip_host: str
) -> list[LogEntryOut]:
    """The entries with the ways to call back, and with what their user said of the calls."""
    wanted = {one.session_id for one in entries if one.session_id is not None}
    sessions = participation.open_sessions(conn, wanted, now)
    rated = ratings.of_calls(conn, {one.call_id for one in entries})
    return [
        _out(
            one,
            _call_back(sessions.get(one.session_id or ""), one.user_id, now, sip_host),
            _own(rated.get(one.call_id, ()), one.user_id),
        )
        for one in entries
    ]


def page_out(
    conn: Connection, user_id: str, query: CallLogQuery, now: datetime, sip_host: str
) -> CallLogPage:
    """A page of the user's calls, newest first. Raises BadCursor."""
    page = call_log.page(
        conn,
        user_id,
        limit=query.limit,
        cursor=query.cursor,
        outcome=query.outcome,
        unread=query.unread,
    )
    return CallLogPage(
        items=entries_out(conn, page.items, now, sip_host),
        next_cursor=page.next_cursor,
        unread_count=call_log.unread_count(conn, user_id),
    )


class Log:
    """The call log as events of a stream."""

    def __init__(self, db: Database, clock: Callable[[], datetime], sip_host: str) -> None:
        self._db = db
        self._clock = clock
        self._sip_host = sip_host

    async def events(
        self, user_id: str, after: int | None, until: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Entries after `after` (None: the newest unread) up to `until`, as they were written.

        Raises StorageError.
        """

        def work(conn: Connection) -> list[LogEntryOut]:
            found = (
                call_log.unread_until(conn, user_id, until, limit=limit)
                if after is None
                else call_log.of_user_after(conn, user_id, after, until, limit=limit)
            )
            return entries_out(conn, found, self._clock(), self._sip_host)

        found = await self._db.read(work)
        return [(one.id, _event(one)) for one in found]


def _event(entry: LogEntryOut) -> bytes:
    missed = entry.direction is Direction.IN and entry.outcome is Outcome.MISSED
    return sse.event(MISSED if missed else OTHER, entry.model_dump(mode="json"), entry.id)


def _out(entry: LogEntry, back: CallBackOut | None, rating: OwnRatingOut | None) -> LogEntryOut:
    card, listing = entry.card, entry.listing
    return LogEntryOut(
        id=entry.id,
        call_id=entry.call_id,
        session_id=entry.session_id,
        direction=entry.direction,
        outcome=entry.outcome,
        at=entry.at,
        card=CardOut(
            role=entry.role,
            name=card.name,
            rating=card.rating,
            facts=dict(card.facts),
            erased=_ERASED if entry.erased else None,
        ),
        listing=None if listing is None else ListingOut(id=listing.id, title=listing.title),
        ring_s=entry.ring_ms / 1000,
        talk_s=entry.talk_ms / 1000,
        reason=entry.reason,
        text=WordsOut(ru=_words(entry, Language.RU), en=_words(entry, Language.EN)),
        unread=entry.unread,
        call_back=back,
        rating=rating,
    )


def _words(entry: LogEntry, language: Language) -> str:
    side = EndedBy.CALLEE if entry.direction is Direction.IN else EndedBy.CALLER
    return wording(
        side, entry.outcome, talk_ms=entry.talk_ms, reason=entry.reason, language=language
    )


def _call_back(
    session: Session | None, user_id: str, now: datetime, sip_host: str
) -> CallBackOut | None:
    if session is None:
        return None
    dial = participation.dial_of(session, user_id, now)
    return CallBackOut(
        session_id=session.id,
        app=f"sip:{session.id}@{sip_host}",
        gsm=None if dial is None else dial.number,
        extension=None if dial is None else dial.extension or None,
        tel=None if dial is None else dial.tel,
    )


def _own(found: Sequence[Rating], user_id: str) -> OwnRatingOut | None:
    for one in found:
        if one.user_id == user_id:
            return OwnRatingOut(stars=one.stars, issues=list(one.issues))
    return None
