"""A migrated database of each kind, with one session whose calls the scenarios tell of."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from masking.model import Phone
from storage import Database, migrate, open_database
from storage.schema import participants, sessions
from storage.vault import Vault
from tests.integration.cdr.keeping import Here, Keeping
from tests.integration.cdr.world import OUR_NUMBER, TABLES, World, add_number, add_session
from tests.support.postgres import PostgresServer, fresh_database
from tests.unit.cdr.scenario import NODE, START

_PHONES = (Phone("+79161234567"), Phone("+79267654321"))


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return Vault.from_file(tmp_path_factory.mktemp("vault") / "vault.key")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, vault: Vault) -> Path:
    path = tmp_path_factory.mktemp("template") / "db"
    asyncio.run(_fill(f"sqlite:///{path}", vault))
    return path


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: PostgresServer, vault: Vault) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        asyncio.run(_fill(url, vault))
        yield url


@pytest.fixture
def postgres_emptied(shared_postgres: str, vault: Vault) -> str:
    asyncio.run(_begin_anew(shared_postgres, vault))
    return shared_postgres


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "db")
    return f"sqlite:///{tmp_path / 'db'}"


@pytest.fixture(params=["sqlite_url", "postgres_emptied"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
async def world(url: str, vault: Vault, spool: Path) -> AsyncIterator[World]:
    """On each kind of database."""
    async for made in _world(url, vault, spool):
        yield made


@pytest.fixture
async def small_world(sqlite_url: str, vault: Vault, spool: Path) -> AsyncIterator[World]:
    """On SQLite alone: for what does not depend on the database."""
    async for made in _world(sqlite_url, vault, spool):
        yield made


async def _world(url: str, vault: Vault, spool: Path) -> AsyncIterator[World]:
    db: Database = open_database(url)
    try:
        yield World(db, url, vault, spool, NODE, [START + timedelta(minutes=5)])
    finally:
        await db.close()


@pytest.fixture
async def keeping(migrated_sqlite: str, tmp_path: Path) -> AsyncIterator[Keeping]:
    db = open_database(migrated_sqlite)
    yield Keeping(db, tmp_path, Here())
    await db.close()


async def _fill(url: str, vault: Vault) -> None:
    await migrate(url)
    db = open_database(url)
    try:
        await db.write(lambda conn: add_number(conn, vault, OUR_NUMBER))
        await db.write(lambda conn: add_session(conn, vault, "ses_1", "chat-1", _PHONES))
    finally:
        await db.close()


async def _begin_anew(url: str, vault: Vault) -> None:
    """As `_fill` left it: a test may have changed the session as well, its conversation's name."""

    def work(conn: Connection) -> None:
        for table in (*TABLES, participants, sessions):
            conn.execute(table.delete())
        add_session(conn, vault, "ses_1", "chat-1", _PHONES)

    db = open_database(url)
    try:
        await db.write(work)
    finally:
        await db.close()
