"""Prepares batches in a process beside the ingester's own, while those before are written.

For an ingester that is far behind: reading, folding and joining take twice the time that writing
takes, and there is another core. It is a help and nothing else: whatever becomes of the process,
the ingester prepares the batch itself.

What goes over the pipe is made and read by Maskline alone, at both ends of a process of its own.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cdr.batch import Batch, Before
from cdr.child import Child, ChildFailed

_log = logging.getLogger(__name__)

_ANSWER_S: Final = 30.0
_START_S: Final = 60.0
_REST_S: Final = 60.0  # without a question, after which the process is let go
_PAUSE_S: Final = 60.0  # before another one is started in the place of one that failed


@dataclass(frozen=True, slots=True)
class Setting:
    """What the process works with: the first thing it is told."""

    url: str = field(repr=False)  # of the database; it may hold a password
    vault: Path  # the file with the keys
    node: str
    app_host: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be prepared."""

    raw: bytes  # lines of the event file
    now: datetime
    before: Before


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is ready to be written."""

    batch: Batch
    rows: int  # of the file
    garbage: int  # lines, or parts of lines, that are no row
    newest_us: int | None  # when the last row was written


class Beside:
    """The process, from the asker's side. Not for several who ask at once."""

    def __init__(
        self,
        url: str,
        vault: Path,
        child: Child | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._vault = vault
        self._child = child or Child.module("cdr.beside_child")
        self._elapsed = elapsed
        self._told: Setting | None = None  # what the running process works with
        self._starting: asyncio.Task[None] | None = None
        self._asked_s = elapsed()
        self._not_before_s = -_PAUSE_S

    @property
    def running(self) -> bool:
        """Whether it could be asked without being started."""
        return self._told is not None and self._child.running

    def ready(self, node: str, app_host: str) -> bool:
        """Whether it can be asked. If not, it is started meanwhile."""
        self._asked_s = self._elapsed()
        setting = Setting(self._url, self._vault, node, app_host)
        if self.running and self._told == setting:
            return True
        if self._starting is None and self._elapsed() >= self._not_before_s:
            self._starting = asyncio.create_task(self._start(setting), name="prepare beside")
        return False

    async def prepare(self, question: Question) -> Prepared | None:
        """The batch; None: it cannot be prepared ahead, or not here."""
        self._asked_s = self._elapsed()
        try:
            answer = await self._child.ask(pickle.dumps(question, 5), _ANSWER_S)
            found = pickle.loads(answer)  # noqa: S301 (from our own child)
        except (ChildFailed, pickle.UnpicklingError):
            self._failed()
            return None
        if isinstance(found, Prepared):
            return found
        if found is not None:
            _log.warning("a batch could not be prepared beside: %s", found)
        return None

    async def rest(self) -> None:
        """Let the process go if it was not needed for a while."""
        if self._child.running and self._elapsed() - self._asked_s > _REST_S:
            await self.close()

    async def close(self) -> None:
        """Let the process go."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
        self._told = None
        await self._child.close()

    async def _start(self, setting: Setting) -> None:
        try:
            await self._child.ask(pickle.dumps(setting, 5), _START_S)
            self._told = setting
        except ChildFailed:
            self._failed()
        finally:
            self._starting = None

    def _failed(self) -> None:
        self._told = None
        self._not_before_s = self._elapsed() + _PAUSE_S
        _log.warning("the process that prepares batches beside has failed")
