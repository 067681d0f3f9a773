"""What the choice of numbers for a new session needs to know: one statement, by index.

It reads the pool and, of each participant, the places they hold, which are at most as many as the
pool has numbers, however many sessions there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Row,
    ScalarSelect,
    and_,
    bindparam,
    exists,
    func,
    not_,
    select,
    true,
    type_coerce,
    update,
)

from masking.allocation import Idle, Side, Wish
from masking.errors import PhoneIsProxy, UnknownPool
from masking.model import Participant, Pool, Role
from masking.stock import Stock
from storage import numbers as number_rows
from storage.columns import UtcMillis, to_ms
from storage.dialect import gathered
from storage.prepared import Prepared
from storage.schema import leases, numbers, participants, pools, sessions
from storage.session_rows import OWN

Indexes = tuple[bytes | None, bytes | None]

_BOTH: Final[tuple[BindParameter[bytes], ...]] = (bindparam("first"), bindparam("second"))
_last_of_pair: Final = (
    select(sessions.c.id)
    .where(sessions.c.pair_index == bindparam("pair"), sessions.c.pool == bindparam("wanted"))
    .order_by(sessions.c.id.desc())
    .limit(1)
    .scalar_subquery()
)


def _had(phone: BindParameter[bytes]) -> ScalarSelect[Any]:
    """The number of `phone` in the pair's last session in the pool."""
    return (
        select(leases.c.number_id)
        .where(
            leases.c.session_id == _last_of_pair,
            leases.c.slot == OWN,
            leases.c.phone_index == phone,
        )
        .scalar_subquery()
    )


_MOST_NUMBERS: Final = 1 << 21  # ids above it only begin the circle elsewhere
_own_and_plain: Final = and_(leases.c.slot == OWN, leases.c.extension == "")
_now: Final = bindparam("at", type_=UtcMillis)
_live: Final = leases.c.expires_at > _now
_reserved: Final = leases.c.reserved_until > _now
_plainly_live: Final = and_(_reserved, _live, _own_and_plain)
_latest: Final = func.max(
    type_coerce(leases.c.since, BigInteger) * _MOST_NUMBERS + leases.c.number_id
)
_holding: Final = (
    select(
        leases.c.phone_index,
        gathered(leases.c.number_id).filter(_plainly_live).label("plain"),
        gathered(
            *leases.c["number_id", "extension", "slot"],
            type_coerce(leases.c.expires_at, BigInteger),
        )
        .filter(_reserved, not_(_plainly_live))
        .label("others"),
        _latest.label("latest"),
        _latest.filter(leases.c.reserved_until <= _now).label("over"),
    )
    .where(leases.c.phone_index.in_(_BOTH), leases.c.active)
    .group_by(leases.c.phone_index)
    .subquery("by_phone")
)
_POOL_AND_HELD: Final = Prepared(
    select(
        *pools.c["name", "cool_down_s", "language", "ring_s", "max_call_s", "rules", "version"],
        exists()
        .where(numbers.c.e164.in_((bindparam("first_phone"), bindparam("second_phone"))))
        .label("phone_is_proxy"),
        *(_had(phone).label(f"{phone.key}_had") for phone in _BOTH),
        _holding,
    )
    .join_from(pools, _holding, true(), isouter=True)
    .where(pools.c.name == bindparam("wanted"))
)
"""The pool, once for each phone that has leases; once with NULLs if neither has any."""

_ALL_HELD: Final = (
    select(leases.c.number_id)
    .where(leases.c.phone_index == bindparam("phone"), leases.c.active)
    .order_by(leases.c.since.desc(), leases.c.number_id.desc())
)

_RECLAIM: Final = (
    update(leases)
    .where(
        leases.c.phone_index.in_(_BOTH),
        leases.c.active,
        leases.c.reserved_until <= bindparam("at"),
    )
    .values(active=False)
)
_LIVE: Final = (
    select(
        *leases.c["session_id", "number_id", "extension"],
        participants.c.role,
        *sessions.c["created_at", "last_call_at"],
    )
    .join_from(leases, sessions, sessions.c.id == leases.c.session_id)
    .join(
        participants,
        and_(
            participants.c.session_id == leases.c.session_id,
            participants.c.position == leases.c.position,
        ),
    )
    .where(
        leases.c.phone_index == bindparam("phone"),
        leases.c.active,
        leases.c.slot == OWN,
        leases.c.expires_at > bindparam("at"),
    )
)


