"""When sessions end: extended, closed, kept alive by calls.

A session and its leases, those of enrolled phones with them, always end together; whoever changes
one of the times here changes all of them in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Boolean, Connection, bindparam, case, select, true, update

from masking import lifecycle
from masking.errors import SessionExpired, UnknownPool, UnknownSession
from masking.model import Pool, Session, TtlFrom
from storage import numbers as number_rows
from storage.columns import UtcMillis
from storage.dialect import one_of
from storage.prepared import Prepared, PreparedUpdate
from storage.schema import leases, participants, pools, sessions
from storage.session_rows import OWN, session_of, sides

_BY_ID: Final = (
    sides().where(sessions.c.id == bindparam("wanted")).order_by(participants.c.position)
)
_POOL: Final = select(pools).where(pools.c.name == bindparam("wanted"))
_LOCK: Final = select(sessions.c.id).where(sessions.c.id == bindparam("wanted")).with_for_update()
_expires: Final = bindparam("expires", type_=UtcMillis())
_reserved: Final = bindparam("reserved", type_=UtcMillis())
_lives: Final = bindparam("lives", type_=Boolean())
_binds: Final = bindparam("binds", type_=Boolean())
_END_SESSION: Final = (
    update(sessions)
    .where(sessions.c.id == bindparam("wanted"))
    .values(
        expires_at=_expires,
        closed_at=bindparam("closed"),
        closed_why=bindparam("because"),
        last_call_at=bindparam("last_call"),
        ttl_s=bindparam("lives_s"),
        ttl_from=bindparam("counts_from"),
        noticed_at=case(  # a later end is to be told again
            (sessions.c.expires_at < _expires, None), else_=sessions.c.noticed_at
        ),
    )
)
_NOTE_CALL: Final = PreparedUpdate(
    update(sessions)
    .where(sessions.c.id == bindparam("wanted"))
    .values(last_call_at=bindparam("last_call", type_=UtcMillis()))
)
_sooner: Final = leases.c.once & (leases.c.expires_at < _expires)
_END_LEASES: Final = (
    update(leases)
    .where(leases.c.session_id == bindparam("wanted"), leases.c.active)
    .values(  # a number declared for one call ends no later than the session, and never cools
        expires_at=case((_sooner, leases.c.expires_at), else_=_expires),
        reserved_until=case(
            (_sooner, leases.c.expires_at),
            (leases.c.once, _expires),
            else_=_reserved,
        ),
        active=case((_sooner, true()), (leases.c.once, _lives), else_=_binds),
    )
    .returning(leases.c.slot)
)
_TERMS: Final = Prepared(
    select(
        *sessions.c["id", "expires_at", "closed_at", "closed_why", "last_call_at"],
        *sessions.c["ttl_from", "ttl_s", "hard_expires_at"],
        pools.c.cool_down_s,
    )
    .join_from(sessions, pools, pools.c.name == sessions.c.pool)
    .where(one_of(sessions.c.id, "wanted"))
    .order_by(sessions.c.id)
    .with_for_update(of=sessions)
)
_OWN_PLACES: Final = (
    select(leases.c.session_id, leases.c.active)
    .where(leases.c.session_id.in_(bindparam("wanted", expanding=True)), leases.c.slot == OWN)
    .order_by(leases.c.phone_index)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call of a session that is over."""

    session_id: str
    ended_at: datetime
    answered: bool


@dataclass(frozen=True, slots=True)
class _Term:
    """A session's row as `lifecycle.expiry_after_call` reads it."""

    expires_at: datetime
    closed_at: datetime | None
    ttl_from: TtlFrom
    ttl: timedelta
    hard_expires_at: datetime | None


def extend(
    conn: Connection,
    session_id: str,
    expires_at: datetime | None,
    now: datetime,
    *,
    ttl: timedelta | None = None,
    ttl_from: TtlFrom | None = None,
) -> None:
    """Give an open session another expiry, another time to live; None leaves it as it is.

    Raises UnknownSession, SessionClosed, SessionExpired, TtlOutOfRange, BeyondHardExpiry.
    """
    session, pool = locked(conn, session_id)
    changed = lifecycle.extend(
        session, expires_at, cool_down=pool.cool_down, now=now, ttl=ttl, ttl_from=ttl_from
    )
    keep_ending(conn, changed, now)


def close(conn: Connection, session_id: str, now: datetime) -> None:
    """End an open session now; its leases begin to cool. One that is over stays as it is.

    Raises UnknownSession.
    """
    session, pool = locked(conn, session_id)
    closed = lifecycle.close(session, cool_down=pool.cool_down, now=now)
    if closed is not session:
        keep_ending(conn, closed, now)


