"""Opens what is kept: vault, database at its newest schema, and the first admin key.

Never shows a key: it goes into a file that only its owner can read.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from maskline.data_folder import write_private
from maskline.errors import DataFolderUnwritable
from maskline.instance import KEY_FILE
from maskline.settings import Settings
from storage import keys
from storage.database import Database, open_database
from storage.keys import KeyRole
from storage.marks import bind_vault
from storage.migration import migrate
from storage.vault import Vault


def utc_now() -> datetime:
    """The clock of everything that runs."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Store:
    """What every role needs."""

    db: Database
    vault: Vault


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of `settings`, migrated. Raises StorageError or DataFolderUnwritable."""
    vault = Vault.from_file(settings.data / "vault.key")
    await migrate(settings.database)
    db = open_database(settings.database)
    try:
        await db.write(lambda conn: bind_vault(conn, vault))
        await _first_key(db, settings.data / KEY_FILE)
        yield Store(db, vault)
    finally:
        await db.close()


async def _first_key(db: Database, file: Path) -> None:
    """Make an admin key where there is none, in the file and in the database.

    The file first: a key that is only in the file is worth nothing and is simply taken over by the
    next start; one that is only in the database could never be used.
    """
    if await db.read(_has_key):
        return
    if file.exists():
        text = file.read_text().strip()
    else:
        text = keys.new_key(secrets.token_bytes(keys.KEY_BYTES))
        try:
            write_private(file, text + "\n")
        except OSError as error:
            raise DataFolderUnwritable(file.parent, error.strerror or str(error)) from None

    def add(conn: Connection) -> None:
        if not _has_key(conn):
            hashed = keys.hash_key(text)
            keys.add(conn, key_hash=hashed, role=KeyRole.ADMIN, name="first", now=utc_now())

    await db.write(add)


def _has_key(conn: Connection) -> bool:
    return bool(keys.page(conn, limit=1).items)
