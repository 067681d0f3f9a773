"""Lets go of what is over: leases that cooled down, answers kept for repeated requests.

Nothing depends on it but the size of the tables: whoever looks at a row also looks at its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from storage import idempotency, sessions
from storage.database import Database
from storage.errors import StorageError

_log = logging.getLogger("maskline.upkeep")
EVERY_S = 60.0


async def keep_tidy(
    db: Database, clock: Callable[[], datetime], *, every_s: float = EVERY_S
) -> None:
    """Tidy every `every_s` seconds until cancelled. If the database fails, next time will do."""

    def work(conn: Connection) -> None:
        now = clock()
        sessions.sweep(conn, now)
        idempotency.sweep(conn, now)

    while True:
        await asyncio.sleep(every_s)
        try:
            await db.write(work)
        except StorageError as error:
            _log.warning("tidying is put off: %s", error)
