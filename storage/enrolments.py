"""Other phones of a participant: enrolled by PIN or platform, or declared for one call.

Each is a lease of slot 1 or more beside the participant's own. Whoever adds one holds the lock of
its session, so that it never outlives it. A phone comes in here and never goes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, select, update

from masking.errors import (
    CallerNumberTaken,
    NoNumberToCall,
    PhoneIsProxy,
    SamePhone,
    SessionClosed,
    SessionExpired,
    TooManyCallerNumbers,
    UnknownParticipant,
    UnknownSession,
)
from masking.known import Enrol, UseUp
from masking.model import Phone, ProxyNumber, Role, Session, SessionState
from masking.notice import Notice, NoticeKind
from storage import outbox
from storage.dialect import insert_for
from storage.endings import locked
from storage.schema import leases, numbers, participants, sessions
from storage.session_rows import OWN
from storage.vault import Vault

MOST_ENROLLED: Final = 8
"""Phones that are known as one participant's, beside their own. Others go on typing the PIN."""
MOST_DECLARED: Final = 5
"""Numbers declared for one call each, at once."""

_OF_SIDE: Final = (
    leases.c.session_id == bindparam("of_session"),
    leases.c.position == bindparam("at_position"),
)
_OWN: Final = select(leases.c.phone_index, leases.c.number_id, leases.c.extension).where(
    *_OF_SIDE, leases.c.slot == OWN
)
_COUNTED: Final = and_(
    leases.c.slot != OWN,
    leases.c.active,
    leases.c.once == bindparam("once"),
    leases.c.expires_at > bindparam("at"),
)
_OTHERS: Final = select(func.max(leases.c.slot), func.count().filter(_COUNTED)).where(*_OF_SIDE)
_AT_PLACE: Final = (
    leases.c.phone_index == bindparam("phone"),
    leases.c.number_id == bindparam("number"),
    leases.c.extension == "",
    leases.c.active,
)
_RECLAIM: Final = (
    update(leases).where(*_AT_PLACE, leases.c.reserved_until <= bindparam("at"))
).values(active=False)
_GIVE_WAY: Final = (
    update(leases).where(*_AT_PLACE, leases.c.expires_at <= bindparam("at"))
).values(active=False)
_EXISTS: Final = select(exists().where(sessions.c.id == bindparam("wanted")))
_IS_PROXY: Final = select(exists().where(numbers.c.e164 == bindparam("wanted")))
_USE_UP: Final = (
    update(leases)
    .where(
        *_OF_SIDE,
        leases.c.slot == bindparam("in_slot"),
        leases.c.slot != OWN,
        leases.c.active,
        leases.c.expires_at > bindparam("at"),
    )
    .values(active=False, expires_at=bindparam("at"), reserved_until=bindparam("at"))
)
_LIST: Final = (
    select(
        *leases.c["position", "slot", "extension", "once", "since", "expires_at"],
        participants.c.user_id,
        participants.c.role,
        numbers.c.e164,
    )
    .join_from(
        leases,
        participants,
        (participants.c.session_id == leases.c.session_id)
        & (participants.c.position == leases.c.position),
    )
    .join(numbers, numbers.c.id == leases.c.number_id)
    .where(
        leases.c.session_id == bindparam("of_session"),
        leases.c.slot != OWN,
        leases.c.active,
        leases.c.expires_at > bindparam("at"),
    )
    .order_by(leases.c.position, leases.c.slot)
)


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """Another phone that may call as a participant. Of the phone itself nothing is known."""

    position: int
    slot: int
    user_id: str
    role: Role
    number: Phone  # the proxy number to dial
    extension: str
    once: bool
    since: datetime
    expires_at: datetime


def declare(
    conn: Connection,
    vault: Vault,
    session_id: str,
    user_id: str,
    phone: Phone,
    *,
    ttl: timedelta,
    now: datetime,
) -> CallerNumber:
    """Let `phone` call once as the participant, by the number that they dial themselves.

    Raises UnknownSession, SessionClosed, SessionExpired, UnknownParticipant, SamePhone,
    PhoneIsProxy, NoNumberToCall, CallerNumberTaken, TooManyCallerNumbers.
    """
    session, _ = locked(conn, session_id)
    _must_be_open(session, now)
    position = _position(session, user_id)
    side = {"of_session": session_id, "at_position": position}
    own = conn.execute(_OWN, side).first()
    if own is None:
        raise NoNumberToCall(field="user_id")
    index = vault.index(phone)
    other = conn.execute(_OWN, side | {"at_position": 1 - position}).first()
    if index == own.phone_index or (other is not None and index == other.phone_index):
        raise SamePhone("the phone is a participant's own: declare another", field="phone")
    if conn.execute(_IS_PROXY, {"wanted": phone}).scalar_one():
        raise PhoneIsProxy(field="phone")
    if _count(conn, side, once=True, now=now) >= MOST_DECLARED:
        raise TooManyCallerNumbers
    until = min(now + ttl, session.expires_at)
    place = {"phone": index, "number": own.number_id}
    row = _row(session_id, position, place, once=True, now=now, ends=(until, until), why="declared")
    if _insert(conn, row, now) is None:
        raise CallerNumberTaken(field="phone")
    return next(
        one
        for one in caller_numbers(conn, session_id, now)
        if (one.position, one.slot) == (position, row["slot"])
    )


