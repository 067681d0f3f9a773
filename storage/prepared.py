"""One statement, prepared once and run past SQLAlchemy where the database is SQLite.

SQLAlchemy's own way from a statement to its rows costs an offer several times what SQLite takes for
it, while a caller waits. The statement is still SQLAlchemy's, and so are its types: only the way is
shorter, and the rows are the same (tests/contract/storage/test_prepared.py). For reading by index
on the path of a call, nothing else. It must never be built from strings.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import Connection, Dialect, Row, Select
from sqlalchemy.types import TypeEngine

_Processors = tuple[tuple[int, Callable[[Any], Any]], ...]
_Run = Callable[[sqlite3.Connection, Mapping[str, Any]], list[Row[Any]]]


class Prepared:
    """A select whose every parameter is a `bindparam` with a name; each column has its own name."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement: Final = statement
        self._run: _Run | None = None

    def rows(self, conn: Connection, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """The rows. Raises what `conn.execute` raises, or the driver's own errors."""
        if conn.dialect.name != "sqlite":
            return conn.execute(self._statement, parameters).all()
        if self._run is None:
            self._run = _prepare(self._statement, conn.dialect)
        return self._run(cast("sqlite3.Connection", conn.connection.driver_connection), parameters)


def _prepare(statement: Select[Any], dialect: Dialect) -> _Run:
    compiled = statement.compile(dialect=dialect)
    columns = statement.selected_columns
    names = [column.key or "" for column in columns]
    row: Any = namedtuple("PreparedRow", names)  # type: ignore[misc]  # noqa: PYI024 (names are data)
    made: Callable[[list[Any]], Any] = row._make
    processors: _Processors = tuple(
        (place, processor)
        for place, column in enumerate(columns)
        if (processor := _reader_of(column.type, dialect)) is not None
    )
    writers = {
        name: processor
        for name, bind in compiled.binds.items()
        if (processor := _writer_of(bind.type, dialect)) is not None
    }
    text = str(compiled)
    order = tuple(compiled.positiontup or ())
    values_of = compiled.params
    fixed = {
        name: values_of[name]
        for name, bind in compiled.binds.items()
        if not bind.required and name in order
    }

    def run(driver: sqlite3.Connection, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        values = []
        for name in order:
            value = parameters[name] if name in parameters else fixed[name]
            writer = writers.get(name)
            values.append(value if writer is None else writer(value))
        found: list[Row[Any]] = []
        for raw in driver.execute(text, values):
            read = list(raw)
            for place, processor in processors:
                read[place] = processor(read[place])
            found.append(made(read))
        return found

    return run


def _reader_of(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _writer_of(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)
