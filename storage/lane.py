"""A bounded queue of works between an event loop and the threads that run them.

A lane runs nothing itself: threads take from it and hand back what came of it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from storage.errors import DatabaseClosed, DatabaseOverloaded, DatabaseSilent

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Job:
    """A work that waits or runs. The future belongs to `loop`: touch it only from there."""

    work: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    until: float  # when it is given up, by `time.monotonic`
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: an error, or else a value."""

    job: Job
    value: Any = None
    error: BaseException | None = None


class Lane:
    """Holds at most `bound` waiting works; each is answered or refused within `deadline_s`."""

    def __init__(self, bound: int, deadline_s: float) -> None:
        self._bound = bound
        self._deadline_s = deadline_s
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Queue `work` and wait for what comes of it.

        Raises DatabaseClosed or DatabaseOverloaded when it was not begun, DatabaseSilent when it
        was begun but not answered in time, and whatever `work` raises.
        """
        loop = asyncio.get_running_loop()
        until = time.monotonic() + self._deadline_s
        job = Job(work, loop.create_future(), loop, until)
        with self._changed:
            if self._closed:
                raise DatabaseClosed
            if len(self._waiting) >= self._bound:
                raise DatabaseOverloaded
            self._waiting.append(job)
            self._changed.notify()
        timer = loop.call_later(self._deadline_s, self._give_up, job)
        try:
            result: T = await job.future
        finally:
            timer.cancel()
        return result

    def take(self, at_most: int) -> list[Job]:
        """The next jobs, at least one; none at all only once the lane is closed and empty."""
        with self._changed:
            while True:
                jobs = self._draw(at_most)
                if jobs or self._closed:
                    return jobs
                self._changed.wait()

    def take_waiting(self, at_most: int) -> list[Job]:
        """Jobs that wait at this moment, maybe none."""
        with self._changed:
            return self._draw(at_most)

    def close(self) -> None:
        """Refuse new works. Those that wait are still to be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _draw(self, at_most: int) -> list[Job]:
        jobs: list[Job] = []
        while self._waiting and len(jobs) < at_most:
            job = self._waiting.popleft()
            if not job.future.done():  # else its caller is gone
                job.begun = True
                jobs.append(job)
        return jobs

    def _give_up(self, job: Job) -> None:
        with self._changed:
            begun = job.begun
            if not job.future.done():
                job.future.set_exception(DatabaseSilent() if begun else DatabaseOverloaded())


def hand_back(done: Iterable[Done]) -> None:
    """Wake everyone whose job is done: one call into each event loop, however many there are."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Done]] = {}
    for one in done:
        by_loop.setdefault(one.job.loop, []).append(one)
    for loop, ours in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, ours)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle(done: list[Done]) -> None:
    for one in done:
        if one.job.future.done():
            continue
        if one.error is None:
            one.job.future.set_result(one.value)
        else:
            one.job.future.set_exception(one.error)
