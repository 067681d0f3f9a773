"""The few statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy import (
    JSON,
    BindParameter,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    Text,
    bindparam,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement, GenericFunction
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.json_text import dumps

Insert = sqlite.Insert | postgresql.Insert


def insert_for(conn: Connection, table: Table) -> Insert:
    """An INSERT into `table` that knows ON CONFLICT."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def insert_if_absent(conn: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless a unique rule forbids it; says whether it was inserted."""
    return conn.execute(insert_for(conn, table).on_conflict_do_nothing(), row).rowcount == 1


class gathered(GenericFunction[list[Any]]):  # noqa: N801 (SQL functions are small)
    """Aggregate: the values of all rows as a list, of lists where they are several.

    A row that SQL gathers costs a tenth of one that is fetched. None or empty for no rows.
    """

    type = JSON()
    inherit_cache = True


@compiles(gathered, "sqlite")
def _gathered_sqlite(element: gathered, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    values = compiler.process(element.clauses, **kw)
    return f"json_group_array({values if len(element.clauses) == 1 else f'json_array({values})'})"


@compiles(gathered, "postgresql")
def _gathered_postgresql(element: gathered, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    values = compiler.process(element.clauses, **kw)
    one = values if len(element.clauses) == 1 else f"json_build_array({values})"
    return f"json_agg({one})"


class Texts(TypeDecorator[list[str]]):
    """Several texts as one parameter: a list for PostgreSQL, JSON for SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """What the driver is given."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(Text(), dimensions=1))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """On the way in."""
        return value if value is None or dialect.name == "postgresql" else dumps(value)


class _one_of(FunctionElement[bool]):  # noqa: N801 (SQL functions are small)
    """Whether a column holds one of several texts."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it stands: SQLite goes by no index for what is compared with 1, as others are."""
        return self


@compiles(_one_of, "sqlite")
def _one_of_sqlite(element: _one_of, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column, texts = (compiler.process(one, **kw) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608 (parts of a statement)


@compiles(_one_of, "postgresql")
def _one_of_postgresql(element: _one_of, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column, texts = (compiler.process(one, **kw) for one in element.clauses)
    return f"{column} = ANY ({texts})"


def one_of(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """`column` holds one of the texts in the parameter `name`, a list of whatever length.

    The statement stays the same for every length, which `in_` makes anew each time.
    """
    texts: BindParameter[list[str]] = bindparam(name, type_=Texts())
    return _one_of(column, texts)
