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
from masking.errors import PhoneIsProxy, SessionExpired, UnknownPool, UnknownSession
from masking.lifecycle import SessionDraft
from masking.model import Pool, Session, SessionState
from storage import numbers as number_rows
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
_COOL_DOWN: Final = select(pools).where(pools.c.name == bindparam("wanted"))
_LOCK: Final = select(sessions.c.id).where(sessions.c.id == bindparam("wanted")).with_for_update()
_END_SESSION: Final = (
    update(sessions)
    .where(sessions.c.id == bindparam("wanted"))
    .values(expires_at=bindparam("expires"), closed_at=bindparam("closed"))
)
_END_LEASES: Final = (
    update(leases)
    .where(leases.c.session_id == bindparam("wanted"), leases.c.active)
    .values(
        expires_at=bindparam("expires"),
        reserved_until=bindparam("reserved"),
        active=bindparam("still_active"),
    )
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


def extend(conn: Connection, session_id: str, expires_at: datetime, now: datetime) -> None:
    """Give an open session another expiry.

    Raises UnknownSession, SessionClosed, SessionExpired, TtlOutOfRange.
    """
    session, pool = _locked(conn, session_id)
    _keep_ending(
        conn, lifecycle.extend(session, expires_at, cool_down=pool.cool_down, now=now), now
    )


def close(conn: Connection, session_id: str, now: datetime) -> None:
    """End an open session now; its leases begin to cool. One that is over stays as it is.

    Raises UnknownSession.
    """
    session, pool = _locked(conn, session_id)
    if session.state(now) is SessionState.OPEN:
        _keep_ending(conn, lifecycle.close(session, cool_down=pool.cool_down, now=now), now)


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
        select(leases.c.session_id, leases.c.position)
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
        )
        .values(active=False)
    )
    rows = conn.execute(over).all()
    if rows:
        conn.execute(
            release, [{"of_session": row.session_id, "at_position": row.position} for row in rows]
        )
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


def _locked(conn: Connection, session_id: str) -> tuple[Session, Pool]:
    """The session without phones, and its pool; nobody else changes it until we are done."""
    if conn.execute(_LOCK, {"wanted": session_id}).first() is None:
        raise UnknownSession
    session = session_of(tuple(conn.execute(_BY_ID, {"wanted": session_id})), None)
    row = conn.execute(_COOL_DOWN, {"wanted": session.pool}).first()
    if row is None:
        raise UnknownPool(session.pool)
    return session, number_rows.pool_of(row)


def _keep_ending(conn: Connection, session: Session, now: datetime) -> None:
    """Write the times of `session` and its leases, which were changed together."""
    expires = session.expires_at
    conn.execute(
        _END_SESSION, {"wanted": session.id, "expires": expires, "closed": session.closed_at}
    )
    if not session.leases:
        return
    lease = session.leases[0]  # both end at the same time
    times: dict[str, Any] = {
        "wanted": session.id,
        "expires": lease.expires_at,
        "reserved": lease.reserved_until,
        "still_active": lease.reserved_until > now,
    }
    if conn.execute(_END_LEASES, times).rowcount != len(session.leases):
        raise SessionExpired  # by a clock ahead of ours, which gave its places away already


def _in_state(query: Select[Any], state: SessionState, now: datetime) -> Select[Any]:
    closed = and_(sessions.c.closed_at.is_not(None), sessions.c.closed_at <= now)
    match state:
        case SessionState.CLOSED:
            return query.where(closed)
        case SessionState.EXPIRED:
            return query.where(~closed, sessions.c.expires_at <= now)
        case SessionState.OPEN:
            return query.where(~closed, sessions.c.expires_at > now)
