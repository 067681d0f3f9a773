"""What is written of calls, as it is written, to the platform: histories and users' call logs.

The same streams that apps have (`api.in_app.streams`), for whoever has a key. A stream ends after
LONGEST, so that a key which was revoked reads no further; its reader comes back with the last id
it saw, and misses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from api.errors import NotFound, Unauthenticated
from api.history import CONVERSATION, READERS, USER, entry_out
from api.in_app import sse
from api.in_app.bus import Bus
from api.in_app.log import Log
from api.in_app.streams import Bounds, Entries, Streams
from api.routing import Answer, Request, Route, Tag
from api.schemas.common import NoBody, NoQuery
from api.schemas.history import HistoryEventsQuery
from api.services import Services
from cdr import history
from cdr.history import HistoryEntry
from masking.model import Language
from storage.database import Database

LONGEST: Final = timedelta(minutes=15)
HISTORY: Final = "history"
"""The kind of the events of a history."""


@dataclass(frozen=True, slots=True)
class _Follower:
    """A key that follows something."""

    username: str
    user_id: str
    expires_at: datetime


class LiveStreams:
    """All streams of this process that keys have opened."""

    def __init__(self, services: Services, log: Log) -> None:
        settings = services.settings
        bounds = Bounds(settings.streams_of_key, settings.streams, settings.keep_alive_s)
        self.logs: Final = Streams(
            services.db, services.bus, services.clock, log.events, bounds, watched=False
        )
        self.histories: Final = Streams(
            services.db,
            Bus(),  # nothing happens to a conversation but its entries
            services.clock,
            partial(_events, services.db, Language.RU),
            bounds,
            history,
            watched=False,
        )

    def __len__(self) -> int:
        return len(self.logs) + len(self.histories)

    async def close(self) -> None:
        """End all streams, so that their readers go to another process."""
        await self.logs.close()
        await self.histories.close()


async def follow_history(request: Request[NoBody, HistoryEventsQuery]) -> Answer:
    """The conversation's entries, as they are written."""
    live = request.running.live.histories
    read = partial(_events, request.services.db, request.query.language)
    return await _follow(request, live, read)


async def follow_call_log(request: Request[NoBody, NoQuery]) -> Answer:
    """The user's entries, as they are written, and what happens in their calls."""
    return await _follow(request, request.running.live.logs, None)


async def _follow(request: Request[Any, Any], streams: Streams, read: Entries | None) -> Answer:
    if request.method == "HEAD":
        return Answer(200, content_type=sse.MEDIA_TYPE)
    if request.key is None:  # the routes are open to nobody without one
        raise Unauthenticated
    followed = request.path["id"]
    reader = _Follower(f"{request.key.id} {followed}", followed, request.now + LONGEST)
    stream = await streams.open(reader, sse.last_event_id(request.last_event_id), read)
    return Answer(200, content_type=sse.MEDIA_TYPE, stream=stream.run)


async def _events(
    db: Database,
    language: Language,
    conversation_id: str,
    after: int | None,
    until: int,
    limit: int,
) -> list[tuple[int, bytes]]:
    """Entries after `after` (None: the newest) up to `until`, as they were written."""

    def work(conn: Connection) -> list[HistoryEntry]:
        if after is None:
            return history.newest_until(conn, conversation_id, until, limit=limit)
        return history.of_conversation_after(conn, conversation_id, after, until, limit=limit)

    return [
        (one.id, sse.event(HISTORY, entry_out(one, language).model_dump(mode="json"), one.id))
        for one in await db.read(work)
    ]


_ENDS: Final = (
    "`end` says why the stream ends: `expired` (after 15 minutes), `replaced` (the key follows the "
    "same thing too often), `restart`, `too_slow`. Ask again with the last id. A comment every "
    "15 s shows that it lives."
)

ROUTES: Final = (
    Route(
        "follow_history",
        "GET",
        "/v1/conversations/{id}/history/events",
        "Follow a conversation's history",
        Tag.CALLS,
        follow_history,
        roles=READERS,
        query=HistoryEventsQuery,
        answers=sse.MEDIA_TYPE,
        parameters=(CONVERSATION,),
        missing=NotFound,
        description="Server-sent events `history`, each an entry with its id, each once and in the "
        "order of writing. With `Last-Event-ID` the stream goes on after that entry; without it "
        f"begins with the newest 500, so that nothing falls between the list and it. {_ENDS}",
    ),
    Route(
        "follow_call_log",
        "GET",
        "/v1/users/{id}/call-log/events",
        "Follow a user's call log",
        Tag.CALLS,
        follow_call_log,
        roles=READERS,
        answers=sse.MEDIA_TYPE,
        parameters=(USER,),
        missing=NotFound,
        description="Server-sent events, the same as the user's apps get: `call.missed` and "
        "`call_log` are entries with their ids, each once and in the order of writing; with "
        "`Last-Event-ID` the stream goes on after that entry, without it begins with what is "
        "unread. `call_log.seen`: the user has looked, here or on a device. `call.quality`, "
        f"`call.handover_offered`, `call.handover`, `call.ended`: what happens now. {_ENDS}",
    ),
)
