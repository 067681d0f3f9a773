"""One statement, prepared once and run by the shortest way that the database has.

SQLAlchemy's own way from a statement to its rows costs an offer several times what SQLite takes for
it, while a caller waits. The statement is still SQLAlchemy's, and so are its types: only the way is
shorter, and the rows are the same (tests/contract/storage/test_prepared.py). For reading by index
on the path of a call, for what is asked every second though nothing happens, and for writing whole
rows; nothing else. It must never be built from strings.

On PostgreSQL all rows of an insert go in one statement, a list for each column: a round trip in the
place of one for every row. Rows of several tables that are always written together go in one, too.
Errors are SQLAlchemy's there, as its own way has them.
"""

from __future__ import annotations

import json
import sqlite3
from asyncio import CancelledError
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, cast

import orjson
from sqlalchemy import (
    JSON,
    Connection,
    Dialect,
    Float,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    func,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage import single
from storage.columns import UtcMillis, from_ms, to_ms
from storage.dialect import Insert, insert_for

_Processors = tuple[tuple[int, Callable[[Any], Any]], ...]
_Writer = Callable[[Any], Any]
_Run = Callable[[Connection, Mapping[str, Any]], list[Row[Any]]]
_Rows = Sequence[Mapping[str, Any]]
_Ask = Callable[[Connection, str, Sequence[Any]], Iterable[Sequence[Any]]]


class Prepared:
    """A select whose every parameter is a `bindparam` with a name; each column has its own name."""

    def __init__(self, statement: Select[Any]) -> None:
        self.statement: Final = statement
        self._runs: Final[dict[str, _Run]] = {}

    def rows(self, conn: Connection, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """The rows. Raises what `conn.execute` raises, or the driver's own errors."""
        name = conn.dialect.name
        run = self._runs.get(name)
        if run is None:
            run = self._runs[name] = _prepare(self.statement, conn.dialect)
        return run(conn, parameters)


class PreparedInsert:
    """An INSERT of whole rows: every column of the table is given, but for those it numbers."""

    def __init__(
        self,
        table: Table,
        *,
        numbered: str | None = None,
        once: str | None = None,
        replacing: bool = False,
    ) -> None:
        """`numbered`: the column that the database fills with numbers of its own.

        `once`: the unique column that says whether a row is there already; it is passed over then.
        `replacing`: a row takes the place of the one with its primary key.
        """
        self._table: Final = table
        self._names: Final = [name for name in table.c.keys() if name != numbered]  # noqa: SIM118 (a collection of columns)
        self._once: Final = once
        self._replacing: Final = replacing
        self._ways: Final[dict[str, Callable[[Connection, Sequence[Mapping[str, Any]]], None]]] = {}

    def statement(self, conn: Connection) -> Insert:
        """The statement as SQLAlchemy would run it for each row."""
        statement = insert_for(conn, self._table)
        if self._replacing:
            keys = [column.name for column in self._table.primary_key]
            others = {name: statement.excluded[name] for name in self._names if name not in keys}
            return statement.on_conflict_do_update(index_elements=keys, set_=others)
        if self._once is None:
            return statement
        return statement.on_conflict_do_nothing(index_elements=[self._once])

    def insert(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert `rows`. Raises what `conn.execute` raises, or the driver's own errors."""
        if not rows:
            return
        name = conn.dialect.name
        way = self._ways.get(name)
        if way is None:
            way = self._ways[name] = self._in_one(conn) if name == "postgresql" else self._by(conn)
        way(conn, rows)

    def _by(self, conn: Connection) -> Callable[[Connection, Sequence[Mapping[str, Any]]], None]:
        """Row by row, on SQLite's own connection."""
        compiled = self.statement(conn).compile(dialect=conn.dialect, column_keys=self._names)
        text = str(compiled)
        names = list(compiled.positiontup or ())
        kinds = [compiled.binds[name].type for name in names]
        values_of = _values_of(names, kinds, conn.dialect)

        def insert(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
            _driver(conn).executemany(text, [values_of(row) for row in rows])

        return insert

    def _in_one(
        self, conn: Connection
    ) -> Callable[[Connection, Sequence[Mapping[str, Any]]], None]:
        """All rows in one statement, as PostgreSQL takes them."""
        kinds = [self._table.c[name].type for name in self._names]
        lists = [
            bindparam(name, type_=ARRAY(_plain(kind), dimensions=1))
            for name, kind in zip(self._names, kinds, strict=True)
        ]
        given = func.unnest(*lists).table_valued(*self._names, name="given").render_derived()
        columns = [
            sql_cast(given.c[name], kind) if isinstance(kind, JSON) else given.c[name]
            for name, kind in zip(self._names, kinds, strict=True)
        ]
        statement = self.statement(conn).from_select(self._names, select(*columns))
        values_of = _values_of(self._names, kinds, conn.dialect)
        compiled = statement.compile(dialect=conn.dialect)
        text = str(compiled)
        order = itemgetter(*map(self._names.index, compiled.positiontup or ()))

        def insert(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
            columns = [list(column) for column in zip(*map(values_of, rows), strict=True)]
            _shortly(conn, text, order(columns))

        return insert


class InsertTogether:
    """INSERTs of whole rows into several tables, a few of each, that belong to one another.

    On PostgreSQL they are one statement; its rules are checked when all of its rows are there.
    """

    def __init__(self, *tables: Table) -> None:
        self._tables: Final = tables
        self.each: Final = tuple(PreparedInsert(table) for table in tables)
        self._ways: Final[dict[tuple[int, ...], Callable[[Connection, Sequence[_Rows]], None]]] = {}

    def insert(self, conn: Connection, rows: Sequence[_Rows]) -> None:
        """Insert `rows`, a list for each table, in their order; a list may be empty.

        Raises what `conn.execute` raises, or the driver's own errors.
        """
        if conn.dialect.name != "postgresql":
            for one, of_table in zip(self.each, rows, strict=True):
                one.insert(conn, of_table)
            return
        shape = tuple(map(len, rows))
        way = self._ways.get(shape)
        if way is None:
            way = self._ways[shape] = self._in_one(conn, shape)
        way(conn, rows)

    def _in_one(
        self, conn: Connection, shape: tuple[int, ...]
    ) -> Callable[[Connection, Sequence[_Rows]], None]:
        given = [(table, count) for table, count in zip(self._tables, shape, strict=True) if count]
        inserts = [
            postgresql.insert(table).values(
                [
                    {
                        column.name: bindparam(f"{table.name}_{n}_{column.name}", type_=column.type)
                        for column in table.c
                    }
                    for n in range(count)
                ]
            )
            for table, count in given
        ]
        *others, last = inserts
        compiled = last.add_cte(*(one.cte(f"into_{n}") for n, one in enumerate(others))).compile(
            dialect=conn.dialect
        )
        names = list(compiled.positiontup or ())
        writers = [_writer_of(compiled.binds[name].type, conn.dialect) for name in names]
        places = {
            f"{table.name}_{n}_{column.name}": (of, n, column.name)
            for of, table in enumerate(self._tables)
            for n in range(shape[of])
            for column in table.c
        }
        wanted = tuple((*places[name], writer) for name, writer in zip(names, writers, strict=True))
        text = str(compiled)

        def insert(conn: Connection, rows: Sequence[_Rows]) -> None:
            values = [
                rows[of][n][column] if writer is None else writer(rows[of][n][column])
                for of, n, column, writer in wanted
            ]
            _shortly(conn, text, values)

        return insert


class PreparedUpdate:
    """An UPDATE whose every parameter is a `bindparam` with a name, run for many rows."""

    def __init__(self, statement: Update) -> None:
        self.statement: Final = statement
        self._text = ""
        self._values_of: Callable[[Mapping[str, Any]], list[Any]] = lambda _: []

    def each(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it with each of `rows`. Raises what `conn.execute` raises, or the driver's errors."""
        if not rows:
            return
        if conn.dialect.name != "sqlite":
            conn.execute(self.statement, rows)
            return
        if not self._text:
            compiled = self.statement.compile(dialect=conn.dialect)
            names = list(compiled.positiontup or ())
            kinds = [compiled.binds[name].type for name in names]
            self._values_of = _values_of(names, kinds, conn.dialect)
            self._text = str(compiled)
        _driver(conn).executemany(self._text, [self._values_of(row) for row in rows])


def _values_of(
    names: Sequence[str], kinds: Sequence[TypeEngine[Any]], dialect: Dialect
) -> Callable[[Mapping[str, Any]], list[Any]]:
    """What makes of a row the values that the driver takes, in the order of `names`."""
    given = itemgetter(*names)
    writers = tuple(
        (place, writer)
        for place, kind in enumerate(kinds)
        if (writer := _writer_of(kind, dialect)) is not None
    )

    def values_of(row: Mapping[str, Any]) -> list[Any]:
        values = list(given(row))
        for place, writer in writers:
            values[place] = writer(values[place])
        return values

    return values_of


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of what a writer makes of values of `kind`."""
    if isinstance(kind, JSON):
        return Text()
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _millis(at: Any) -> int | None:  # noqa: ANN401 (a datetime, or None)
    return None if at is None else to_ms(at)


def _driver(conn: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", conn.connection.dbapi_connection)  # SQLite's are the driver's


def _in_sqlite(conn: Connection, text: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return _driver(conn).execute(text, values)


def _shortly(conn: Connection, text: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """Run a statement on PostgreSQL by a cursor of SQLAlchemy's driver; the rows as that has them.

    Raises DBAPIError.
    """
    single.asks(conn, text)
    if not conn.in_transaction():
        conn.begin()
    cursor = conn.connection.cursor()
    try:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else ()
    except conn.dialect.loaded_dbapi.Error as error:
        # With a connection go its plans: one that a changed schema made void is prepared anew.
        void = isinstance(error, conn.dialect.loaded_dbapi.InvalidCachedStatementError)
        lost = void or conn.dialect.is_disconnect(error, conn.connection, cursor)
        if lost:
            conn.invalidate(error)
        raise DBAPIError.instance(
            text,
            None,
            error,
            conn.dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=conn.dialect,
        ) from error
    except CancelledError:  # the server is still at it: nobody else is to wait for its answer
        conn.invalidate()
        raise


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

    ask: _Ask = _in_sqlite if dialect.name == "sqlite" else _shortly

    def run(conn: Connection, parameters: Mapping[str, Any]) -> list[Row[Any]]:
        values = []
        for name in order:
            value = parameters[name] if name in parameters else fixed[name]
            writer = writers.get(name)
            values.append(value if writer is None else writer(value))
        found: list[Row[Any]] = []
        for raw in ask(conn, text, values):
            read = list(raw)
            for place, processor in processors:
                read[place] = processor(read[place])
            found.append(made(read))
        return found

    return run


def _parsed(text: Any) -> Any:  # noqa: ANN401 (what a JSON column holds)
    """As SQLAlchemy reads JSON, by a shorter way."""
    if not isinstance(text, str):
        return text  # null; or a number, as SQLite keeps it
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)  # halves of surrogate pairs, and what no text of ours holds


def _time(ms: Any) -> datetime | None:  # noqa: ANN401 (an integer, or None)
    return None if ms is None else from_ms(ms)


def _reader_of(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    if isinstance(kind, UtcMillis):
        return _time  # the same, by a shorter way
    if isinstance(kind, JSON) and dialect.name == "sqlite":
        return _parsed
    if isinstance(kind, Float):
        return None  # both drivers have it
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _writer_of(kind: TypeEngine[Any], dialect: Dialect) -> _Writer | None:
    if isinstance(kind, UtcMillis):
        return _millis  # the same, by a shorter way
    if isinstance(kind, LargeBinary) and dialect.name == "sqlite":
        return None  # bytes are what the driver takes
    return kind.dialect_impl(dialect).bind_processor(dialect)
