"""Pools and their proxy numbers. Every change of a pool's numbers raises the pool's version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, update

from masking.errors import NumberTaken, UnknownNumber, UnknownTrunk
from masking.model import Language, NumberState, Phone, Pool, ProxyNumber
from masking.pool_checks import check
from masking.stock import Stock
from storage import schema
from storage.dialect import insert_for, insert_if_absent
from storage.number_cache import pools_changed, stock_of
from storage.pages import Order, Page
from storage.pool_rules import read_rules, write_rules
from storage.schema import leases, numbers, shown_numbers, trunks

_AT_ONCE: Final = 500  # numbers in one statement
_BY_NAME: Final = select(schema.pools).where(schema.pools.c.name == bindparam("wanted"))
_OF_POOL: Final = (
    select(numbers).where(numbers.c.pool == bindparam("wanted")).order_by(numbers.c.id)
)
_PAGES: Final = Order("numbers", (numbers.c.id,), (int,), newest_first=False)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of numbers that were to be added."""

    added: int
    already: int  # were in this pool on this trunk before


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many numbers a pool has."""

    active: int
    draining: int
    reserved: int = 0


def put_pool(conn: Connection, pool: Pool, now: datetime) -> None:
    """Keep a pool, or give the one of that name other rules. Leases that exist keep their times.

    Raises CoolDownOutOfRange, InvalidRule.
    """
    check(pool)
    rules = _rules(pool) | {"updated_at": now}
    row = rules | {"name": pool.name, "version": 1, "created_at": now}
    statement = insert_for(conn, schema.pools).on_conflict_do_update(
        index_elements=[schema.pools.c.name],
        set_=rules | {"version": schema.pools.c.version + 1},
    )
    conn.execute(statement, row)
    pools_changed(conn)


def pool(conn: Connection, name: str) -> Pool | None:
    """The pool of that name."""
    row = conn.execute(_BY_NAME, {"wanted": name}).first()
    return None if row is None else pool_of(row)


def pools(conn: Connection) -> tuple[Pool, ...]:
    """Every pool, by name."""
    return tuple(
        pool_of(row) for row in conn.execute(select(schema.pools).order_by(schema.pools.c.name))
    )


def stamp(conn: Connection) -> tuple[int, int]:
    """Another one after every change of any pool or its numbers: how many, and their versions."""
    count = select(func.count(), func.coalesce(func.sum(schema.pools.c.version), 0))
    pools_now, versions = conn.execute(count.select_from(schema.pools)).one()
    return int(pools_now), int(versions)


def size(conn: Connection, pool: str) -> PoolSize:
    """How many numbers `pool` has; none if there is no such pool."""
    query = select(numbers.c.state, func.count()).where(numbers.c.pool == pool)
    rows = conn.execute(query.group_by(numbers.c.state))
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    return PoolSize(
        found.get(NumberState.ACTIVE, 0),
        found.get(NumberState.DRAINING, 0),
        found.get(NumberState.RESERVED, 0),
    )


def add_numbers(
    conn: Connection, pool: str, trunk: str, e164s: Sequence[Phone], now: datetime
) -> Added:
    """Put numbers into a pool, which is made with the usual rules if there is none of that name.

    Raises UnknownTrunk; NumberTaken if one of them is in another pool or on another trunk, and
    then adds none. Numbers that are there already stay as they are, draining or not.
    """
    if conn.execute(select(trunks.c.name).where(trunks.c.name == trunk)).first() is None:
        raise UnknownTrunk(trunk)
    usual = _rules(Pool(pool)) | {"name": pool, "version": 1, "created_at": now, "updated_at": now}
    insert_if_absent(conn, schema.pools, usual)
    wanted = list(dict.fromkeys(e164s))
    added = 0
    for some in _chunks(wanted):
        statement = insert_for(conn, numbers).on_conflict_do_nothing(
            index_elements=[numbers.c.e164]
        )
        state = NumberState.ACTIVE.value
        rows = [
            {
                "e164": e164,
                "pool": pool,
                "trunk": trunk,
                "state": state,
                "shown": False,
                "created_at": now,
            }
            for e164 in some
        ]
        added += conn.execute(statement.values(rows)).rowcount
        elsewhere = select(numbers.c.e164).where(
            numbers.c.e164.in_(some), (numbers.c.pool != pool) | (numbers.c.trunk != trunk)
        )
        taken = conn.execute(elsewhere.limit(1)).scalar()
        if taken is not None:
            raise NumberTaken(field=f"numbers[{e164s.index(taken)}]")
    if added:
        _rise(conn, schema.pools.c.name == pool, now)
    return Added(added=added, already=len(wanted) - added)


def set_state(conn: Connection, e164: Phone, state: NumberState, now: datetime) -> None:
    """Give a number to new leases again, or no more. Raises UnknownNumber."""
    statement = update(numbers).where(numbers.c.e164 == e164).values(state=state.value)
    changed = conn.execute(statement.returning(numbers.c.pool)).scalar_one_or_none()
    if changed is None:
        raise UnknownNumber
    _rise(conn, schema.pools.c.name == changed, now)


def get(conn: Connection, e164: Phone) -> ProxyNumber | None:
    """The proxy number spelt so."""
    row = conn.execute(select(numbers).where(numbers.c.e164 == e164)).first()
    return None if row is None else number_of(row)


def known(conn: Connection, e164s: Collection[str]) -> frozenset[Phone]:
    """Those of these that are numbers of ours."""
    if not e164s:
        return frozenset()
    query = select(numbers.c.e164).where(numbers.c.e164.in_(sorted(e164s)))
    return frozenset(conn.execute(query).scalars())


def remove(conn: Connection, e164: Phone, now: datetime) -> bool:
    """Forget a number and what it was for; False while a lease or a listing needs it still.

    Raises UnknownNumber.
    """
    wanted = select(numbers).where(numbers.c.e164 == e164).with_for_update()
    row = conn.execute(wanted).first()
    if row is None:
        raise UnknownNumber
    of_it = leases.c.number_id == row.id
    held = select(leases.c.session_id).where(of_it, leases.c.active, leases.c.reserved_until > now)
    shows_it = shown_numbers.c.number_id == row.id
    shown = select(shown_numbers.c.turn).where(
        shows_it, shown_numbers.c.active, shown_numbers.c.free_from > now
    )
    for holder in (held, shown):
        if conn.execute(holder.limit(1)).first() is not None:
            return False
    conn.execute(delete(leases).where(of_it))
    conn.execute(delete(shown_numbers).where(shows_it))
    conn.execute(delete(numbers).where(numbers.c.id == row.id))
    _rise(conn, schema.pools.c.name == row.pool, now)
    return True


def page(
    conn: Connection,
    *,
    pool: str | None = None,
    trunk: str | None = None,
    state: NumberState | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[ProxyNumber]:
    """Numbers in the order in which they were added. Raises BadCursor."""
    query = select(numbers)
    if pool is not None:
        query = query.where(numbers.c.pool == pool)
    if trunk is not None:
        query = query.where(numbers.c.trunk == trunk)
    if state is not None:
        query = query.where(numbers.c.state == state.value)
    rows = conn.execute(_PAGES.apply(query, limit=limit, cursor=cursor)).all()
    return _PAGES.page(rows, limit=limit, key=lambda row: (row.id,), item=number_of)


def active(conn: Connection, pool: str) -> tuple[ProxyNumber, ...]:
    """The numbers of a pool that new leases may get unasked, read anew, in an order that stays."""
    found = map(number_of, conn.execute(_OF_POOL, {"wanted": pool}))
    return tuple(number for number in found if number.state is NumberState.ACTIVE)


def stock(conn: Connection, pool: str, version: int) -> Stock:
    """The numbers of a pool whose row names `version`: in order, from memory where that is safe."""
    return stock_of(
        conn,
        pool,
        version,
        lambda: Stock(pool, map(number_of, conn.execute(_OF_POOL, {"wanted": pool}))),
    )


def pool_of(row: Row[Any], name: str | None = None) -> Pool:
    """The pool in a row of `pools`, or `name` with the rules that a row of a join holds."""
    return Pool(
        name=row.name if name is None else name,
        cool_down=timedelta(seconds=row.cool_down_s),
        language=Language(row.language),
        ring_s=row.ring_s,
        max_call_s=row.max_call_s,
        rules=read_rules(row.rules),
    )


def number_of(row: Row[Any]) -> ProxyNumber:
    """The number in a row of `numbers`."""
    return ProxyNumber(
        id=row.id,
        e164=Phone(row.e164),
        pool=row.pool,
        trunk=row.trunk,
        state=NumberState(row.state),
        shown=row.shown,
    )


def mark_shown(conn: Connection, number_id: int, now: datetime, *, shown: bool) -> None:
    """Say whether listings show the number. Raises the pool's version where that is new."""
    of_it = numbers.c.id == number_id
    statement = update(numbers).where(of_it, numbers.c.shown != shown).values(shown=shown)
    pool = conn.execute(statement.returning(numbers.c.pool)).scalar_one_or_none()
    if pool is not None:
        _rise(conn, schema.pools.c.name == pool, now)


def _rules(pool: Pool) -> dict[str, Any]:
    return {
        "cool_down_s": pool.cool_down // timedelta(seconds=1),
        "language": pool.language.value,
        "ring_s": pool.ring_s,
        "max_call_s": pool.max_call_s,
        "rules": write_rules(pool.rules),
    }


def _rise(conn: Connection, which: ColumnElement[bool], now: datetime) -> None:
    pools_changed(conn)
    conn.execute(
        update(schema.pools).where(which).values(version=schema.pools.c.version + 1, updated_at=now)
    )


def _chunks(e164s: Sequence[Phone]) -> Iterator[list[Phone]]:
    rest = iter(e164s)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
