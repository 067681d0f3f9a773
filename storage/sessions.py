"""Sessions and their leases: opened, extended, closed, read.

That no two leases which live or cool down share number and phone is the database's own rule
(`uq_leases_live_or_cooling`); what is chosen here only saves it the trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    insert,
    select,
    update,
)

from masking import allocation, lifecycle
from masking.errors import PhoneIsProxy, UnknownPool
from masking.lifecycle import SessionDraft
from masking.model import Session, SessionState
from storage import numbers as number_rows
from storage.endings import EndedCall, call_ended, calls_ended, close, extend
from storage.number_cache import numbers_of
from storage.pages import Order, Page
from storage.schema import leases, numbers, participants, pools, sessions
from storage.session_rows import (
    lease_rows,
    participant_rows,
    session_of,
    session_row,
    sessions_of,
    sides,
)
from storage.vault import Vault

__all__ = [
    "EndedCall",
    "call_ended",
    "calls_ended",
    "close",
    "extend",
    "get",
    "open_session",
    "page",
    "sweep",
]

_Indexes = tuple[bytes | None, bytes | None]

_BOTH: Final[tuple[BindParameter[bytes], ...]] = (bindparam("first"), bindparam("second"))
_pool_and_held: tuple[ColumnElement[Any], ...] = (
    *pools.c["name", "cool_down_s", "language", "ring_s", "max_call_s", "rules", "version"],
    exists()
    .where(numbers.c.e164.in_((bindparam("first_phone"), bindparam("second_phone"))))
    .label("phone_is_proxy"),
    *leases.c["phone_index", "number_id", "reserved_until"],
)
_held_by_either: Final = and_(leases.c.phone_index.in_(_BOTH), leases.c.active)
_POOL_AND_HELD: Final = (
    select(*_pool_and_held)
    .join_from(pools, leases, _held_by_either, isouter=True)
    .where(pools.c.name == bindparam("wanted"))
)
"""The pool, once for each lease that either phone has; once with NULLs if neither has any."""

_RECLAIM: Final = (
    update(leases)
    .where(
        leases.c.phone_index.in_(_BOTH),
        leases.c.active,
        leases.c.reserved_until <= bindparam("at"),
    )
    .values(active=False)
)
_INSERT_SESSION: Final = insert(sessions)
_INSERT_PARTICIPANTS: Final = insert(participants)
_INSERT_LEASES: Final = insert(leases)
_BY_ID: Final = (
    sides().where(sessions.c.id == bindparam("wanted")).order_by(participants.c.position)
)
_PAGES: Final = Order("sessions", (sessions.c.id,), (str,))
_PAGES_OF_USER: Final = Order("sessions", (participants.c.session_id,), (str,))  # as indexed


def open_session(
    conn: Connection,
    vault: Vault,
    draft: SessionDraft,
    *,
    now: datetime,
    session_id: str,
    rotation: int,
) -> Session:
    """Open a session with a lease for each participant who has a phone.

    `rotation` is a counter that rises by one with every session (see `masking.allocation`). Raises
    UnknownPool, PoolExhausted, PhoneIsProxy, and what `masking.lifecycle.check` raises.
    """
    first, second = lifecycle.check(draft)
    indexes: _Indexes = (
        None if first.phone is None else vault.index(first.phone),
        None if second.phone is None else vault.index(second.phone),
    )
    wanted = {
        "wanted": draft.pool,
        "first": indexes[0],
        "second": indexes[1],
        "first_phone": first.phone,
        "second_phone": second.phone,
    }
    rows = conn.execute(_POOL_AND_HELD, wanted).all()
    if not rows:
        raise UnknownPool(draft.pool)
    if rows[0].phone_is_proxy:
        raise PhoneIsProxy(field="participants")
    pool, version = number_rows.pool_of(rows[0]), rows[0].version
    chosen = allocation.choose_pair(
        numbers_of(conn, pool.name, version, lambda: number_rows.active(conn, pool.name)),
        _held(conn, rows, indexes, now),
        rotation,
        roles=(first.role, second.role),
        pool=pool.name,
    )
    session = lifecycle.begin(draft, pool, chosen, session_id=session_id, now=now)
    conn.execute(_INSERT_SESSION, session_row(session))
    conn.execute(_INSERT_PARTICIPANTS, participant_rows(session, vault))
    if session.leases:
        conn.execute(_INSERT_LEASES, lease_rows(session, indexes))
    return session


def get(conn: Connection, vault: Vault, session_id: str) -> Session | None:
    """The session of that id. Raises SealBroken."""
    two = tuple(conn.execute(_BY_ID, {"wanted": session_id}))
    return session_of(two, vault) if two else None


def page(
    conn: Connection,
    vault: Vault,
    *,
    conversation_id: str | None = None,
    user_id: str | None = None,
    state: SessionState | None = None,
    limit: int = 100,
    cursor: str | None = None,
    now: datetime,
) -> Page[Session]:
    """Sessions, the newest first. Raises BadCursor, SealBroken."""
    order, query = _PAGES, select(sessions.c.id)
    if user_id is not None:
        order, query = _PAGES_OF_USER, query.join_from(participants, sessions)
        query = query.where(participants.c.user_id == user_id)
    if conversation_id is not None:
        query = query.where(sessions.c.conversation_id == conversation_id)
    if state is not None:
        query = _in_state(query, state, now)
    ids = conn.execute(order.apply(query, limit=limit, cursor=cursor)).all()
    wanted = sides().where(sessions.c.id.in_([row.id for row in ids[:limit]]))
    rows = conn.execute(wanted.order_by(sessions.c.id, participants.c.position))
    found = {session.id: session for session in sessions_of(rows, vault)}
    return order.page(ids, limit=limit, key=lambda row: (row.id,), item=lambda row: found[row.id])


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


def _held(
    conn: Connection, rows: Sequence[Row[Any]], indexes: _Indexes, now: datetime
) -> tuple[set[int] | None, set[int] | None]:
    """The numbers each participant holds; None for one without a phone. Reclaims what is over."""
    held: dict[bytes | None, set[int]] = {index: set() for index in indexes}
    over = False
    for row in rows:
        if row.number_id is None:
            continue
        if row.reserved_until > now:
            held[row.phone_index].add(row.number_id)
        else:
            over = True
    if over:
        conn.execute(_RECLAIM, {"first": indexes[0], "second": indexes[1], "at": now})
    first, second = (None if index is None else held[index] for index in indexes)
    return first, second


def _in_state(query: Select[Any], state: SessionState, now: datetime) -> Select[Any]:
    closed = and_(sessions.c.closed_at.is_not(None), sessions.c.closed_at <= now)
    match state:
        case SessionState.CLOSED:
            return query.where(closed)
        case SessionState.EXPIRED:
            return query.where(~closed, sessions.c.expires_at <= now)
        case SessionState.OPEN:
            return query.where(~closed, sessions.c.expires_at > now)
