"""Databases with today's schema and nothing in them; migrated once a run, for migrating is slow."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, text

from storage import Database, migrate, open_database
from storage.database import Limits
from storage.schema import metadata
from tests.support.postgres import PostgresServer, fresh_database


def empty(conn: Connection) -> None:
    """Leave no row; PostgreSQL begins new files, for what the same steps do must not vary.

    In used ones, rows that nothing orders are read as earlier ones left room for them.
    """
    tables = list(reversed(metadata.sorted_tables))
    if conn.dialect.name == "postgresql":
        names = ", ".join(table.name for table in tables)
        conn.execute(text("SET LOCAL session_replication_role = replica"))  # audit refuses else
        conn.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        conn.execute(text("SET LOCAL session_replication_role = origin"))
        return
    for table in tables:
        conn.execute(table.delete())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "maskline.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_migrated_once(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a migrated database, for one test after the other."""
    with fresh_database(postgres_server) as url:
        asyncio.run(migrate(url))
        yield url


@pytest.fixture
def migrated_sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of an SQLite database with today's schema."""
    path = tmp_path / "migrated.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def migrated_postgres(postgres_migrated_once: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with today's schema; emptied when the test ends."""
    yield postgres_migrated_once
    with psycopg.connect(postgres_migrated_once, autocommit=False) as connection:
        # The audit log refuses to be emptied.
        connection.execute("SET LOCAL session_replication_role = replica")
        for table in reversed(metadata.sorted_tables):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
        # Whoever follows rows by their ids takes a first one that is not 1 for a gap.
        for (name,) in connection.execute("SELECT sequencename FROM pg_sequences").fetchall():
            connection.execute(sql.SQL("ALTER SEQUENCE {} RESTART").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of each kind, with today's schema and nothing in it."""
    found: str = request.getfixturevalue(f"migrated_{request.param}")
    return found


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Runs what a test that is no coroutine asks of a database."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def database(url: str, runner: asyncio.Runner) -> Iterator[Database]:
    """The database at `url`; it belongs to `runner`. One work may be a whole story."""

    async def opened() -> Database:
        return open_database(url, Limits(deadline_s=100))

    db = runner.run(opened())
    yield db
    runner.run(db.close())