def must_exist(conn: Connection, session_id: str) -> None:
    """Raise UnknownSession unless there is such a session."""
    if not conn.execute(_EXISTS, {"wanted": session_id}).scalar_one():
        raise UnknownSession


def caller_numbers(conn: Connection, session_id: str, now: datetime) -> tuple[CallerNumber, ...]:
    """The other phones that may call in the session at `now`."""
    return tuple(_listed(conn.execute(_LIST, {"of_session": session_id, "at": now})))


def withdraw(conn: Connection, session_id: str, position: int, slot: int, now: datetime) -> bool:
    """Let that phone call no longer; False if it could not anyhow. Raises UnknownSession."""
    locked(conn, session_id)
    which = {"of_session": session_id, "at_position": position, "in_slot": slot, "at": now}
    return conn.execute(_USE_UP, which).rowcount == 1


def use_up(conn: Connection, deed: UseUp, now: datetime) -> bool:
    """The one call is made; False if another call was quicker."""
    session, _ = locked(conn, deed.session_id)
    return withdraw(conn, session.id, _position_of(session, deed.role), deed.slot, now)


def enrol(
    conn: Connection,
    vault: Vault,
    deed: Enrol,
    number: ProxyNumber,
    phone: Phone,
    now: datetime,
    *,
    why: str,
) -> bool:
    """Know `phone` as the participant's when it calls `number`, as long as the session lasts.

    False if the session is over by now. Where the phone holds the number already, or the
    participant has as many phones as may be, nothing is kept: the PIN goes on working.
    """
    try:
        session, pool = locked(conn, deed.session_id)
    except UnknownSession:
        return False
    if session.state(now) is not SessionState.OPEN:
        return False
    position = _position_of(session, deed.role)
    side = {"of_session": session.id, "at_position": position}
    if _count(conn, side, once=False, now=now) >= MOST_ENROLLED:
        return True
    place = {"phone": vault.index(phone), "number": number.id}
    if why == BY_PLATFORM:  # it says that the earlier conversation is not what the caller wants
        conn.execute(_GIVE_WAY, place | {"at": now})
    ends = (session.expires_at, session.expires_at + pool.cool_down)
    row = _row(session.id, position, place, once=False, now=now, ends=ends, why=why)
    slot = _insert(conn, row, now)
    if slot is not None:
        outbox.owe(conn, _enrolled(session, deed.role, slot, number, why, now))
    return True


BY_PIN: Final = "pin"
BY_PLATFORM: Final = "platform"


def _must_be_open(session: Session, now: datetime) -> None:
    match session.state(now):
        case SessionState.OPEN:
            pass
        case SessionState.CLOSED:
            raise SessionClosed
        case SessionState.EXPIRED:
            raise SessionExpired


def _position(session: Session, user_id: str) -> int:
    for position, one in enumerate(session.participants):
        if one.user_id == user_id:
            return position
    raise UnknownParticipant(field="user_id")


def _position_of(session: Session, role: Role) -> int:
    return 0 if session.participants[0].role is role else 1


def _count(conn: Connection, side: dict[str, Any], *, once: bool, now: datetime) -> int:
    _, count = conn.execute(_OTHERS, side | {"once": once, "at": now}).one()
    return int(count)


def _row(
    session_id: str,
    position: int,
    place: dict[str, Any],
    *,
    once: bool,
    now: datetime,
    ends: tuple[datetime, datetime],
    why: str,
) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "position": position,
        "number_id": place["number"],
        "phone_index": place["phone"],
        "extension": "",
        "pin": None,
        "once": once,
        "since": now,
        "why": {"by": why},
        "expires_at": ends[0],
        "reserved_until": ends[1],
        "active": True,
    }


def _insert(conn: Connection, row: dict[str, Any], now: datetime) -> int | None:
    """Insert the lease in the next slot, which is returned; None if its place is taken."""
    place = {"phone": row["phone_index"], "number": row["number_id"], "at": now}
    conn.execute(_RECLAIM, place)
    side = {"of_session": row["session_id"], "at_position": row["position"]}
    last, _ = conn.execute(_OTHERS, side | {"once": False, "at": now}).one()
    row["slot"] = slot = int(last or 0) + 1
    inserted = conn.execute(insert_for(conn, leases).on_conflict_do_nothing(), row)
    return slot if inserted.rowcount == 1 else None


def _enrolled(
    session: Session, role: Role, slot: int, number: ProxyNumber, why: str, now: datetime
) -> Notice:
    participant = session.participant(role)
    return Notice(
        kind=NoticeKind.PHONE_ENROLLED,
        key=f"phone.enrolled:{session.id}:{role.value}:{slot}",
        at=now,
        conversation_id=session.conversation_id,
        data={
            "session_id": session.id,
            "conversation_id": session.conversation_id,
            "role": role.value,
            "user_id": participant.user_id,
            "number": number.e164,
            "by": why,
        },
    )


def _listed(rows: Any) -> Iterator[CallerNumber]:  # noqa: ANN401 (a result of SQLAlchemy)
    row: Row[Any]
    for row in rows:
        yield CallerNumber(
            position=row.position,
            slot=row.slot,
            user_id=row.user_id,
            role=Role(row.role),
            number=Phone(row.e164),
            extension=row.extension,
            once=row.once,
            since=row.since,
            expires_at=row.expires_at,
        )
