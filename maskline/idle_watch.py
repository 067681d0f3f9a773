"""Notes which sessions have calls on the node, so that no process gives their numbers away.

The ingester tells of calls too, but may be behind, or away for hours. Two writes a call, one when
it came and one when it was answered, in pools that recycle; in others none, and one read in ten
seconds. No call waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from api.services import LiveCall
from maskline.watching import Complaint, follow
from storage import not_idle
from storage.database import Database
from storage.errors import StorageError

_log = logging.getLogger("maskline.calls")
LOOK_EVERY_S: Final = 1.0
POOLS_EVERY: Final = timedelta(seconds=10)

_Noted = tuple[str, str, bool]


class IdleWatch:
    """One node's. `run` must be somebody's task."""

    def __init__(
        self,
        db: Database,
        live_calls: Callable[[], Sequence[LiveCall]],
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._live_calls = live_calls
        self._clock = clock
        self._pools: frozenset[str] = frozenset()
        self._read_at: datetime | None = None
        self._noted: frozenset[_Noted] = frozenset()
        self._complaint = Complaint(_log, "calls are not noted yet")

    async def run(self) -> None:
        """Follow the node's calls until cancelled."""
        await follow(self.look, asyncio.Event(), LOOK_EVERY_S, (StorageError,), self._complaint)

    async def look(self) -> None:
        """Note what came or was answered since the last look. Raises StorageError."""
        now = self._clock()
        if self._read_at is None or abs(now - self._read_at) >= POOLS_EVERY:
            pools = await self._db.read(not_idle.recycling)
            if pools - self._pools:
                self._noted = frozenset()  # calls of a pool that recycles from now on
            self._pools, self._read_at = pools, now
        if not self._pools:
            return
        calls = frozenset(
            (one.call_id, one.session_id, one.state == "up")
            for one in self._live_calls()
            if one.session_id is not None
        )
        news = {session_id for _, session_id, _ in calls - self._noted}
        if news:
            note = partial(not_idle.note, session_ids=news, pools_of=self._pools, at=now)
            await self._db.write(note)
        self._noted = calls
