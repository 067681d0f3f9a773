"""Databases full of live sessions for `bench.numbers`: made once, found again in a kept folder.

PostgreSQL runs with the settings that docs/operations.md recommends, and nothing that risks data:
what counts as written is on the disk.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped]
import psutil

from bench import crowd
from bench.numbers_sides import in_cache
from storage import migrate
from tests.support.postgres import PostgresServer

_MIB: Final = 1 << 20


def server_settings() -> dict[str, str]:
    """Of the server that is measured: a quarter of the memory, and checkpoints far apart."""
    return {
        "listen_addresses": "",
        "max_connections": "60",
        "shared_buffers": f"{psutil.virtual_memory().total // 4 // _MIB}MB",
        "wal_compression": "lz4",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
    }


async def filled(folder: Path, total: int) -> Path:
    """An SQLite file with so many sessions; made if it is not there."""
    path = folder / f"{total}.db"
    if not path.exists():
        begun = time.monotonic()
        draft = folder / f"{total}.draft"
        await migrate(f"sqlite:///{draft}")
        await asyncio.to_thread(crowd.fill_sqlite, draft, total)
        draft.rename(path)
        print(f"filled with {total:,} sessions in {time.monotonic() - begun:.0f} s", flush=True)
    await migrate(f"sqlite:///{path}")
    await asyncio.to_thread(crowd.analyse, path)
    in_cache(path)
    return path


async def copied(server: PostgresServer, folder: Path, total: int) -> str:
    """The URL of a database with the same rows on `server`; made if it is not there.

    It is vacuumed, analysed and, like the file, in the cache.
    """
    name = f"numbers_{total}"
    url = server.url(name)
    done = server.folder / f"{name}.filled"
    if not done.exists():
        begun = time.monotonic()
        server.execute(f"DROP DATABASE IF EXISTS {name}")
        server.execute(f"CREATE DATABASE {name}")
        await crowd.fill_postgres(url, await filled(folder, total))
        done.touch()
        print(f"copied {total:,} sessions in {time.monotonic() - begun:.0f} s", flush=True)
    await migrate(url)
    await _prewarm(url)
    return url


async def _prewarm(url: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        await conn.execute(
            "SELECT pg_prewarm(oid::regclass) FROM pg_class"
            " WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace",
            timeout=120,
        )
    finally:
        await conn.close()
