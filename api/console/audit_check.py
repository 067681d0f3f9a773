"""Whether the audit log is as it was written: checked from its first entry to its last, apart.

Reading all of it takes a while, so pages never wait for it: they say what is known, and since when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage import audit
from storage.audit import Verdict
from storage.database import Database
from storage.errors import StorageError

_log = logging.getLogger("maskline.console")

OLD: Final = timedelta(hours=1)
"""What was found so long ago is found out anew."""
AT_ONCE: Final = 1_000  # entries in one go


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, and when."""

    at: datetime
    verdict: Verdict


class AuditCheck:
    """One process's. `close` it at the end."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.found: Checked | None = None  # by the last check that came to its end
        self.so_far: int | None = None  # entries of the check that is under way

    def begin(self, *, anew: bool = False) -> None:
        """Check, unless a check is under way; only what was found long ago, but for `anew`."""
        fresh = self.found is not None and self._clock() - self.found.at < OLD
        if self._task is None and (anew or not fresh):
            self.so_far = 0
            self._task = asyncio.create_task(self._run(), name="the check of the audit log")

    async def close(self) -> None:
        """Check no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        verdict, complete = audit.NOTHING_YET, False
        try:
            while not complete:
                before = verdict
                verdict, complete = await self._db.read(
                    lambda conn, before=before: audit.verify_on(conn, before, AT_ONCE)  # type: ignore[misc]
                )
                self.so_far = verdict.entries
            self.found = Checked(self._clock(), verdict)
            if not verdict.intact:
                _log.error("the audit log is not as it was written, from %s", verdict.broken_at)
        except StorageError as error:
            _log.warning("the audit log could not be checked: %s", error.error_id)
        finally:
            self._task = self.so_far = None
