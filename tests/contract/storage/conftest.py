"""Every contract of storage is kept by both databases: each test here runs on either."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage import Database, open_database
from storage.vault import Vault
from tests.support.storage import a_vault


@pytest.fixture
def vault() -> Vault:
    return a_vault()


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """That database."""
    database = open_database(url)
    try:
        yield database
    finally:
        await database.close()
