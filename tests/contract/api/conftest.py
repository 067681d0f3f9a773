"""The API over each database: `house` runs on both, `lite` on SQLite alone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.services import ApiSettings
from storage.database import open_database
from storage.migration import migrate
from storage.vault import Vault, VaultKeys
from tests.contract.api.house import House
from tests.support.postgres import PostgresServer, fresh_database


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "maskline.db"
    asyncio.run(migrate(f"sqlite:///{file}"))
    return file


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    file = tmp_path / "maskline.db"
    shutil.copyfile(migrated_file, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database of the test's own, of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with fresh_database(server) as url:
        asyncio.run(migrate(url))
        yield url


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """The API over each kind of database."""
    async for running in run(database_url):
        yield running


@pytest.fixture
async def lite(sqlite_url: str) -> AsyncIterator[House]:
    """The API over SQLite, for what the database has no part in."""
    async for running in run(sqlite_url):
        yield running


async def run(url: str, settings: ApiSettings | None = None) -> AsyncIterator[House]:
    """A running API; at the end all that it said is searched for phones."""
    db = open_database(url)
    running = House(db, Vault(VaultKeys.generate()), settings or ApiSettings(sip_host="sip.test"))
    try:
        await running.open()
        yield running
    finally:
        await running.close()
        await db.close()
    running.memory.search()
