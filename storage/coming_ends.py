"""Tells the platform of sessions that are about to expire, each coming end once.

Only finds and tells; ending a session is nobody's work: its time runs out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select, update

from masking.notice import Notice, NoticeKind
from storage import numbers, outbox
from storage.columns import UtcMillis
from storage.schema import participants, sessions

_DUE: Final = (
    select(*sessions.c["id", "conversation_id", "listing_id", "created_at", "expires_at"])
    .where(
        sessions.c.pool == bindparam("of_pool"),
        sessions.c.closed_at.is_(None),
        sessions.c.noticed_at.is_(None),
        sessions.c.expires_at > bindparam("now", type_=UtcMillis()),
        sessions.c.expires_at <= bindparam("until", type_=UtcMillis()),
    )
    .order_by(sessions.c.expires_at)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_NOTICED: Final = (
    update(sessions)
    .where(sessions.c.id == bindparam("wanted"))
    .values(noticed_at=bindparam("told_at"))
)


def tell(conn: Connection, now: datetime, *, at_most: int = 500) -> int:
    """Owe `session.ending` for sessions that end soon, at most so many; says how many it looked at.

    How soon is the pool's rule. A session whose whole life is no longer than that is passed over:
    the platform has only just asked for its end. Processes that do this at once share the work.
    """
    looked = 0
    for pool in numbers.pools(conn):
        notice = pool.rules.ending.notice
        if not notice or looked >= at_most:
            continue
        which = {
            "of_pool": pool.name,
            "now": now,
            "until": now + notice,
            "at_most": at_most - looked,
        }
        rows = conn.execute(_DUE, which).all()
        if rows:
            _tell(conn, rows, notice, now)
            looked += len(rows)
    return looked


def _tell(conn: Connection, rows: Sequence[Row[Any]], notice: timedelta, now: datetime) -> None:
    long = [row for row in rows if row.expires_at - row.created_at > notice]
    people = _people(conn, [row.id for row in long])
    outbox.owe_all(conn, [_notice(row, people[row.id], now) for row in long])
    conn.execute(_NOTICED, [{"wanted": row.id, "told_at": now} for row in rows])


def _notice(row: Row[Any], people: dict[str, str], now: datetime) -> Notice:
    expires_at = row.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Notice(
        NoticeKind.SESSION_ENDING,
        key=f"session.ending:{row.id}:{expires_at}",
        at=now,
        conversation_id=row.conversation_id,
        data={
            "session_id": row.id,
            "expires_at": expires_at,
            "listing_id": row.listing_id,
            "participants": people,
        },
    )


def _people(conn: Connection, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """By session: the user id in each role."""
    query = select(*participants.c["session_id", "role", "user_id"]).where(
        participants.c.session_id.in_(list(ids))
    )
    found: dict[str, dict[str, str]] = {}
    for row in conn.execute(query.order_by(participants.c.session_id, participants.c.position)):
        found.setdefault(row.session_id, {})[row.role] = row.user_id
    return found
