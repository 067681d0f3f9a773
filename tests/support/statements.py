"""What SQL is really run: for tests of cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, event


@contextmanager
def statements(conn: Connection) -> Iterator[list[str]]:
    """The statements that `conn` runs inside the block."""
    seen: list[str] = []
    with parameters(conn) as with_parameters:
        yield seen
    seen += [statement for statement, _ in with_parameters]


@contextmanager
def queries(conn: Connection) -> Iterator[list[str]]:
    """The selects that `conn` runs inside the block, those of `Prepared` as well."""
    driver = conn.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        with statements(conn) as seen:
            yield seen
        return
    traced: list[str] = []
    driver.set_trace_callback(lambda text: traced.append(text) if "SELECT" in text[:6] else None)
    try:
        yield traced
    finally:
        driver.set_trace_callback(None)


@contextmanager
def parameters(conn: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that `conn` runs inside the block, each with (the first of) its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(
        _conn: object, _cursor: object, statement: str, values: object, _context: object, many: bool
    ) -> None:
        seen.append((statement, cast("Any", values)[0] if many else values))

    event.listen(conn, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(conn, "before_cursor_execute", note)
