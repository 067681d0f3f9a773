"""Sessions and their leases: opened, extended, closed, read.

The first is the business of `storage.opening`, the next two of `storage.endings`; here they are
together, for whoever keeps sessions.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    select,
    update,
)

from masking.model import Phone, Session, SessionState
from storage.endings import EndedCall, call_ended, calls_ended, close, extend
from storage.opening import CallsUnknown, open_session
from storage.pages import Order, Page
from storage.people import held_by
from storage.schema import leases, participants, sessions
from storage.session_rows import (
    session_of,
    sessions_of,
    sides,
)
from storage.vault import Vault

__all__ = [
    "CallsUnknown",
    "EndedCall",
    "call_ended",
    "calls_ended",
    "close",
    "extend",
    "get",
    "of_phone",
    "open_session",
    "page",
    "sweep",
]

_BY_ID: Final = (
    sides().where(sessions.c.id == bindparam("wanted")).order_by(participants.c.position)
)
_PAGES: Final = Order("sessions", (sessions.c.id,), (str,))
_PAGES_OF_USER: Final = Order("sessions", (participants.c.session_id,), (str,))  # as indexed


def get(conn: Connection, vault: Vault | None, session_id: str) -> Session | None:
    """The session of that id; without a vault its phones are None. Raises SealBroken."""
    two = tuple(conn.execute(_BY_ID, {"wanted": session_id}))
    return session_of(two, vault) if two else None


def page(  # noqa: PLR0913 (a list and its filters)
    conn: Connection,
    vault: Vault | None,
    *,
    conversation_id: str | None = None,
    user_id: str | None = None,
    listing_id: str | None = None,
    state: SessionState | None = None,
    limit: int = 100,
    cursor: str | None = None,
    now: datetime,
) -> Page[Session]:
    """Sessions, the newest first; without a vault their phones stay sealed and are None.

    Raises BadCursor, SealBroken.
    """
    order, query = _PAGES, select(sessions.c.id)
    if user_id is not None:
        order, query = _PAGES_OF_USER, query.join_from(participants, sessions)
        query = query.where(participants.c.user_id == user_id)
    if conversation_id is not None:
        query = query.where(sessions.c.conversation_id == conversation_id)
    if listing_id is not None:
        query = query.where(sessions.c.listing_id == listing_id)
    if state is not None:
        query = _in_state(query, state, now)
    ids = conn.execute(order.apply(query, limit=limit, cursor=cursor)).all()
    wanted = sides().where(sessions.c.id.in_([row.id for row in ids[:limit]]))
    rows = conn.execute(wanted.order_by(sessions.c.id, participants.c.position))
    found = {session.id: session for session in sessions_of(rows, vault)}
    return order.page(ids, limit=limit, key=lambda row: (row.id,), item=lambda row: found[row.id])


def of_phone(
    conn: Connection, vault: Vault, phone: Phone, *, limit: int
) -> tuple[tuple[Session, ...], bool]:
    """Sessions in which this phone calls, or called, the newest first; and whether there are more.

    Also those in which it was enrolled for a participant. Their phones stay sealed and are None.
    """
    found: set[str] = set()
    for held in held_by((vault.index(phone),)):
        ids = select(leases.c.session_id).where(held).distinct()
        found.update(conn.scalars(ids.order_by(leases.c.session_id.desc()).limit(limit + 1)))
    newest = sorted(found, reverse=True)
    wanted = sides().where(sessions.c.id.in_(newest[:limit]))
    rows = conn.execute(wanted.order_by(sessions.c.id.desc(), participants.c.position))
    return sessions_of(rows, None), len(newest) > limit


def sweep(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Release places whose cool-down is over, the oldest first; says how many.

    Nothing depends on it: a place is also taken over in the moment it is wanted. It keeps the index
    of places small.
    """
    over = (
        select(leases.c.session_id, leases.c.position, leases.c.slot)
        .where(leases.c.active, leases.c.reserved_until <= now)
        .order_by(leases.c.reserved_until)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    release = (
        update(leases)
        .where(
            leases.c.session_id == bindparam("of_session"),
            leases.c.position == bindparam("at_position"),
            leases.c.slot == bindparam("at_slot"),
        )
        .values(active=False)
    )
    rows = conn.execute(over).all()
    if rows:
        places = [
            {"of_session": row.session_id, "at_position": row.position, "at_slot": row.slot}
            for row in rows
        ]
        conn.execute(release, places)
    return len(rows)


def _in_state(query: Select[Any], state: SessionState, now: datetime) -> Select[Any]:
    closed = and_(sessions.c.closed_at.is_not(None), sessions.c.closed_at <= now)
    match state:
        case SessionState.CLOSED:
            return query.where(closed)
        case SessionState.EXPIRED:
            return query.where(~closed, sessions.c.expires_at <= now)
        case SessionState.OPEN:
            return query.where(~closed, sessions.c.expires_at > now)
