"""Calls that are up now, above the list, and as they change: server-sent events.

A live call knows its session and trunks; who is on it is looked up by the session. Filters that a
call can meet only once it is over are not asked of it. Bounded: the newest few are shown, all are
counted; so many lists are followed at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web
from sqlalchemy import Connection, select

from api.console.calls_filter import Asked, understood
from api.console.errors import ConsoleProblem
from api.console.page import Visit
from api.console.render import render, stream
from api.in_app import sse
from api.routing import Write
from api.services import LiveCall
from storage.schema import participants, sessions

STREAM: Final = "/console/live-calls"
SHOWN: Final = 20
_LOOKED_UP: Final = 500  # calls whose sessions are looked at for a filter
_EVERY_S: Final = 1.0
_KEEP_ALIVE_S: Final = 15.0
_WRITE_S: Final = 20.0
MOST: Final = 200  # lists that are followed in this process
MOST_OF_ONE: Final = 12  # by one account
_ASKED: Final = ("session_id", "conversation_id", "listing_id", "user_id", "trunk")


@dataclass(frozen=True, slots=True)
class _Session:
    """Of whom, and about what."""

    conversation_id: str
    listing_id: str | None
    users: dict[str, str]  # by role


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A call that is up."""

    call_id: str
    state: str  # offered, ringing, up
    since: datetime
    session_id: str | None
    conversation_id: str | None
    listing_id: str | None
    caller_role: str | None
    caller_user_id: str | None
    callee_role: str | None
    callee_user_id: str | None
    trunk_in: str | None
    trunk_out: str | None


@dataclass(frozen=True, slots=True)
class Live:
    """The newest calls that are up, and how many there are."""

    rows: tuple[LiveRow, ...]
    count: int
    heard: bool  # of a node; else nothing is known, which is not the same as no calls
    narrowed: bool  # only those of a filter
    query: str


async def snapshot(visit: Visit, asked: Asked) -> Live:
    """Those there are now that the address asks for."""
    asks = {name: asked.values[name] for name in _ASKED if name in asked.values}
    live = visit.running.calls_up
    found = await live.newest(
        visit.services.clock(),
        at_most=_LOOKED_UP if asks else SHOWN,
        session_id=asks.get("session_id"),
        trunk=asks.get("trunk"),
    )
    looked = found.calls
    ids = {one.session_id for one in looked if one.session_id is not None}
    known = await visit.services.db.read(lambda conn: _sessions(conn, ids)) if ids else {}
    rows = [_row(one, known.get(one.session_id or "")) for one in looked]
    if asks:
        rows = [one for one in rows if _meets(one, asks)]
    count = len(rows) if asks else found.count
    heard = found.count > 0 or (await live.now(visit.services.clock())).states is not None
    return Live(tuple(rows[:SHOWN]), count, heard, bool(asks), asked.kept)


async def follow(visit: Visit) -> web.StreamResponse:
    """The same whenever it changes, as a fragment of the page."""
    asked = understood(visit.query)
    following, account = visit.running.console.following, visit.account.id
    if following[account] >= MOST_OF_ONE or following.total() >= MOST:
        raise ConsoleProblem(503, "problem.overloaded")  # the page keeps what it has

    async def pour(write: Write) -> None:
        following[account] += 1
        try:
            await tell(write)
        finally:
            following[account] -= 1

    async def tell(write: Write) -> None:
        last, quiet_s = "", 0.0
        async with asyncio.timeout(_WRITE_S):
            await write(sse.retry(3000))
        while True:
            now = render(visit, "calls/live.html", live=await snapshot(visit, asked)).text or ""
            said = b""
            if now != last:
                last, said = now, sse.event("calls", {"html": now})
            elif quiet_s >= _KEEP_ALIVE_S:
                said = sse.event("alive", {})  # a comment would not reach the page's script
            if said:
                quiet_s = 0.0
                async with asyncio.timeout(_WRITE_S):
                    await write(said)
            await asyncio.sleep(_EVERY_S)
            quiet_s += _EVERY_S

    return stream(visit, pour)


def _meets(row: LiveRow, asks: dict[str, str]) -> bool:
    user = asks.get("user_id")
    return (
        asks.get("conversation_id") in (None, row.conversation_id)
        and asks.get("listing_id") in (None, row.listing_id)
        and (user is None or user in (row.caller_user_id, row.callee_user_id))
    )


def _row(call: LiveCall, session: _Session | None) -> LiveRow:
    users = {} if session is None else session.users
    caller = None if call.caller is None else call.caller.value
    callee = None if call.callee is None else call.callee.value
    return LiveRow(
        call_id=call.call_id,
        state=call.state,
        since=call.since,
        session_id=call.session_id,
        conversation_id=None if session is None else session.conversation_id,
        listing_id=None if session is None else session.listing_id,
        caller_role=caller,
        caller_user_id=users.get(caller or ""),
        callee_role=callee,
        callee_user_id=users.get(callee or ""),
        trunk_in=call.trunk_in,
        trunk_out=call.trunk_out,
    )


def _sessions(conn: Connection, ids: set[str]) -> dict[str, _Session]:
    wanted = sorted(ids)
    users: dict[str, dict[str, str]] = {}
    sides = select(participants.c.session_id, participants.c.role, participants.c.user_id)
    for row in conn.execute(sides.where(participants.c.session_id.in_(wanted))):
        users.setdefault(row.session_id, {})[row.role] = row.user_id
    about = select(sessions.c.id, sessions.c.conversation_id, sessions.c.listing_id)
    return {
        row.id: _Session(row.conversation_id, row.listing_id, users.get(row.id, {}))
        for row in conn.execute(about.where(sessions.c.id.in_(wanted)))
    }
