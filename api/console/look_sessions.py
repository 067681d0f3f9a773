"""Sessions in the console: found by what they are about, and one with all that is known of it.

Phones stay sealed: nothing here opens one. A phone to search by comes in a form, never in an
address, and is not shown again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, remember
from api.console.look_fields import Fields, Wrong, choice, identifier, known, phone, required
from api.console.page import Page, Visit
from api.console.render import render, see
from cdr import records
from cdr.model import CallRecord
from cdr.record_filter import Filter
from masking.model import Lease, LeaseState, Participant, Session, SessionState
from masking.staff import Right
from storage import blocks, enrolments, participation, sessions
from storage.audit import Action
from storage.blocks import Block
from storage.enrolments import CallerNumber

SESSION_ID: Final = r"ses_[0-9a-z]{26}"
_AT_ONCE: Final = 50
_RECENT: Final = 10  # calls, and other sessions of the conversation
_STATES: Final = frozenset(one.value for one in SessionState)
_DONE: Final = frozenset({"closed", "extended", "joined"})
_READ: Final[Mapping[str, Callable[[Fields, str], str | None]]] = {
    **dict.fromkeys(("conversation_id", "listing_id", "user_id"), identifier),
    "state": lambda fields, name: choice(fields, name, _STATES),
}


@dataclass(frozen=True, slots=True)
class Side:
    """A participant as the page shows them: a card and a proxy number, no phone."""

    who: Participant
    lease: Lease | None  # None: reachable in the app only
    state: LeaseState | None
    others: tuple[CallerNumber, ...]  # other phones that may call as them


@dataclass(frozen=True, slots=True)
class Whole:
    """All that the page of a session shows."""

    session: Session
    state: SessionState
    sides: tuple[Side, ...]
    blocks: tuple[Block, ...]  # of the two for each other
    calls: tuple[CallRecord, ...]
    more_calls: bool
    siblings: tuple[Session, ...]  # other sessions of the conversation
    live: int  # calls that are up now


async def list_sessions(visit: Visit) -> web.StreamResponse:
    """Sessions by conversation, listing, user and state, the newest first."""
    try:
        asked = _asked(visit.query)
    except Wrong as error:
        return _listed(visit, _right(visit.query), (), wrong=error, status=422)
    state = asked.get("state")
    page = await visit.services.db.read(
        lambda conn: sessions.page(
            conn,
            None,
            conversation_id=asked.get("conversation_id"),
            listing_id=asked.get("listing_id"),
            user_id=asked.get("user_id"),
            state=None if state is None else SessionState(state),
            limit=_AT_ONCE,
            cursor=visit.asked("cursor") or None,
            now=visit.now,
        )
    )
    return _listed(visit, asked, page.items, cursor=page.next_cursor)


async def find(visit: Visit) -> web.StreamResponse:
    """On to what was typed, once it is sure to be no phone: it becomes a part of an address."""
    try:
        asked = _asked(visit.form)
        wanted = identifier(visit.form, "id")
    except Wrong as error:
        return _listed(visit, _right(visit.form), (), wrong=error, status=422)
    if wanted is None:
        return see("/console/sessions" + (f"?{urlencode(asked)}" if asked else ""))
    if not await visit.services.db.read(lambda conn: participation.exists(conn, wanted)):
        return _listed(visit, asked, (), wrong=Wrong("id"), status=404)
    return see(f"/console/sessions/{wanted}")


def _asked(fields: Fields) -> dict[str, str]:
    """What is looked for. Raises Wrong."""
    found = {name: read(fields, name) for name, read in _READ.items()}
    return {name: value for name, value in found.items() if value is not None}


def _right(fields: Fields) -> dict[str, str]:
    """The part of what is looked for that is not wrong: it stays in the form."""
    found: dict[str, str] = {}
    for name in _READ:
        with suppress(Wrong):
            found |= _asked({name: fields.get(name, [])})
    return found


async def find_by_phone(visit: Visit) -> web.StreamResponse:
    """Sessions in which a phone takes part. It is looked for by its blind index."""
    vault = visit.services.vault
    try:
        wanted = required(phone(visit.form, "phone"), "phone")
    except Wrong as error:
        return _listed(visit, {}, (), wrong=error, by_phone=True, status=422)

    def work(conn: Connection) -> tuple[tuple[Session, ...], bool]:
        return sessions.of_phone(conn, vault, wanted, limit=_AT_ONCE)

    found, more = await visit.services.db.read(work)
    facts = {"found": len(found)}
    await remember(visit, Deed(Action.PHONE_SEARCHED, "sessions", facts=facts))
    return _listed(visit, {}, found, by_phone=True, more=more)


async def show_session(visit: Visit) -> web.StreamResponse:
    """One session."""
    wanted = visit.path["id"]
    live = await visit.running.calls_up.of_session(visit.now, wanted)
    whole = await visit.services.db.read(lambda conn: whole_of(conn, wanted, visit.now, live))
    if whole is None:
        raise ConsoleProblem(404, "look.session.missing")
    return render(visit, "look/session.html", one=whole, done=known(visit.query, "done", _DONE))


def whole_of(conn: Connection, wanted: str, now: datetime, live: int) -> Whole | None:
    """The session with all that belongs to it; None: there is none."""
    session = sessions.get(conn, None, wanted)
    if session is None:
        return None
    others = enrolments.caller_numbers(conn, wanted, now)
    calls = records.page(conn, Filter(session_id=wanted), limit=_RECENT)
    family = sessions.page(
        conn, None, conversation_id=session.conversation_id, limit=_RECENT + 1, now=now
    )
    return Whole(
        session=session,
        state=session.state(now),
        sides=tuple(_side(session, one, others, now) for one in session.participants),
        blocks=blocks.between(conn, *(one.user_id for one in session.participants)),
        calls=calls.items,
        more_calls=calls.next_cursor is not None,
        siblings=tuple(one for one in family.items if one.id != wanted)[:_RECENT],
        live=live,
    )


def _side(
    session: Session, one: Participant, others: tuple[CallerNumber, ...], now: datetime
) -> Side:
    lease = session.lease(one.role)
    state = None if lease is None else lease.state(now)
    return Side(one, lease, state, tuple(each for each in others if each.role is one.role))


def _listed(
    visit: Visit,
    asked: dict[str, str],
    found: tuple[Session, ...],
    *,
    wrong: Wrong | None = None,
    cursor: str | None = None,
    by_phone: bool = False,
    more: bool = False,
    status: int = 200,
) -> web.StreamResponse:
    rows = [(one, one.state(visit.now)) for one in found]
    return render(
        visit,
        "look/sessions.html",
        status=status,
        rows=rows,
        asked=asked,
        states=_states(visit),
        state=asked.get("state", ""),
        wrong=wrong,
        by_phone=by_phone,
        more=more,
        cursor=cursor,
    )


def _states(visit: Visit) -> list[tuple[str, str]]:
    words = visit.texts
    states = [(one.value, words(f"look.session.state.{one.value}")) for one in SessionState]
    return [("", words("look.all")), *states]


_ONE: Final = {"id": SESSION_ID}

PAGES: Final = (
    Page("GET", "/console/sessions", list_sessions, Right.LOOK_UP),
    Page("POST", "/console/sessions/find", find, Right.LOOK_UP),
    Page(
        "POST",
        "/console/sessions/by-phone",
        find_by_phone,
        Right.SEARCH_PHONE,
        refusal=Action.PHONE_SEARCHED,
    ),
    Page("GET", "/console/sessions/{id}", show_session, Right.LOOK_UP, _ONE),
)
