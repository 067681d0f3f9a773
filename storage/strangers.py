"""What else is known about an offer where the number does not plainly mean one lease of the caller.

Their other leases on the number, the last one they had, whose PIN was typed, how many wrong ones
before. People are looked up by keyed index only; what is typed is never kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select

from masking.known import CountWrong, Held, Tries
from masking.model import Lease, Phone, ProxyNumber, Session
from storage.dialect import insert_for, insert_if_absent
from storage.schema import dial_tries, leases, participants, sessions
from storage.session_rows import BLOCKS_OTHER, COLUMNS, OWN, SIDES, session_of
from storage.vault import Vault

_held = leases.alias("held")
_OF_HELD: Final = SIDES.join(_held, _held.c.session_id == sessions.c.id)
_SIDES_OF_HELD: Final = (
    *COLUMNS,
    BLOCKS_OTHER,
    _held.c.position.label("held_position"),
    _held.c.slot.label("held_slot"),
    _held.c.once.label("held_once"),
    _held.c.extension.label("held_extension"),
    _held.c.pin.label("held_pin"),
    _held.c.expires_at.label("held_expires_at"),
    _held.c.reserved_until.label("held_reserved_until"),
)
_IN_ORDER: Final = (_held.c.session_id, _held.c.position, _held.c.slot, participants.c.position)
_ON_NUMBER: Final = (
    select(*_SIDES_OF_HELD)
    .select_from(_OF_HELD)
    .where(
        _held.c.phone_index == bindparam("caller"),
        _held.c.number_id == bindparam("number"),
        _held.c.active,
    )
    .order_by(*_IN_ORDER)
)
_last = (
    select(leases.c.session_id)
    .where(
        leases.c.phone_index == bindparam("caller"),
        leases.c.number_id == bindparam("number"),
        leases.c.slot == OWN,  # a phone that was enrolled once is a stranger's again
        ~leases.c.active,
    )
    .order_by(leases.c.expires_at.desc(), leases.c.session_id.desc())
    .limit(1)
    .scalar_subquery()
)
_LAST: Final = (
    select(*_SIDES_OF_HELD)
    .select_from(_OF_HELD)
    .where(
        _held.c.phone_index == bindparam("caller"),
        _held.c.number_id == bindparam("number"),
        _held.c.slot == OWN,
        ~_held.c.active,
        sessions.c.id == _last,
    )
    .order_by(*_IN_ORDER)
)
_LONGEST_PIN: Final = select(func.max(func.length(leases.c.pin))).where(
    leases.c.number_id == bindparam("number"), leases.c.active, leases.c.pin.is_not(None)
)
_BY_PIN: Final = (
    select(*_SIDES_OF_HELD)
    .select_from(_OF_HELD)
    .where(
        _held.c.number_id == bindparam("number"),
        _held.c.pin == bindparam("typed"),
        _held.c.active,
    )
    .order_by(*_IN_ORDER)
)
_AS_PARTICIPANT: Final = (
    select(*_SIDES_OF_HELD)
    .select_from(_OF_HELD)
    .where(_held.c.session_id == bindparam("wanted"), _held.c.slot == OWN)
    .order_by(*_IN_ORDER)
)
_OF_SLOT: Final = (
    select(*_SIDES_OF_HELD)
    .select_from(_OF_HELD)
    .where(
        _held.c.session_id == bindparam("wanted"),
        _held.c.position == bindparam("at_position"),
        _held.c.slot == bindparam("in_slot"),
    )
    .order_by(*_IN_ORDER)
)
_USERS: Final = (
    select(participants.c.user_id)
    .join_from(
        leases,
        participants,
        (participants.c.session_id == leases.c.session_id)
        & (participants.c.position == leases.c.position),
    )
    .where(leases.c.phone_index == bindparam("caller"), leases.c.active, leases.c.slot == OWN)
    .distinct()
    .order_by(participants.c.user_id)
    .limit(bindparam("at_most"))
)
_OF_CALLER: Final = (
    dial_tries.c.number_id == bindparam("number"),
    dial_tries.c.caller_index == bindparam("caller"),
)
_TRIES: Final = select(dial_tries).where(*_OF_CALLER)
_FORGET: Final = delete(dial_tries).where(*_OF_CALLER)


def caller_index(vault: Vault, index: bytes | None, trunk: str) -> bytes:
    """Under what wrong PINs are counted: withheld callers (None) of a trunk all together."""
    return vault.digest(f"withheld on {trunk}".encode()) if index is None else index


def held_on(
    conn: Connection, vault: Vault, index: bytes, number: ProxyNumber, phone: Phone
) -> tuple[Held, ...]:
    """What `phone` holds on `number`, live and cooling. Raises SealBroken."""
    rows = conn.execute(_ON_NUMBER, {"caller": index, "number": number.id})
    return tuple(_all(rows, vault, number, phone))


def last_held(
    conn: Connection, vault: Vault, index: bytes, number: ProxyNumber, phone: Phone
) -> Held | None:
    """What `phone` held on `number` last, and holds no more. Raises SealBroken."""
    rows = conn.execute(_LAST, {"caller": index, "number": number.id})
    return next(_all(rows, vault, number, phone), None)


def by_pin(conn: Connection, vault: Vault, number: ProxyNumber, typed: str) -> Held | None:
    """As whom one calls who types that PIN after dialling `number`. Raises SealBroken."""
    rows = conn.execute(_BY_PIN, {"number": number.id, "typed": typed})
    return next(_all(rows, vault, number, None), None)


def longest_pin(conn: Connection, number: ProxyNumber) -> int:
    """How many digits the longest PIN on `number` has; 0 where there is none."""
    found: int | None = conn.execute(_LONGEST_PIN, {"number": number.id}).scalar_one()
    return found or 0


def as_participant(
    conn: Connection, vault: Vault, session_id: str, number: ProxyNumber
) -> tuple[Held, ...]:
    """How each participant who has a number calls in that session. Raises SealBroken."""
    rows = conn.execute(_AS_PARTICIPANT, {"wanted": session_id})
    return tuple(_all(rows, vault, number, None))


def of_slot(
    conn: Connection,
    vault: Vault,
    slot: tuple[str, int, int],
    number: ProxyNumber,
    phone: Phone | None,
) -> Held | None:
    """The lease of a session's participant by position and slot. Raises SealBroken."""
    session_id, position, in_slot = slot
    which = {"wanted": session_id, "at_position": position, "in_slot": in_slot}
    return next(_all(conn.execute(_OF_SLOT, which), vault, number, phone), None)


