"""What tests of one database begin with; those that need more in it have a `db` of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage import Database, open_database


@pytest.fixture
async def db(migrated_sqlite: str) -> AsyncIterator[Database]:
    """An SQLite database with today's schema and nothing in it."""
    database = open_database(migrated_sqlite)
    try:
        yield database
    finally:
        await database.close()
