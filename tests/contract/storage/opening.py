"""Pools with rules, sessions opened in them, and what is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import Connection, func, select

from masking.digits import SECRET_BYTES
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Phone, Pool, Role, Session
from masking.rules import NumberRules, PoolRules
from storage import Database, numbers, sessions
from storage.schema import leases, outbox
from storage.schema import sessions as session_table
from tests.support.storage import NOW, SELLER, TRUNK, a_draft, a_person, a_vault, stocked

HOUR = timedelta(hours=1)
_serial = count()


async def with_rules(
    db: Database,
    rules: NumberRules | PoolRules,
    size: int = 3,
    *,
    name: str = "default",
    e164s: Sequence[Phone] = (),
) -> None:
    """The pool `name` with these rules; of the default one, with so many numbers."""
    if name == "default":
        await stocked(db, a_vault(), size)
    all_rules = rules if isinstance(rules, PoolRules) else PoolRules(numbers=rules)

    def work(conn: Connection) -> None:
        numbers.put_pool(conn, Pool(name, rules=all_rules), NOW)
        if e164s:
            numbers.add_numbers(conn, name, TRUNK.name, e164s, NOW)

    await db.write(work)


def open_in(
    conn: Connection,
    draft: SessionDraft,
    *,
    now: datetime = NOW,
    rotation: int = 0,
    busy: frozenset[str] | None = frozenset(),
) -> Session:
    serial = next(_serial)
    return sessions.open_session(
        conn,
        a_vault(),
        draft,
        now=now,
        session_id=session_id(now, serial.to_bytes(10, "big")),
        rotation=rotation,
        secret=(serial + 1).to_bytes(SECRET_BYTES, "big"),
        busy=busy,
    )


async def opened(
    db: Database,
    draft: SessionDraft | None = None,
    *,
    now: datetime = NOW,
    rotation: int = 0,
    busy: frozenset[str] | None = frozenset(),
) -> Session:
    wanted = draft or a_draft()
    return await db.write(lambda conn: open_in(conn, wanted, now=now, rotation=rotation, busy=busy))


async def got(db: Database, session: Session) -> Session:
    found = await db.read(lambda conn: sessions.get(conn, a_vault(), session.id))
    assert found is not None
    return found


async def closed(db: Database, session: Session, at: datetime = NOW) -> None:
    await db.write(lambda conn: sessions.close(conn, session.id, at))


async def kept(db: Database) -> tuple[int, int, int]:
    """How many sessions, active leases and notices there are."""

    def work(conn: Connection) -> tuple[int, int, int]:
        counted = [
            conn.execute(select(func.count()).select_from(query)).scalar_one()
            for query in (
                session_table,
                select(leases).where(leases.c.active).subquery(),
                outbox,
            )
        ]
        return counted[0], counted[1], counted[2]

    return await db.read(work)


def seller_meets(n: int, **changes: object) -> SessionDraft:
    """The usual seller with another buyer each time."""
    return replace(a_draft(a_person(Role.BUYER, n), SELLER), **changes)  # type: ignore[arg-type]


def number_of(session: Session, role: Role = Role.SELLER) -> Phone:
    lease = session.lease(role)
    assert lease is not None
    return lease.number.e164


def why_of(session: Session, role: Role = Role.SELLER) -> dict[str, str]:
    lease = session.lease(role)
    assert lease is not None
    return dict(lease.why)


async def with_rules_again(db: Database, rules: NumberRules) -> None:
    pool = Pool("default", rules=PoolRules(numbers=rules))
    await db.write(lambda conn: numbers.put_pool(conn, pool, NOW))