def call_ended(conn: Connection, session_id: str, ended_at: datetime, answered: bool) -> None:  # noqa: FBT001 (a fact of the call, beside its time)
    """Note a call's end; an answered one may begin the session's time to live anew.

    A session that is not there is nobody's concern.
    """
    calls_ended(conn, (EndedCall(session_id, ended_at, answered),))


def calls_ended(conn: Connection, ended: Iterable[EndedCall]) -> None:
    """`call_ended` for many, in any order, a few statements in all.

    A session that expired under a call is kept alive by it only while both its places are its own.
    """
    calls: defaultdict[str, list[EndedCall]] = defaultdict(list)
    for call in ended:
        calls[call.session_id].append(call)
    if not calls:
        return
    changed: list[dict[str, Any]] = []
    for row in _TERMS.rows(conn, {"wanted": list(calls)}):
        ends = calls[row.id]
        expires = max(_expiry(row, call) for call in ends)
        last = max(call.ended_at for call in ends)
        if row.last_call_at is None or last > row.last_call_at or expires > row.expires_at:
            changed.append(
                {
                    "wanted": row.id,
                    "expires": expires,
                    "before": row.expires_at,
                    "reserved": expires + timedelta(seconds=row.cool_down_s),
                    "closed": row.closed_at,
                    "because": row.closed_why,
                    "lives_s": row.ttl_s,
                    "counts_from": row.ttl_from,
                    "last_call": last if row.last_call_at is None else max(last, row.last_call_at),
                }
            )
    kept = _without_lost_places(conn, changed)
    same = [one for one in kept if one["expires"] == one["before"]]
    noted = [{"wanted": one["wanted"], "last_call": one["last_call"]} for one in same]
    _NOTE_CALL.each(conn, noted)  # nearly all
    for one in kept:
        if one["expires"] > one["before"]:
            conn.execute(_END_SESSION, one)
            conn.execute(_END_LEASES, one | {"lives": True, "binds": True})


def locked(conn: Connection, session_id: str) -> tuple[Session, Pool]:
    """The session without phones, and its pool; nobody else changes it until we are done.

    Raises UnknownSession.
    """
    if conn.execute(_LOCK, {"wanted": session_id}).first() is None:
        raise UnknownSession
    session = session_of(tuple(conn.execute(_BY_ID, {"wanted": session_id})), None)
    row = conn.execute(_POOL, {"wanted": session.pool}).first()
    if row is None:
        raise UnknownPool(session.pool)
    return session, number_rows.pool_of(row)


def keep_ending(conn: Connection, session: Session, now: datetime) -> None:
    """Write the times of `session` and its leases, which were changed together.

    Raises SessionExpired where one of its places was given away.
    """
    times: dict[str, Any] = {
        "wanted": session.id,
        "expires": session.expires_at,
        "closed": session.closed_at,
        "because": session.closed_why,
        "lives_s": session.ttl // timedelta(seconds=1),
        "counts_from": session.ttl_from.value,
        "last_call": session.last_call_at,
    }
    conn.execute(_END_SESSION, times)
    if not session.leases:
        return
    expires = session.leases[0].expires_at  # both end at the same time
    reserved = max(lease.reserved_until for lease in session.leases)
    times |= {
        "expires": expires,
        "reserved": reserved,
        "lives": expires > now,
        "binds": reserved > now,
    }
    own = [row for row in conn.execute(_END_LEASES, times) if row.slot == OWN]
    if len(own) != len(session.leases):
        raise SessionExpired  # by a clock ahead of ours, which gave its places away already


def _expiry(row: Any, call: EndedCall) -> datetime:  # noqa: ANN401 (a row of _TERMS)
    term = _Term(
        row.expires_at,
        row.closed_at,
        TtlFrom(row.ttl_from),
        timedelta(seconds=row.ttl_s),
        row.hard_expires_at,
    )
    return lifecycle.expiry_after_call(term, call.ended_at, answered=call.answered)


def _without_lost_places(conn: Connection, changed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`changed`, but a session one of whose places was given away ends when it ended."""
    longer = [one["wanted"] for one in changed if one["expires"] > one["before"]]
    if not longer:
        return changed
    places = conn.execute(_OWN_PLACES, {"wanted": longer})
    lost = {place.session_id for place in places if not place.active}
    return [one | {"expires": one["before"]} if one["wanted"] in lost else one for one in changed]
