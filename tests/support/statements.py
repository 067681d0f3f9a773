"""What SQL is really run: for tests of cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from unittest import mock

from sqlalchemy import Connection, Row, event

from storage.prepared import InsertTogether, Prepared, PreparedInsert


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
    with whole_parameters(conn) as seen:
        found: list[tuple[str, Any]] = []
        yield found
    found += [(text, values[0] if type(values) is list else values) for text, values in seen]


@contextmanager
def whole_parameters(conn: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The same with all of them. What is prepared goes the usual way meanwhile, to be seen."""
    seen: list[tuple[str, Any]] = []

    def note(
        _conn: object, _cursor: object, statement: str, values: object, _context: object, many: bool
    ) -> None:
        seen.append((statement, list(cast("Any", values)) if many else values))

    def rows(self: Prepared, conn: Connection, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        return conn.execute(self.statement, values).all()

    def insert(self: PreparedInsert, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            conn.execute(self.statement(conn), rows)

    def together(
        self: InsertTogether, conn: Connection, rows: Sequence[Sequence[Mapping[str, Any]]]
    ) -> None:
        for one, of_table in zip(self.each, rows, strict=True):
            one.insert(conn, of_table)

    event.listen(conn, "before_cursor_execute", note)
    try:
        with (
            mock.patch.object(Prepared, "rows", rows),
            mock.patch.object(PreparedInsert, "insert", insert),
            mock.patch.object(InsertTogether, "insert", together),
        ):
            yield seen
    finally:
        event.remove(conn, "before_cursor_execute", note)
