"""What apps and their registrations ask goes through an index, however much is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from cdr import call_log
from storage import Database, app_users, apps, participation, ratings
from tests.support.statements import parameters
from tests.support.storage import NOW

HOUR = timedelta(hours=1)

ASKED: dict[str, tuple[Callable[[Connection], object], str]] = {
    "account": (lambda conn: apps.account(conn, "app_x", NOW), "PRIMARY KEY"),
    "token": (lambda conn: apps.by_token(conn, b"x", NOW), "token_hash"),
    "devices": (lambda conn: apps.of_users(conn, ["u-1"], NOW), "user_id_expires_at"),
    "owners": (lambda conn: apps.owners(conn, ["app_x", "app_y"]), "PRIMARY KEY"),
    "ended": (lambda conn: apps.ended_since(conn, NOW - HOUR, NOW), "revoked_at"),
    "switches": (lambda conn: app_users.get(conn, "u-1"), "PRIMARY KEY"),
    "opted in": (lambda conn: app_users.opted_in(conn, "u-1", "L-1"), "PRIMARY KEY"),
    "stand": (lambda conn: participation.stand(conn, "ses_x", "u-1"), "PRIMARY KEY"),
    "sessions": (lambda conn: participation.open_sessions(conn, ["ses_x"], NOW), "PRIMARY KEY"),
    "live": (lambda conn: participation.roles_in(conn, "u-1", ["ses_x"]), "participants"),
    "ratings": (lambda conn: ratings.of_calls(conn, ["cal_x"]), "PRIMARY KEY"),
    "newest": (call_log.newest_id, "SEARCH"),
    "written": (lambda conn: call_log.written_after(conn, 7, limit=9), "INTEGER PRIMARY KEY"),
    "entries": (lambda conn: call_log.of_user_after(conn, "u", 7, 9, limit=9), "PRIMARY KEY"),
    "older entries": (
        lambda conn: call_log.of_user_after(conn, "u", 7, 90_000, limit=9),
        "user_id_at_id",
    ),
    "unread": (lambda conn: call_log.unread_until(conn, "u", 9, limit=9), "unread"),
    "counted": (lambda conn: call_log.unread_count(conn, "u"), "unread"),
    "seen": (lambda conn: call_log.mark_read(conn, "u", until=NOW, now=NOW), "unread (user_id"),
    "seen in a conversation": (
        lambda conn: call_log.mark_conversation_read(conn, "u", "c", until=NOW, now=NOW),
        "unread (user_id",
    ),
    "what is unread": (lambda conn: call_log.page(conn, "u", unread=True, limit=9), "unread (user"),
    "live ones": (lambda conn: apps.live_count(conn, NOW), "COVERING INDEX ix_app_credentials_exp"),
    "counted of some": (lambda conn: call_log.unread_counts(conn, ["u", "v"]), "unread (user_id"),
}


@pytest.mark.parametrize("name", ASKED)
async def test_nothing_that_apps_ask_scans_a_table(db: Database, name: str) -> None:
    ask, index = ASKED[name]

    def plan(conn: Connection) -> list[str]:
        with parameters(conn) as seen:
            ask(conn)
        return [
            str(row[3])
            for statement, values in seen
            for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
        ]

    steps = await db.write(plan)

    # Of the devices that a user may have, and of what is in one user's log.
    sorts = () if name in ("devices", "older entries", "what is unread") else ("USE TEMP",)
    given = ("SCAN json_each ", "SCAN CONSTANT ROW")  # what was asked for
    assert [s for s in steps if s.startswith(("SCAN", *sorts)) and not s.startswith(given)] == []
    assert any(index in step for step in steps), steps
