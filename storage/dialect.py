"""The few statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = sqlite.Insert | postgresql.Insert


def insert_for(conn: Connection, table: Table) -> Insert:
    """An INSERT into `table` that knows ON CONFLICT."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def insert_if_absent(conn: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless a unique rule forbids it; says whether it was inserted."""
    return conn.execute(insert_for(conn, table).on_conflict_do_nothing(), row).rowcount == 1
