"""What the choice of numbers for a new session needs to know: one statement, by index.

It reads the pool and, of each participant, the places they hold, which are at most as many as the
pool has numbers, however many sessions there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    and_,
    bindparam,
    exists,
    select,
    type_coerce,
    update,
)

from masking.allocation import Idle, Side, Wish
from masking.errors import PhoneIsProxy, UnknownPool
from masking.model import Participant, Pool, Role
from masking.stock import Stock
from storage import numbers as number_rows
from storage.columns import to_ms
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


def _ms(column: ColumnElement[Any]) -> ColumnElement[int]:
    """A time as it is stored: of many rows, most are only compared."""
    return type_coerce(column, BigInteger)


_held: Final[tuple[ColumnElement[Any], ...]] = (
    *leases.c["phone_index", "number_id", "extension", "slot"],
    *(_ms(leases.c[name]).label(name) for name in ("since", "expires_at", "reserved_until")),
)
_pool_and_held: Final[tuple[ColumnElement[Any], ...]] = (
    *pools.c["name", "cool_down_s", "language", "ring_s", "max_call_s", "rules", "version"],
    exists()
    .where(numbers.c.e164.in_((bindparam("first_phone"), bindparam("second_phone"))))
    .label("phone_is_proxy"),
    *(_had(phone).label(f"{phone.key}_had") for phone in _BOTH),
    *_held,
)
_HELD_FROM: Final = len(_pool_and_held) - len(_held)
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
    }
    rows = conn.execute(_POOL_AND_HELD, parameters).all()
    if not rows:
        raise UnknownPool(pool)
    head = rows[0]
    if head.phone_is_proxy:
        raise PhoneIsProxy(field="participants")
    stock = number_rows.stock(conn, pool, head.version)
    at = to_ms(now)
    held = _Holdings(stock, at) if head.number_id is not None else None
    if held is not None:
        held.read(rows)
        if held.over:
            conn.execute(_RECLAIM, {"first": indexes[0], "second": indexes[1], "at": now})
    sides = tuple(
        None
        if index is None or me.phone is None
        else _side(me, you, held.of(index) if held else None, had, wish, position)
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


class _Holding:
    """What one phone holds."""

    __slots__ = ("held", "latest", "live", "since")

    def __init__(self) -> None:
        self.held: dict[int, dict[str, bool]] = {}
        self.live = 0
        self.latest: int | None = None
        self.since = -1


class _Holdings:
    """What both phones hold, from the rows of one statement."""

    def __init__(self, stock: Stock, at: int) -> None:
        self._stock = stock
        self._at = at
        self._by_phone: dict[bytes, _Holding] = {}
        self.over = False

    def read(self, rows: Sequence[Row[Any]]) -> None:
        at, stock = self._at, self._stock
        # A dealer has hundreds: columns are taken by their places, which costs a third.
        for phone, number, extension, slot, since, expires_at, reserved_until in (
            row[_HELD_FROM:] for row in rows
        ):
            one = self._by_phone.get(phone)
            if one is None:
                one = self._by_phone[phone] = _Holding()
            if number in stock and (since, number) > (one.since, one.latest or 0):
                one.since, one.latest = since, number
            if reserved_until <= at:
                self.over = True
                continue
            live = expires_at > at
            one.held.setdefault(number, {})[extension] = live
            if live and slot == OWN and number in stock:
                one.live += 1

    def of(self, index: bytes) -> _Holding | None:
        return self._by_phone.get(index)


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