@dataclass(frozen=True, slots=True)
class Known:
    """A pool, its numbers, and the participants as the choice sees them; None without a phone."""

    pool: Pool
    stock: Stock
    sides: tuple[Side | None, Side | None]


def pair_index(indexes: Indexes) -> bytes | None:
    """One index for two phones, whichever comes first; None unless both have one.

    Made of keyed indexes, so it can be guessed from the phones no more than they can.
    """
    first, second = indexes
    if first is None or second is None:
        return None
    return hashlib.blake2b(min(first, second) + max(first, second), digest_size=16).digest()


def known(
    conn: Connection,
    pool: str,
    two: tuple[Participant, Participant],
    indexes: Indexes,
    pair: bytes | None,
    wishes: tuple[Wish, Wish],
    now: datetime,
) -> Known:
    """What a choice in `pool` needs. Reclaims places that are over.

    Raises UnknownPool, PhoneIsProxy.
    """
    first, second = two
    parameters = {
        "wanted": pool,
        "first": indexes[0],
        "second": indexes[1],
        "first_phone": first.phone,
        "second_phone": second.phone,
        "pair": pair,
        "at": now,
    }
    rows = _POOL_AND_HELD.rows(conn, parameters)
    if not rows:
        raise UnknownPool(pool)
    head = rows[0]
    if head.phone_is_proxy:
        raise PhoneIsProxy(field="participants")
    stock = number_rows.stock(conn, pool, head.version)
    at = to_ms(now)
    held = {
        row.phone_index: _holding_of(conn, row, stock, at)
        for row in rows
        if row.phone_index is not None
    }
    if any(row.over is not None for row in rows):
        conn.execute(_RECLAIM, {"first": indexes[0], "second": indexes[1], "at": now})
    sides = tuple(
        None
        if index is None or me.phone is None
        else _side(me, you, held.get(index), had, wish, position)
        for position, (me, you, index, had, wish) in enumerate(
            zip(
                two,
                (second, first),
                indexes,
                (head.first_had, head.second_had),
                wishes,
                strict=True,
            )
        )
    )
    return Known(number_rows.pool_of(head), stock, (sides[0], sides[1]))


def idle_sessions(conn: Connection, stock: Stock, index: bytes, now: datetime) -> list[Idle]:
    """The live sessions of a phone whose number in `stock` could be given again."""
    rows = conn.execute(_LIVE, {"phone": index, "at": now})
    return [
        Idle(
            row.session_id,
            Role(row.role),
            number,
            row.extension,
            row.created_at if row.last_call_at is None else max(row.created_at, row.last_call_at),
        )
        for row in rows
        if stock.is_active(row.number_id) and (number := stock.get(row.number_id)) is not None
    ]


@dataclass(frozen=True, slots=True)
class _Holding:
    """What one phone holds."""

    held: Mapping[int, Mapping[str, bool]]
    live: int
    latest: int | None


_PLAIN: Final = MappingProxyType({"": True})
"""What is held of most numbers: the number alone, live."""


def _holding_of(conn: Connection, row: Row[Any], stock: Stock, at: int) -> _Holding:
    plain = row.plain or ()
    held: dict[int, Mapping[str, bool]] = dict.fromkeys(plain, _PLAIN)
    live = stock.count(plain)
    for number, extension, slot, expires_at in row.others or ():
        is_live = expires_at > at
        held[number] = {**held.get(number, {}), extension: is_live}
        live += is_live and slot == OWN and number in stock
    latest: int | None = row.latest % _MOST_NUMBERS
    if latest not in stock:  # a lease of another pool's number
        all_held = conn.execute(_ALL_HELD, {"phone": row.phone_index}).scalars()
        latest = next((number for number in all_held if number in stock), None)
    return _Holding(held, live, latest)


def _side(
    me: Participant,
    you: Participant,
    holding: _Holding | None,
    had: int | None,
    wish: Wish,
    position: int,
) -> Side:
    assert me.phone is not None
    if holding is None:
        return Side(me.role, me.phone, you.phone, earlier=had, wish=wish, position=position)
    return Side(
        me.role,
        me.phone,
        you.phone,
        holding.held,
        holding.live,
        holding.latest,
        had,
        wish,
        position,
    )
