"""Opening a session: choose a place for each participant, make room where the rules say so, write.

First everything is decided, for both participants, and only then anything is written: a refusal
leaves nothing behind. That no two leases which live or cool down share number, phone and extension
is the database's own rule (`uq_leases_live_or_cooling`); what is chosen here only saves it the
trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, exists, func, select, update

from masking import lifecycle
from masking.allocation import TEAM, Idle, Place, Side, Wish, choose, recyclable, taken_over
from masking.digits import Digits, pin_length
from masking.errors import (
    MaskingError,
    NumberHeld,
    NumberUnavailable,
    PoolExhausted,
    SessionLimit,
    StickyUnavailable,
    UnknownSession,
)
from masking.lifecycle import SessionDraft
from masking.model import Participant, Pool, ProxyNumber, Session, SessionState
from masking.notice import Notice, NoticeKind
from masking.rules import Exhausted, Stranger
from storage import outbox, pressure
from storage.endings import keep_ending, locked
from storage.prepared import InsertTogether
from storage.schema import leases, open_calls, participants, sessions
from storage.selection import Indexes, Known, idle_sessions, known, pair_index
from storage.session_rows import (
    OWN,
    lease_rows,
    participant_rows,
    session_of,
    session_row,
    sides,
)
from storage.vault import Vault

_PIN_TRIES: Final = 12
_ELSEWHERE: Final = (
    PoolExhausted,
    SessionLimit,
    StickyUnavailable,
    NumberUnavailable,
    NumberHeld,
)
"""What another pool of the request may yet put right."""

_ROWS: Final = InsertTogether(sessions, participants, leases)
_COMMON: Final = (
    sides().where(sessions.c.id == bindparam("wanted")).order_by(participants.c.position)
)
_HAVE_PINS: Final = select(func.count()).where(
    leases.c.number_id == bindparam("number"), leases.c.active, leases.c.pin.is_not(None)
)
_PINS: Final = select(leases.c.pin).where(
    leases.c.number_id == bindparam("number"),
    leases.c.pin.in_(bindparam("pins", expanding=True)),
    leases.c.active,
)
_GIVE_WAY: Final = (
    update(leases)
    .where(
        leases.c.phone_index == bindparam("phone"),
        leases.c.number_id == bindparam("number"),
        leases.c.extension == bindparam("digits"),
        leases.c.active,
        leases.c.expires_at <= bindparam("at"),
    )
    .values(active=False)
)

_CALL_UP: Final = select(exists().where(open_calls.c.session_id == bindparam("wanted")))
"""On whichever node: calls that are not over are staged, one that is silent meanwhile included."""
_FREE: Final = (
    update(leases)
    .where(
        leases.c.session_id == bindparam("wanted"),
        leases.c.position == bindparam("at_position"),
        leases.c.slot == OWN,
    )
    .values(reserved_until=bindparam("at"), active=False)
)


class CallsUnknown(Exception):
    """A place is to be taken over: say which sessions have calls up, and open it again."""


@dataclass(frozen=True, slots=True)
class _GivesWay:
    """A session that is closed for a new one, as it stands; locked."""

    idle: Idle
    session: Session
    pool: Pool


@dataclass(frozen=True, slots=True)
class _Decided:
    """The places of both, and the sessions that give way for them."""

    known: Known
    places: tuple[Place | None, Place | None]
    give_way: tuple[_GivesWay, ...]


def open_session(
    conn: Connection,
    vault: Vault,
    draft: SessionDraft,
    *,
    now: datetime,
    session_id: str,
    rotation: int,
    secret: bytes = b"",
    busy: AbstractSet[str] | None = frozenset(),
) -> Session:
    """Open a session with a lease for each participant who has a phone.

    `rotation` is a counter that rises by one with every session; `secret` are
    `masking.digits.SECRET_BYTES` unpredictable bytes, which only pools with PINs or extensions
    need; `busy` the ids of sessions that have a call up on the own node, which only pools that
    recycle need: None has it asked for with CallsUnknown. Of calls on other nodes the staging
    tells, and `busy` of what is not staged yet.

    Raises UnknownPool, PhoneIsProxy, UnknownSession and NoCommonParticipant (`same_number_as`),
    what `masking.allocation.choose` raises, and what `masking.lifecycle.check` raises.
    """
    two = lifecycle.check(draft)
    indexes: Indexes = (
        None if two[0].phone is None else vault.index(two[0].phone),
        None if two[1].phone is None else vault.index(two[1].phone),
    )
    pair = pair_index(indexes)
    wishes = draft.wishes
    if draft.same_number_as is not None:
        wishes = _team_wishes(conn, draft.same_number_as, two, wishes)
    refusal: MaskingError | None = None
    for name in (draft.pool, *draft.more_pools):
        found = known(conn, name, two, indexes, pair, wishes, now)
        try:
            decided = _decide(conn, found, indexes, rotation, Digits(secret), busy, now)
        except _ELSEWHERE as error:
            if refusal is None or isinstance(refusal, NumberUnavailable):
                refusal = error
            continue
        return _write(conn, vault, draft, decided, indexes, pair, session_id, now)
    assert refusal is not None
    raise refusal


def _team_wishes(
    conn: Connection,
    common_id: str,
    two: tuple[Participant, Participant],
    wishes: tuple[Wish, Wish],
) -> tuple[Wish, Wish]:
    rows = tuple(conn.execute(_COMMON, {"wanted": common_id}))
    if not rows:
        raise UnknownSession(field="same_number_as")
    position, lease = lifecycle.team_side(session_of(rows, None), two)
    wish = replace(wishes[position], number=lease.number.e164, why=TEAM)
    return (wish, wishes[1]) if position == 0 else (wishes[0], wish)


def _decide(
    conn: Connection,
    found: Known,
    indexes: Indexes,
    rotation: int,
    digits: Digits,
    busy: AbstractSet[str] | None,
    now: datetime,
) -> _Decided:
    rules = found.pool.rules.numbers
    places: list[Place | None] = []
    give_way: list[_GivesWay] = []
    for side, index in zip(found.sides, indexes, strict=True):
        if side is None or index is None:
            places.append(None)
            continue
        try:
            place = choose(found.stock, side, rules, rotation, digits)
        except PoolExhausted:
            if rules.exhausted is not Exhausted.RECYCLE_IDLE:
                raise
            if busy is None:
                raise CallsUnknown from None
            given = {one.session.id for one in give_way}
            idlest = _idlest(conn, found, index, busy | given, now)
            if idlest is None:
                raise
            give_way.append(idlest)
            place = taken_over(idlest.idle)
        places.append(_with_pin(conn, found.pool, place, places, digits))
    return _Decided(found, (places[0], places[1]), tuple(give_way))


def _idlest(
    conn: Connection, found: Known, index: bytes, busy: AbstractSet[str], now: datetime
) -> _GivesWay | None:
    """The session to be closed: still open and as idle as it looked, now that it is ours alone.

    And without a call on any node that is staged by now; asked last, for it is not ours to hold.
    """
    after = found.pool.rules.numbers.recycle_after
    for one in recyclable(idle_sessions(conn, found.stock, index, now), after, busy, now):
        session, pool = locked(conn, one.session_id)
        called = session.last_call_at
        still_open = session.closed_at is None and session.state(now) is SessionState.OPEN
        if not still_open or (called is not None and called > one.since):
            continue
        if not conn.execute(_CALL_UP, {"wanted": session.id}).scalar_one():
            return _GivesWay(one, session, pool)
    return None


def _with_pin(
    conn: Connection, pool: Pool, place: Place, others: Sequence[Place | None], digits: Digits
) -> Place:
    """`place` with a PIN that no other lease of its number has, where the pool works with PINs.

    `others` are places of the same session, which are not written yet.
    """
    strangers = pool.rules.strangers
    if Stranger.PIN not in (strangers.unknown, strangers.withheld):
        return place
    ours = {one.pin for one in others if one is not None and one.number.id == place.number.id}
    theirs = conn.execute(_HAVE_PINS, {"number": place.number.id}).scalar_one()
    length = pin_length(strangers.pin.length, theirs + len(ours))
    while True:
        drawn = list(dict.fromkeys(digits.draw(length) for _ in range(_PIN_TRIES)))
        found = conn.execute(_PINS, {"number": place.number.id, "pins": drawn}).scalars()
        taken = ours | set(found)
        for pin in drawn:
            if pin not in taken:
                return replace(place, pin=pin)


def _write(
    conn: Connection,
    vault: Vault,
    draft: SessionDraft,
    decided: _Decided,
    indexes: Indexes,
    pair: bytes | None,
    session_id: str,
    now: datetime,
) -> Session:
    found = decided.known
    for one in decided.give_way:
        _recycle(conn, one, session_id, now)
    for place, index in zip(decided.places, indexes, strict=True):
        if place is not None and place.displaces:
            at = {"phone": index, "number": place.number.id, "digits": place.extension, "at": now}
            conn.execute(_GIVE_WAY, at)
    session = lifecycle.begin(draft, found.pool, decided.places, session_id=session_id, now=now)
    two = session.participants
    rows = ([session_row(session, pair)], participant_rows(session, vault))
    _ROWS.insert(conn, (*rows, lease_rows(session, indexes)))
    for side, place, index, who in zip(found.sides, decided.places, indexes, two, strict=True):
        if side is not None and place is not None and index is not None:
            _watch(conn, found, side, place.number, index, who.user_id, now)
    return session


def _recycle(conn: Connection, one: _GivesWay, for_session: str, now: datetime) -> None:
    recycled = lifecycle.recycle(one.session, one.idle.role, cool_down=one.pool.cool_down, now=now)
    keep_ending(conn, recycled, now)
    position = [who.role for who in recycled.participants].index(one.idle.role)
    conn.execute(_FREE, {"wanted": recycled.id, "at_position": position, "at": now})
    notice = Notice(
        NoticeKind.SESSION_CLOSED,
        key=f"session.closed:{recycled.id}",
        at=now,
        conversation_id=recycled.conversation_id,
        data={
            "session_id": recycled.id,
            "conversation_id": recycled.conversation_id,
            "why": lifecycle.RECYCLED,
            "user_id": recycled.participants[position].user_id,
            "for_session_id": for_session,
        },
    )
    outbox.owe(conn, notice)


def _watch(
    conn: Connection,
    found: Known,
    side: Side,
    given: ProxyNumber,
    index: bytes,
    user_id: str,
    now: datetime,
) -> None:
    """Let the watch on head-room know of whoever may hold half of the pool by now."""
    stock, size = found.stock, len(found.stock.active)
    if 2 * (len(side.held) + 1) < size:
        return
    held = {number for number in (*side.held, given.id) if stock.is_active(number)}
    pressure.note(conn, found.pool, index, user_id, len(held), size, now)
