"""What is asked for every call goes through an index, however much is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection

from masking.digits import SECRET_BYTES
from masking.model import Pool, Role
from masking.rules import Exhausted, NumberRules, PoolRules, Stranger, StrangerRules
from storage import Database, numbers, open_database, routing, sessions
from storage.routing import Dialling
from tests.support.statements import parameters
from tests.support.storage import (
    ANNA,
    DAY,
    NOW,
    SELLER,
    TRUNK,
    a_draft,
    a_person,
    a_vault,
    opened,
    proxies,
    stocked,
)

_NO_TABLE = ("SCAN CONSTANT ROW", "SCAN by_phone LEFT-JOIN")  # of what was gathered: two rows


@pytest.fixture
async def db(migrated_sqlite: str) -> AsyncIterator[Database]:
    database = open_database(migrated_sqlite)
    await stocked(database, a_vault(), 50)
    for n in range(20):
        draft = a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n % 3))
        await opened(database, a_vault(), draft, rotation=n)
    yield database
    await database.close()


def plan_of(conn: Connection, work: object) -> list[str]:
    """The steps SQLite takes for every statement of `work`."""
    assert callable(work)
    with parameters(conn) as seen:
        work(conn)
    steps: list[str] = []
    for statement, values in seen:
        rows = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
        steps += [row[3] for row in rows]
    return steps


async def test_a_routing_decision_scans_nothing(db: Database) -> None:
    def ask(conn: Connection) -> object:
        return routing.facts(conn, a_vault(), Dialling(proxies(1)[0], ANNA, TRUNK.name))

    steps = await db.read(lambda conn: plan_of(conn, ask))

    assert [step for step in steps if step.startswith("SCAN") and step not in _NO_TABLE] == []
    assert any("uq_leases_live_or_cooling" in step for step in steps)


async def test_opening_a_session_scans_nothing(db: Database) -> None:
    def open_one(conn: Connection) -> object:
        return sessions.open_session(
            conn, a_vault(), a_draft(), now=NOW, session_id="ses_x", rotation=1
        )

    await opened(db, a_vault(), a_draft(a_person(Role.BUYER, 99), a_person(Role.SELLER, 99)))
    steps = await db.write(lambda conn: plan_of(conn, open_one))

    assert [step for step in steps if step.startswith("SCAN") and step not in _NO_TABLE] == []
    held = "SEARCH leases USING COVERING INDEX ix_leases_held (phone_index=?)"
    assert held in steps, "the rows themselves need not be read"


@pytest.mark.parametrize("exhausted", [Exhausted.EXTENSION, Exhausted.RECYCLE_IDLE])
async def test_making_room_in_an_exhausted_pool_scans_nothing(
    db: Database, exhausted: Exhausted
) -> None:
    rules = PoolRules(NumberRules(exhausted=exhausted), StrangerRules(unknown=Stranger.PIN))
    for n in range(50):
        await opened(db, a_vault(), a_draft(a_person(Role.BUYER, 100 + n), SELLER), rotation=n)

    def open_one(conn: Connection) -> object:
        return sessions.open_session(
            conn,
            a_vault(),
            a_draft(a_person(Role.BUYER, 99), SELLER),
            now=NOW + DAY / 2,
            session_id="ses_x",
            rotation=1,
            secret=b"s" * SECRET_BYTES,
        )

    await db.write(lambda conn: numbers.put_pool(conn, Pool("default", rules=rules), NOW))
    steps = await db.write(lambda conn: plan_of(conn, open_one))

    assert [step for step in steps if step.startswith("SCAN") and step not in _NO_TABLE] == []
    assert any("uq_leases_pin" in step for step in steps)


async def test_a_users_and_a_conversations_sessions_are_found_by_index(db: Database) -> None:
    for filters in ({"user_id": "seller-1"}, {"conversation_id": "chat-81"}):

        def ask(conn: Connection, filters: dict[str, str] = filters) -> object:
            return sessions.page(conn, a_vault(), now=NOW, limit=3, **filters)  # type: ignore[arg-type]

        steps = await db.read(lambda conn, ask=ask: plan_of(conn, ask))  # type: ignore[misc]

        assert [step for step in steps if step.startswith("SCAN")] == []
        assert not any("TEMP B-TREE" in step for step in steps[:3]), "sorted by the index"
