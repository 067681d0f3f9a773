"""The tail: follows a table as it is written, by whichever process, for those who listen.

PostgreSQL hands out ids before transactions commit, so an entry may appear behind one with a higher
id. The tail therefore passes a gap only once it has been there for `grace_s`: up to `settled` every
entry that there will ever be can be read, and a reader who remembers one number misses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from sqlalchemy import Connection

from cdr import call_log
from storage.database import Database
from storage.errors import StorageError

_log = logging.getLogger("maskline.api")
POLL_S: Final = 0.25
GRACE_S: Final = 5.0  # longer than a record's transaction takes from its first row to its commit
_LOOK_BACK: Final = 256  # ids: what may be under way when the tail begins
_BATCH: Final = 1000


class Written(Protocol):
    """What is followed: entries with rising ids, each of somebody's."""

    def newest_id(self, conn: Connection, /) -> int:
        """The id of the entry written last; 0 if there is none."""

    def written_after(
        self, conn: Connection, entry_id: int, /, *, limit: int
    ) -> list[tuple[int, str]]:
        """Ids of what was written after the entry, the first first, and whose it is."""


class Tail:
    """Knows up to where the entries are settled, and tells whose are new."""

    def __init__(
        self,
        db: Database,
        written: Callable[[str], None],
        *,
        poll_s: float = POLL_S,
        grace_s: float = GRACE_S,
        of: Written = call_log,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`written` is called with the owner of every entry that has been settled."""
        self._db = db
        self._written = written
        self._poll_s = poll_s
        self._grace_s = grace_s
        self._of = of
        self._clock = clock
        self._gap: tuple[int, float] | None = None  # the first id missing, and since when
        self.settled = 0

    async def begin(self) -> None:
        """Find out where the log is. Raises StorageError."""
        newest = await self._db.read(self._of.newest_id)
        self.settled = max(0, newest - _LOOK_BACK)
        while await self.look() == _BATCH:
            pass

    async def look(self) -> int:
        """Read what was written since; how much of it is settled. Raises StorageError."""
        after, passed = self.settled, 0
        read = self._of.written_after
        found = await self._db.read(lambda conn: read(conn, after, limit=_BATCH))
        for entry_id, user_id in found:
            if entry_id != self.settled + 1 and not self._may_pass(self.settled + 1):
                break
            self.settled = entry_id
            passed += 1
            self._written(user_id)
        return passed

    async def run(self) -> None:
        """Follow, until cancelled; a database that is away is asked again."""
        while True:
            try:
                passed = await self.look()
            except StorageError as error:
                _log.warning("what is written of calls cannot be followed: %s", error.error_id)
                passed = 0
            if passed < _BATCH:
                await asyncio.sleep(self._poll_s)

    def _may_pass(self, missing: int) -> bool:
        now = self._clock()
        if self._gap is None or self._gap[0] != missing:
            self._gap = (missing, now)
        return now - self._gap[1] >= self._grace_s
