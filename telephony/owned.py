"""Tasks begun by whoever asks, and owned by one who runs. Never knows what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

__all__ = ["Owned"]


class Owned:
    """`run` must be somebody's task, or else somebody calls `close`: with it end those left."""

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Begin a task. What it raises is told to `on_error`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def run(self) -> NoReturn:
        """Until cancelled; then all are."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()
        raise asyncio.CancelledError

    async def close(self) -> None:
        """Cancel those that are left, and wait for them."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)
