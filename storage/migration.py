"""Brings a database to the newest schema. Two processes may do so at once: one waits its turn."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import closing
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from storage.database import Limits, parse_url
from storage.errors import StorageError
from storage.faults import storage_error
from storage.postgres import make_engine as make_postgres
from storage.sqlite import begin_write
from storage.sqlite import make_engine as make_sqlite
from storage.turns import Turns

_LOCK: Final = 0x6D61_736B_6C69_6E65  # "maskline": PostgreSQL's advisory lock for migrations
_DEADLINE_S: Final = 300.0
_TURN_MS: Final = 60_000  # how long one process waits for another that migrates


async def migrate(url: str) -> None:
    """Bring the database at `url` to head, all or nothing. Raises StorageError."""
    parsed = parse_url(url)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            if parsed.get_backend_name() == "sqlite":
                await asyncio.to_thread(_migrate_sqlite, url)
            else:
                await _migrate_postgres(url)
    except (DBAPIError, OSError) as error:
        raise (storage_error(error) or StorageError()) from error


def upgrade(conn: Connection, revision: str = "head") -> None:
    """Run what is missing up to `revision` in the transaction of `conn`."""
    command.upgrade(config(conn), revision)


def config(conn: Connection) -> Config:
    """Alembic's configuration for the migrations that are packed with us, over `conn`."""
    settings = Config()
    settings.set_main_option("script_location", "storage:migrations")
    settings.attributes["connection"] = conn
    return settings


def _migrate_sqlite(url: str) -> None:
    parsed = parse_url(url)
    # Nobody else reads it; what SQLite puts beside it gets the same mode.
    os.close(os.open(parsed.database or "", os.O_CREAT | os.O_RDWR, 0o600))
    with closing(Turns(parsed.database or "")) as turns:
        engine = make_sqlite(parsed, busy_ms=_TURN_MS)
        until = time.monotonic() + _TURN_MS / 1000
        with turns.turn(until), engine.connect() as conn, begin_write(conn):
            upgrade(conn)


async def _migrate_postgres(url: str) -> None:
    engine = make_postgres(parse_url(url), Limits(deadline_s=_DEADLINE_S, connections=1))
    try:
        async with engine.begin() as conn:
            await conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            await conn.run_sync(upgrade)
    finally:
        await engine.dispose()
