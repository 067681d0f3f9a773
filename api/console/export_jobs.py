"""Exports that go on in the background: so many at once, into files that only their owner reads.

Owned by the API while it runs: whoever waits or runs says so every second (`storage.
console_exports`), so that a process that ended shows as what it is. Files are private to the
process's user (0600), whole or not there, and gone after a day. Never a phone is in one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Connection

from cdr import export, export_rows
from cdr.export import Format
from cdr.record_filter import Filter
from cdr.record_search import Key
from storage import audit, console_exports
from storage.audit import Entry
from storage.columns import to_ms
from storage.console_exports import Draft, State
from storage.database import Database
from storage.errors import StorageError

_log: Final = logging.getLogger("maskline.console")

AT_ONCE: Final = 2
MOST: Final = 20  # that run or wait in this process
PULSE_S: Final = 1.0
TIDY_S: Final = 30.0
LEAST_FREE: Final = 256 * 1024 * 1024  # bytes of the disk that are left to others
_ROOM_EVERY: Final = 20  # pieces


class ExportsFull(Exception):
    """As many exports wait as may."""

    error_id = "exports_full"


class _Given(Exception):
    """It goes no further: it was cancelled, or the disk is full."""

    error_id = "export_given_up"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported."""

    wanted: Filter = field(repr=False)
    format: Format
    bom: bool
    account_id: str
    query: str = field(repr=False)  # to be shown; without a phone


@dataclass(slots=True)
class _Job:
    """One under way."""

    order: Order
    until: datetime
    running: bool = False
    records: int = 0
    share: float = 0.0
    cancelled: bool = False


