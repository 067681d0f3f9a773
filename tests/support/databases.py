"""Databases with today's schema and nothing in them; migrated once a run, for migrating is slow."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from storage import migrate
from storage.schema import metadata
from tests.support.postgres import PostgresServer, fresh_database


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
        for table in reversed(metadata.sorted_tables):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
