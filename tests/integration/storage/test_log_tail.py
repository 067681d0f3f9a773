"""The tail of the call log over a PostgreSQL whose transactions commit in any order."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Connection

from api.in_app.tail import Tail
from storage import Database, open_database
from storage.schema import call_log_entries
from tests.support.storage import NOW

INSERT = (
    "INSERT INTO call_log_entries"
    " (user_id, call_id, direction, outcome, at, ring_ms, talk_ms, card)"
    " VALUES (%s, %s, 'in', 'missed', 0, 0, 0, '{}')"
)


def written(conn: Connection, call_id: str) -> None:
    row = {
        "user_id": "u-2",
        "call_id": call_id,
        "direction": "in",
        "outcome": "missed",
        "at": NOW,
        "ring_ms": 0,
        "talk_ms": 0,
        "card": {},
    }
    conn.execute(call_log_entries.insert(), row)


async def look(tail: Tail, told: list[str]) -> list[str]:
    await tail.look()
    found, told[:] = list(told), []
    return found


@pytest.mark.parametrize("commits", [True, False], ids=["committed later", "rolled back"])
async def test_an_entry_that_is_committed_late_is_not_passed_over(
    migrated_postgres: str, commits: bool
) -> None:
    db: Database = open_database(migrated_postgres)
    told: list[str] = []
    now = [0.0]
    tail = Tail(db, told.append, grace_s=5.0, clock=lambda: now[0])
    try:
        await tail.begin()
        with psycopg.connect(migrated_postgres) as late:
            late.execute(INSERT, ("u-1", "cal_1"))  # has its id, and is not seen yet
            await db.write(lambda conn: written(conn, "cal_2"))

            assert await look(tail, told) == []
            now[0] = 1.0
            if commits:
                late.commit()
            else:
                late.rollback()

        assert await look(tail, told) == (["u-1", "u-2"] if commits else [])
        now[0] = 5.0
        assert await look(tail, told) == ([] if commits else ["u-2"])
    finally:
        await db.close()
