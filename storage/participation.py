"""Sessions as one of their participants stands in them: without any phone, only proxy numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from masking.model import LeaseState, Participant, Phone, Role, Session, SessionState
from storage.schema import participants, sessions
from storage.session_rows import BLOCKS_OTHER, COLUMNS, SIDES, session_of, sessions_of, sides

_ONE: Final = (
    select(*COLUMNS, BLOCKS_OTHER)
    .select_from(SIDES)
    .where(sessions.c.id == bindparam("wanted"))
    .order_by(participants.c.position)
)

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Stand:
    """A participant in a session. Neither has a phone here."""

    session: Session
    me: Participant
    other: Participant
    blocked: bool  # one of the two has blocked the other


@dataclass(frozen=True, slots=True)
class Dial:
    """What a participant dials to reach the other one over the telephone network."""

    number: Phone  # of ours
    extension: str  # digits typed after it, or ""

    @property
    def tel(self) -> str:
        """Both in one; commas are pauses."""
        return f"{self.number},,{self.extension}" if self.extension else self.number


def stand(conn: Connection, session_id: str, user_id: str) -> Stand | None:
    """The user in the session; None if there is none, or they take no part in it."""
    rows = tuple(conn.execute(_ONE, {"wanted": session_id}))
    if len(rows) != 2:
        return None
    session = session_of(rows, None)
    mine = [one for one in session.participants if one.user_id == user_id]
    if len(mine) != 1:
        return None
    blocked = any(row.blocks_other for row in rows)
    return Stand(session, mine[0], session.other(mine[0].role), blocked)


def exists(conn: Connection, session_id: str) -> bool:
    """Whether there is such a session."""
    return (
        conn.execute(select(sessions.c.id).where(sessions.c.id == session_id)).first() is not None
    )


def roles_in(conn: Connection, user_id: str, session_ids: Collection[str]) -> dict[str, Role]:
    """The user's role in those of the sessions in which they take part, by session."""
    query = select(participants.c.session_id, participants.c.role).where(
        participants.c.user_id == user_id
    )
    found: dict[str, Role] = {}
    wanted = sorted(session_ids)
    for begin in range(0, len(wanted), _AT_ONCE):
        which = participants.c.session_id.in_(wanted[begin : begin + _AT_ONCE])
        found |= {row.session_id: Role(row.role) for row in conn.execute(query.where(which))}
    return found


def open_sessions(
    conn: Connection, session_ids: Collection[str], now: datetime
) -> dict[str, Session]:
    """Those of the sessions that are open, by id."""
    if not session_ids:
        return {}
    query = sides().where(sessions.c.id.in_(sorted(session_ids)))
    rows = conn.execute(query.order_by(sessions.c.id, participants.c.position))
    found = sessions_of(rows, None)
    return {one.id: one for one in found if one.state(now) is SessionState.OPEN}


def dial_of(session: Session, user_id: str, now: datetime) -> Dial | None:
    """What the user dials from their phone; None if they have no number in it that serves."""
    for one in session.participants:
        lease = session.lease(one.role) if one.user_id == user_id else None
        if lease is not None and lease.state(now) is LeaseState.LIVE:
            return Dial(lease.number.e164, lease.extension)
    return None