def users_with(conn: Connection, index: bytes, *, at_most: int = 10) -> tuple[str, ...]:
    """The user ids of participants whose own phone it is, of leases that live or cool down."""
    rows = conn.execute(_USERS, {"caller": index, "at_most": at_most})
    return tuple(row.user_id for row in rows)


def tries(
    conn: Connection, number: ProxyNumber, index: bytes, *, locking: datetime | None = None
) -> Tries:
    """How many wrong PINs the caller typed; `locking`, at that time, nobody else counts meanwhile.

    Two calls of one caller at once would otherwise count as one.
    """
    query, of_caller = _TRIES, {"number": number.id, "caller": index}
    if locking is not None:
        none = {"number_id": number.id, "caller_index": index, "failed": 0, "at": locking}
        insert_if_absent(conn, dial_tries, none)
        query = query.with_for_update()
    row = conn.execute(query, of_caller).first()
    if row is None or not row.failed:
        return Tries()
    return Tries(row.failed, row.at, row.locked_until)


def count_wrong(
    conn: Connection, number: ProxyNumber, index: bytes, deed: CountWrong, now: datetime
) -> None:
    """Count a wrong PIN."""
    row = {
        "failed": deed.failed,
        "locked_until": deed.locked_until,
        "at": now,
    }
    statement = insert_for(conn, dial_tries).on_conflict_do_update(
        index_elements=[dial_tries.c.number_id, dial_tries.c.caller_index], set_=row
    )
    conn.execute(statement, {"number_id": number.id, "caller_index": index, **row})


def forget_wrong(conn: Connection, number: ProxyNumber, index: bytes) -> None:
    """The caller typed the right one."""
    conn.execute(_FORGET, {"number": number.id, "caller": index})


def _all(
    rows: Iterable[Row[Any]], vault: Vault, number: ProxyNumber, phone: Phone | None
) -> Iterator[Held]:
    grouped = groupby(rows, key=lambda row: (row.id, row.held_position, row.held_slot))
    for _, two in grouped:
        yield _held_of(tuple(two), vault, number, phone)


def _held_of(
    two: tuple[Row[Any], ...], vault: Vault, number: ProxyNumber, phone: Phone | None
) -> Held:
    session, row = session_of(two, vault), two[0]
    return Held(
        lease=_lease_of(row, session, number),
        session=session,
        phone=phone,
        blocked=any(side.blocks_other for side in two),
        slot=row.held_slot,
        once=row.held_once,
    )


def _lease_of(row: Row[Any], session: Session, number: ProxyNumber) -> Lease:
    role = session.participants[row.held_position].role
    own = session.lease(role)
    if row.held_slot == OWN and own is not None:
        return own
    return Lease(
        session.id,
        role,
        number,
        row.held_expires_at,
        row.held_reserved_until,
        extension=row.held_extension,
        pin=row.held_pin,
    )
