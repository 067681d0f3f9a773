"""The API over each database: `house` runs on both, `lite` on SQLite alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.services import ApiSettings
from cdr.recording_files import RecordingFiles
from storage.database import open_database
from storage.vault import Vault, VaultKeys
from tests.contract.api.house import House


@pytest.fixture
def sqlite_url(migrated_sqlite: str) -> str:
    """A migrated SQLite database of the test's own."""
    return migrated_sqlite


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database of each kind."""
    found: str = request.getfixturevalue(f"migrated_{request.param}")
    return found


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


async def run(
    url: str,
    settings: ApiSettings | None = None,
    recordings: RecordingFiles | None = None,
    exports: Path | None = None,
) -> AsyncIterator[House]:
    """A running API; at the end all that it said is searched for phones."""
    db = open_database(url)
    how = settings or ApiSettings(sip_host="sip.test")
    running = House(db, Vault(VaultKeys.generate()), how, recordings, exports)
    try:
        await running.open()
        yield running
    finally:
        await running.close()
        await db.close()
    running.memory.search()
