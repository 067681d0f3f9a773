"""Batches prepared beside while those before them are written, in the order of the file.

Two ahead: when a batch is written the next one is at hand and the one behind it in the making, so
that writer and process beside do not wait for each other once a batch. Nothing here writes; what
was prepared in vain is dropped, and its rows are read again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Final

from cdr.batch import Batch, Before
from cdr.beside import Beside, Prepared, Question
from cdr.errors import SpoolUnreadable
from cdr.follow import Chunk, Follower

AHEAD: Final = 2
"""Batches that are prepared, or in the making, while the one before them is written."""
IN_ROW: Final = 8
"""Batches that are written without a pause. SQLite's log begins anew only with a commit before
which nobody wrote while it was copied: without pauses the log would outgrow the file."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch that is to be written next."""

    chunk: Chunk  # what it was made of
    prepared: Prepared


class Ahead:
    """A row of batches that follow the one being written."""

    def __init__(self, beside: Beside | None, clock: Callable[[], datetime]) -> None:
        """Without `beside` there never is one."""
        self._beside = beside
        self._clock = clock
        self._row: asyncio.Task[None] | None = None
        self._made: deque[Ready] = deque()
        self._taken = 0
        self._changed = asyncio.Event()

    @property
    def waiting_bytes(self) -> int:
        """Of the file, that are prepared and not taken yet."""
        return sum(len(ready.chunk.raw) for ready in self._made)

    def begin(self, follower: Follower, batch: Batch, wise: Callable[[Beside], bool]) -> None:
        """Prepare what follows `batch`, which is about to be written, as long as it is `wise`.

        The follower is the row's own until `take` has given all of it.
        """
        beside = self._beside
        if beside is None or self._row is not None or not batch.plain or not wise(beside):
            return
        row = self._prepare(follower, Before.of(batch), beside, wise)
        self._row = asyncio.create_task(row, name="prepare ahead")
        self._row.add_done_callback(lambda _: self._changed.set())
        self._taken = 0

    async def take(self) -> Ready | None:
        """The next batch, all before it being written; None: it has to be prepared in turn."""
        row, made = self._row, self._made
        if row is None:
            return None
        self._taken += 1
        at_hand = AHEAD if self._taken % IN_ROW == 0 else 1
        await self._until(lambda: len(made) >= at_hand or row.done())
        if made:
            self._changed.set()
            return made.popleft()
        self._row = None
        await row
        return None

    async def drop(self) -> None:
        """Forget what was prepared."""
        row, self._row = self._row, None
        if row is not None:
            row.cancel()
            await asyncio.gather(row, return_exceptions=True)
        self._made.clear()

    async def _prepare(
        self, follower: Follower, before: Before, beside: Beside, wise: Callable[[Beside], bool]
    ) -> None:
        unwritten = deque([before], maxlen=AHEAD)  # as far as is known
        while wise(beside):
            ready = await self._next(follower, reduce(Before.then, unwritten), beside)
            if ready is None:
                return
            self._made.append(ready)
            self._changed.set()
            if not ready.prepared.batch.plain:
                return
            unwritten.append(Before.of(ready.prepared.batch))
            await self._until(lambda: len(self._made) < AHEAD)

    async def _next(self, follower: Follower, before: Before, beside: Beside) -> Ready | None:
        try:
            chunk = await asyncio.to_thread(follower.read)
        except SpoolUnreadable:
            return None  # who reads in turn will say so
        if chunk is None:
            return None
        prepared = await beside.prepare(Question(chunk.raw, self._clock(), before))
        if prepared is None:
            return None
        follower.passed(chunk)
        return Ready(chunk, prepared)

    async def _until(self, so: Callable[[], bool]) -> None:
        """Wait until it is `so`; whoever changes anything sets `_changed`."""
        while not so():
            self._changed.clear()
            await self._changed.wait()
