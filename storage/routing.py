"""What is known about an offer, gathered for `masking.routing.decide` in two look-ups by index."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select

from masking.model import Phone, ProxyNumber
from masking.routing import RoutingFacts
from storage.numbers import number_of, pool_of
from storage.schema import leases, numbers, participants, pools, sessions
from storage.session_rows import BLOCKS_OTHER, COLUMNS, SIDES, session_of
from storage.vault import Vault

_held = leases.alias("held")
_NUMBER: Final = (
    select(
        numbers,
        pools.c.name,
        pools.c.cool_down_s,
        pools.c.language,
        pools.c.ring_s,
        pools.c.max_call_s,
    )
    .join_from(numbers, pools, pools.c.name == numbers.c.pool)
    .where(numbers.c.e164 == bindparam("wanted"))
)
_HELD_BY_CALLER: Final = (
    select(*COLUMNS, _held.c.position.label("caller_position"), BLOCKS_OTHER)
    .select_from(SIDES.join(_held, _held.c.session_id == sessions.c.id))
    .where(
        _held.c.phone_index == bindparam("caller"),
        _held.c.number_id == bindparam("number"),
    )
)
_ACTIVE: Final = _HELD_BY_CALLER.where(_held.c.active).order_by(participants.c.position)
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
_LAST: Final = _HELD_BY_CALLER.where(~_held.c.active, sessions.c.id == _last).order_by(
    participants.c.position
)


def facts(conn: Connection, vault: Vault, *, number: Phone, caller: Phone | None) -> RoutingFacts:
    """The proxy number, its pool, and the caller's lease on it with its whole session.

    Two statements, a third for a caller whose lease is over. `trunks` stays empty: whoever asks has
    them at hand. Raises SealBroken.
    """
    found = conn.execute(_NUMBER, {"wanted": number}).first()
    if found is None:
        return RoutingFacts()
    proxy = number_of(found)
    pool = pool_of(found)
    two = () if caller is None else _sides(conn, vault.index(caller), proxy)
    if not two:
        return RoutingFacts(number=proxy, pool=pool)
    session = session_of(two, vault)
    holder = session.participants[two[0].caller_position]
    return RoutingFacts(
        number=proxy,
        pool=pool,
        lease=session.lease(holder.role),
        session=session,
        blocked=any(row.blocks_other for row in two),
    )


def _sides(conn: Connection, caller: bytes, number: ProxyNumber) -> tuple[Row[Any], ...]:
    """Both sides of the session in which `caller` holds `number` now, else in which it last did."""
    wanted = {"caller": caller, "number": number.id}
    return tuple(conn.execute(_ACTIVE, wanted)) or tuple(conn.execute(_LAST, wanted))
