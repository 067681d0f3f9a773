"""Every contract of storage is kept by both databases: each test here runs on either."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import Database, migrate, open_database
from storage.vault import Vault
from tests.support.storage import a_vault


@pytest.fixture
def vault() -> Vault:
    return a_vault()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'maskline.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """A database with today's schema and nothing in it."""
    await migrate(url)
    database = open_database(url)
    try:
        yield database
    finally:
        await database.close()
