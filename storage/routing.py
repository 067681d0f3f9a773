"""What is known about an offer, gathered for `masking.routing.decide` by index.

Of a call that is to be carried on, which is nearly every call, all of it comes with one statement.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select

from masking.model import Phone, ProxyNumber
from masking.routing import RoutingFacts
from storage.numbers import number_of, pool_of
from storage.schema import leases, numbers, participants, pools, sessions
from storage.session_rows import BLOCKS_OTHER, COLUMNS, SIDES, session_of
from storage.vault import Vault

_held = leases.alias("held")
_dialled = numbers.alias("dialled")
_RULES: Final = (
    pools.c.cool_down_s,
    pools.c.language,
    pools.c.ring_s,
    pools.c.max_call_s,
    pools.c.rules,
)
_NUMBER: Final = (
    select(numbers, *_RULES)
    .join_from(numbers, pools, pools.c.name == numbers.c.pool)
    .where(numbers.c.e164 == bindparam("wanted"))
)
_BOTH_SIDES: Final = (*COLUMNS, _held.c.position.label("caller_position"), BLOCKS_OTHER)
_OF_HELD: Final = SIDES.join(_held, _held.c.session_id == sessions.c.id)
_ROUTED: Final = (
    select(*_BOTH_SIDES, *_RULES)
    .select_from(
        _OF_HELD.join(_dialled, _dialled.c.id == _held.c.number_id).join(
            pools, pools.c.name == _dialled.c.pool
        )
    )
    .where(
        _dialled.c.e164 == bindparam("wanted"),
        _held.c.phone_index == bindparam("caller"),
        _held.c.active,
    )
    .order_by(participants.c.position)
)
_last = (
    select(leases.c.session_id)
    .where(
        leases.c.phone_index == bindparam("caller"),
        leases.c.number_id == bindparam("number"),
        ~leases.c.active,
    )
    .order_by(leases.c.expires_at.desc(), leases.c.session_id.desc())
    .limit(1)
    .scalar_subquery()
)
_LAST: Final = (
    select(*_BOTH_SIDES)
    .select_from(_OF_HELD)
    .where(
        _held.c.phone_index == bindparam("caller"),
        _held.c.number_id == bindparam("number"),
        ~_held.c.active,
        sessions.c.id == _last,
    )
    .order_by(participants.c.position)
)


def facts(conn: Connection, vault: Vault, *, number: Phone, caller: Phone | None) -> RoutingFacts:
    """The proxy number, its pool, and the caller's lease on it with its whole session.

    One statement where the caller holds the number now, up to two more where not. `trunks` stays
    empty: whoever asks has them at hand. Raises SealBroken.
    """
    index = None if caller is None else vault.index(caller)
    if index is not None and (two := _routed(conn, index, number)):
        found = _of_sides(two, vault)
        lease = found.lease
        if lease is not None:
            return replace(found, number=lease.number, pool=pool_of(two[0], lease.number.pool))
    return _elsewise(conn, vault, index, number)


def _elsewise(conn: Connection, vault: Vault, index: bytes | None, number: Phone) -> RoutingFacts:
    """What is known where nobody is to be rung: whose number it is, and who held it last."""
    found = conn.execute(_NUMBER, {"wanted": number}).first()
    if found is None:
        return RoutingFacts()
    proxy = number_of(found)
    pool = pool_of(found, found.pool)
    two = () if index is None else _last_held(conn, index, proxy)
    if not two:
        return RoutingFacts(number=proxy, pool=pool)
    return replace(_of_sides(two, vault), number=proxy, pool=pool)


def _of_sides(two: tuple[Row[Any], ...], vault: Vault) -> RoutingFacts:
    session = session_of(two, vault)
    holder = session.participants[two[0].caller_position]
    return RoutingFacts(
        lease=session.lease(holder.role),
        session=session,
        blocked=any(row.blocks_other for row in two),
    )


def _routed(conn: Connection, caller: bytes, number: Phone) -> tuple[Row[Any], ...]:
    return tuple(conn.execute(_ROUTED, {"wanted": number, "caller": caller}))


def _last_held(conn: Connection, caller: bytes, number: ProxyNumber) -> tuple[Row[Any], ...]:
    """Both sides of the session in which `caller` last held `number`, now given back."""
    return tuple(conn.execute(_LAST, {"caller": caller, "number": number.id}))