class ExportJobs:
    """All exports of this process. `start` and `close` it; without a folder it takes none."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        folder: Path | None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._db = db
        self._clock = clock
        self._entropy = entropy
        self._folder = folder
        self._room = asyncio.Semaphore(at_once)
        self._runner = entropy(8).hex()
        self._jobs: dict[str, _Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None

    @property
    def able(self) -> bool:
        """Whether there is a place for files."""
        return self._folder is not None

    def __len__(self) -> int:
        return len(self._jobs)

    async def start(self) -> None:
        """Begin to look after what there is."""
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keeper = asyncio.create_task(self._keep(), name="console-exports")

    async def close(self) -> None:
        """End all of them, and say so."""
        tasks = [*self._tasks.values(), *([self._keeper] if self._keeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keeper = None

    async def begin(self, order: Order, entry: Entry) -> str:
        """Take an order; `entry` is kept with it, or neither is. Its id.

        Raises ExportsFull, TooManyExports, StorageError.
        """
        if self._folder is None or len(self._jobs) >= MOST:
            raise ExportsFull
        now = self._clock()
        wanted = order.wanted
        until = now if wanted.until is None else min(wanted.until, now)
        draft = Draft(
            order.account_id,
            order.query,
            wanted.user_id,
            wanted.phone_index is not None,
            order.format.value,
            self._runner,
        )
        entropy = self._entropy(10)

        def work(conn: Connection) -> str:
            made = console_exports.begin(conn, draft, now, entropy)
            audit.append(conn, replace(entry, object_id=made))
            return made

        made = await self._db.write(work)
        self._jobs[made] = _Job(order, until)
        self._tasks[made] = asyncio.create_task(self._run(made), name=f"console-export-{made}")
        return made

    def cancel(self, which: str) -> None:
        """End one of this process at once; others learn it from the database."""
        if which in self._jobs:
            self._jobs[which].cancelled = True

    def file_of(self, which: str, suffix: str) -> Path | None:
        """Where the file of an export is, if it is here."""
        if self._folder is None:
            return None
        path = self._folder / f"{which}.{suffix}"
        return path if path.is_file() else None

    async def _run(self, which: str) -> None:
        """Wait for its turn, do it, say what became of it."""
        job = self._jobs[which]
        state, size = State.INTERRUPTED, None
        try:
            async with self._room:
                job.running = True
                size = await self._write(which, job)
            state = State.READY
        except _Given:
            state = State.CANCELLED if job.cancelled else State.FAILED
        except (OSError, StorageError) as error:
            _log.warning("an export of the console failed: %s", type(error).__name__)
            state = State.FAILED
        finally:
            now = self._clock()
            ended = partial(
                console_exports.finish,
                which=which,
                state=state,
                now=now,
                records=job.records,
                file_bytes=size,
            )
            try:
                kept = await asyncio.shield(self._db.write(ended))
            except StorageError:
                kept = False  # whoever tidies up says that it was interrupted
            if not kept or state is not State.READY:
                self._remove(which)
            del self._jobs[which], self._tasks[which]

    async def _write(self, which: str, job: _Job) -> int:
        """Its file; how many bytes. Raises OSError, StorageError, _Given."""
        assert self._folder is not None
        final = self._folder / f"{which}.{job.order.format.value}"
        draft = self._folder / f".{which}.part"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                await self._fill(file, job)
                await asyncio.to_thread(_settle, file)
                size = file.tell()
            draft.replace(final)
        finally:
            draft.unlink(missing_ok=True)
        return size

    async def _fill(self, file: IO[bytes], job: _Job) -> None:
        wanted = replace(job.order.wanted, until=job.until)
        last_ms = to_ms(job.until)
        first_ms = await self._db.read(partial(export_rows.oldest_ms, wanted=wanted))
        writer = export.writer_of(job.order.format, bom=job.order.bom)
        file.write(writer.head())
        after: Key | None = None
        pieces = 0
        while True:
            if pieces % _ROOM_EVERY == 0 and shutil.disk_usage(file.fileno()).free < LEAST_FREE:
                _log.warning("an export of the console failed: the disk is nearly full")
                raise _Given
            piece = await self._db.read(partial(export_rows.read, wanted=wanted, after=after))
            # Thousands of values, and a disk: the loop has others to serve meanwhile.
            await asyncio.to_thread(lambda: file.write(writer.rows(piece.rows)))  # noqa: B023 (it is awaited)
            pieces += 1
            job.records += len(piece.rows)
            if job.cancelled:
                raise _Given
            if piece.resume is None:
                break
            after = piece.resume
            job.share = export_rows.share(first_ms, last_ms, after)
        file.write(await asyncio.to_thread(writer.tail))

    async def _keep(self) -> None:
        """Say every second how far each is; from time to time tidy up."""
        rounds = 0
        every = round(TIDY_S / PULSE_S)
        while True:
            try:
                if self._jobs:
                    await self._pulse()
                if rounds % every == 0:
                    await self._tidy()
            except (OSError, StorageError) as error:
                _log.warning("the console's exports are put off: %s", type(error).__name__)
            rounds += 1
            await asyncio.sleep(PULSE_S)

    async def _pulse(self) -> None:
        now = self._clock()
        told = [
            (which, job.records, int(job.share * 1000), job.running)
            for which, job in self._jobs.items()
        ]

        def work(conn: Connection) -> list[str]:
            return [
                which
                for which, records, thousandths, running in told
                if not console_exports.progress(
                    conn, which, now, records=records, thousandths=thousandths, running=running
                )
            ]

        for which in await self._db.write(work):
            if which in self._jobs:
                self._jobs[which].cancelled = True

    async def _tidy(self) -> None:
        now = self._clock()

        def work(conn: Connection) -> frozenset[str]:
            console_exports.tidy(conn, now)
            return console_exports.with_files(conn)

        wanted = await self._db.write(work)
        await asyncio.to_thread(self._sweep, wanted)

    def _sweep(self, wanted: frozenset[str]) -> None:
        """Remove files that nobody is to have: their day is over, or their order is gone."""
        assert self._folder is not None
        for path in self._folder.iterdir():
            which = path.name.removeprefix(".").partition(".")[0]
            if which not in wanted and which not in self._jobs:
                path.unlink(missing_ok=True)

    def _remove(self, which: str) -> None:
        if self._folder is not None:
            for one in Format:
                with suppress(OSError):
                    (self._folder / f"{which}.{one.value}").unlink(missing_ok=True)


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
