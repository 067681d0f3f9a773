"""The ingester: a node's event file in, call records, history and call log out, each call once.

Every batch is one transaction: records, entries, calls still open, and how far the file is read.
Whatever kills it, and wherever, what was kept is whole and the next one goes on behind it. What it
cannot write it does not pass over: it tries again, says so in its figures, and loses nothing, for
the file stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from cdr import staging
from cdr.ahead import Ahead
from cdr.batch import Batch, Counts, keep
from cdr.beside import Beside, Prepared
from cdr.errors import CdrError, CheckpointMoved
from cdr.events import parse
from cdr.follow import Chunk, Follower
from cdr.prepare import prepare
from cdr.times import micros
from storage.database import Database
from storage.errors import StorageError
from storage.vault import Vault

_log = logging.getLogger(__name__)
_SWEEP = timedelta(minutes=10)  # between looks for calls whose end was lost, and for old files


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """How eagerly the file is read, and how much of it is kept."""

    chunk_bytes: int = 128 * 1024  # of one batch, about 50 calls; at least 8192
    # Of one batch while more than that waits: a commit costs as much for many calls as for few, and
    # a call whose rows lie in one batch is never staged. Others may have to write meanwhile.
    behind_bytes: int = 512 * 1024
    # More than that waits: batches are prepared beside, by another process. About 1,500 calls.
    far_behind_bytes: int = 4 * 1024 * 1024
    poll_min_s: float = 0.05
    poll_max_s: float = 1.0
    rest_factor: float = 60.0  # after a batch, pause so many times what it took, within the polls
    retry_min_s: float = 0.1
    retry_max_s: float = 5.0
    rotate_bytes: int = 64 * 1024 * 1024
    rotate_s: float = 86_400.0  # a file that begins so long ago is rotated however small it is
    keep_files: int = 4  # read files that are kept after rotation
    keep_s: float = 3 * 86_400.0  # and no longer than this
    app_host: str = ""  # HOST of the app addresses ``sip:ses_…@HOST``; "": not told


@dataclass(frozen=True, slots=True)
class IngestStats:
    """What the ingester has done since it was made, and how far behind it is."""

    rows: int = 0
    garbage: int = 0  # lines that were no row
    recorded: int = 0  # calls
    repeated: int = 0  # rows of calls that had their record already
    strays: int = 0  # channels that were never offered as calls
    surplus: int = 0  # rows beyond what a call may have
    broken_seals: int = 0  # sealed callers that our vault did not seal
    corrected: int = 0  # calls closed without their end, which came later
    batches: int = 0
    conflicts: int = 0  # batches that another ingester had kept
    failures: int = 0  # batches that could not be kept, and were tried again
    rereads: int = 0  # files read again from the start
    lag_bytes: int = 0  # written, not kept yet
    lag_s: float = 0.0  # how old the newest row kept was, while there was more to read; else 0
    failing: str | None = None  # error_id of what keeps it from going on; None: all is well


class Ingester:
    """Follows the event file of one node. `run` and `drain` may overlap; batches take turns."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        spool_dir: Path,
        node: str,
        clock: Callable[[], datetime],
        settings: IngestSettings | None = None,
        on_owed: Callable[[], None] = lambda: None,
        beside: Beside | None = None,
    ) -> None:
        """`on_owed` is called when notices have been kept: whoever delivers them need not wait.

        `beside` helps where it is far behind; it is closed with `close`.
        """
        self._db = db
        self._vault = vault
        self._spool_dir = spool_dir
        self._node = node
        self._clock = clock
        self._settings = settings or IngestSettings()
        self._on_owed = on_owed
        self._beside = beside
        self._turn = 0
        self._follower: Follower | None = None  # None: where to go on must be asked first
        self._ahead = Ahead(beside, clock)
        self._busy = asyncio.Lock()
        self._stats = IngestStats()
        self._swept_at: datetime | None = None

    @property
    def stats(self) -> IngestStats:
        """The figures at this moment."""
        return self._stats

    async def run(self) -> None:
        """Follow the file until cancelled. Whatever fails is tried again, with growing pauses."""
        pause_s = self._settings.poll_min_s
        retry_s = self._settings.retry_min_s
        while True:
            started_s = time.monotonic()
            try:
                more = await self.step()
            except CheckpointMoved:
                await asyncio.sleep(self._settings.poll_max_s)
                continue
            except Exception as error:  # noqa: BLE001 (the truth is in the file: it never gives up)
                self._failed(error)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, self._settings.retry_max_s)
                continue
            retry_s = self._settings.retry_min_s
            if more:
                took_s = time.monotonic() - started_s
                pause_s = self._within(took_s * self._settings.rest_factor)
                if self._stats.lag_bytes >= self._settings.chunk_bytes:
                    pause_s = 0.0  # behind: no rest, but let others have the loop
            else:
                pause_s = self._within(2 * pause_s)
            await asyncio.sleep(pause_s)

    async def drain(self) -> None:
        """Read what the file holds now, and return when all of it is kept.

        Raises StorageError or CdrError if that cannot be done; nothing is lost by it.
        """
        while True:
            try:
                if not await self.step():
                    return
            except CheckpointMoved:
                continue  # the other one went on: so do we, from there

    async def close(self) -> None:
        """Let go of what helped."""
        await self._ahead.drop()
        if self._beside is not None:
            await self._beside.close()

    async def step(self) -> bool:
        """Read and keep one batch; False: there was nothing to read.

        Raises CheckpointMoved if another ingester was quicker, StorageError, SpoolUnreadable.
        """
        async with self._busy:
            try:
                return await self._step()
            except BaseException as error:
                self._follower = None  # whether it was kept is not known: ask
                await self._ahead.drop()
                if isinstance(error, CheckpointMoved):
                    self._stats = replace(self._stats, conflicts=self._stats.conflicts + 1)
                raise

    async def _step(self) -> bool:
        follower = self._follower or await self._resume()
        ready = await self._ahead.take()
        if ready is not None:
            await self._keep(follower, ready.chunk, ready.prepared)
            self._follower = follower
            return True
        now = self._clock()
        give_up = self._sweep_due(now)
        chunk = await asyncio.to_thread(follower.read)
        if chunk is not None or give_up:
            await self._prepare_and_keep(follower, chunk, now, give_up=give_up)
        if give_up:
            self._swept_at = now
        if give_up or follower.live_bytes > self._settings.rotate_bytes:
            await self._rotate(follower)
        if chunk is None and self._beside is not None:
            await self._beside.rest()
        self._follower = follower
        return chunk is not None

    async def _resume(self) -> Follower:
        """A follower that goes on where the database says."""
        place = await self._db.read(lambda conn: staging.place(conn, self._node))
        if place.turn < 0:
            await self._db.write(lambda conn: staging.begin(conn, self._node))
            place = await self._db.read(lambda conn: staging.place(conn, self._node))
        self._turn = place.turn
        return Follower(
            self._spool_dir,
            place.offsets,
            chunk_bytes=self._settings.chunk_bytes,
            behind_bytes=self._settings.behind_bytes,
        )

    async def _prepare_and_keep(
        self, follower: Follower, chunk: Chunk | None, now: datetime, *, give_up: bool
    ) -> None:
        parsed = await asyncio.to_thread(parse, () if chunk is None else chunk.lines, self._node)
        newest_us = parsed.rows[-1].at_us if parsed.rows else None
        while True:
            batch = await self._db.read(
                lambda conn: prepare(
                    conn,
                    self._vault,
                    self._node,
                    parsed.rows,
                    now,
                    give_up=give_up,
                    app_host=self._settings.app_host,
                )
            )
            if batch.complete:
                break
            await self._write(batch, None)
        if chunk is not None or not batch.empty:
            if chunk is not None:
                follower.passed(chunk)
            prepared = Prepared(batch, len(parsed.rows), parsed.garbage, newest_us)
            await self._keep(follower, chunk, prepared)
        else:
            self._kept(follower, 0, 0, None)

    async def _keep(self, follower: Follower, chunk: Chunk | None, prepared: Prepared) -> None:
        """Write the batch made of `chunk`, which the follower is behind; then count it.

        Where there is much to read, those that follow are prepared beside meanwhile.
        """
        self._ahead.begin(follower, prepared.batch, partial(self._far_behind, follower))
        await self._write(prepared.batch, None if chunk is None else (chunk.file, chunk.end))
        self._kept(follower, prepared.rows, prepared.garbage, prepared.newest_us)

    def _far_behind(self, follower: Follower, beside: Beside) -> bool:
        """Whether the next batch is to be prepared beside, and can be."""
        settings = self._settings
        far = settings.behind_bytes if beside.running else settings.far_behind_bytes
        if follower.lag_bytes < far:
            return False
        if self._sweep_due(self._clock()) or follower.live_bytes > settings.rotate_bytes:
            return False  # between batches that follow at once nothing else is done
        return beside.ready(self._node, settings.app_host)

    async def _write(self, batch: Batch, checkpoint: tuple[str, int] | None) -> None:
        turn = self._turn

        def work(conn: Connection) -> None:
            keep(conn, self._vault, self._node, turn, batch, checkpoint)

        await self._db.write(work)
        self._turn = turn + 1
        self._count(batch.counts)
        if batch.owed:
            self._on_owed()

    async def _rotate(self, follower: Follower) -> None:
        now_ns = micros(self._clock()) * 1000
        gone = await asyncio.to_thread(
            follower.rotate,
            over_bytes=self._settings.rotate_bytes,
            keep=self._settings.keep_files,
            now_ns=now_ns,
            over_s=self._settings.rotate_s,
            keep_s=self._settings.keep_s,
        )
        if gone:
            await self._db.write(lambda conn: staging.forget(conn, self._node, gone))

    def _sweep_due(self, now: datetime) -> bool:
        return self._swept_at is None or now - self._swept_at >= _SWEEP

    def _within(self, pause_s: float) -> float:
        return min(max(pause_s, self._settings.poll_min_s), self._settings.poll_max_s)

    def _count(self, counts: Counts) -> None:
        stats = self._stats
        self._stats = replace(
            stats,
            recorded=stats.recorded + counts.recorded,
            repeated=stats.repeated + counts.repeated,
            strays=stats.strays + counts.strays,
            surplus=stats.surplus + counts.surplus,
            broken_seals=stats.broken_seals + counts.broken_seals,
            corrected=stats.corrected + counts.corrected,
            batches=stats.batches + 1,
        )

    def _kept(self, follower: Follower, rows: int, garbage: int, newest_us: int | None) -> None:
        stats = self._stats
        lag_bytes, lag_s = follower.lag_bytes + self._ahead.waiting_bytes, 0.0
        if newest_us is not None and lag_bytes:
            lag_s = max(0.0, (micros(self._clock()) - newest_us) / 1e6)
        if stats.failing:
            _log.info("ingest of node %s goes on", self._node)
        self._stats = replace(
            stats,
            rows=stats.rows + rows,
            garbage=stats.garbage + garbage,
            rereads=stats.rereads + follower.take_rereads(),
            lag_bytes=lag_bytes,
            lag_s=lag_s,
            failing=None,
        )

    def _failed(self, error: Exception) -> None:
        # Only what kind of error it was: its text may quote rows.
        error_id = type(error).__name__
        if isinstance(error, (StorageError, CdrError)):
            error_id = error.error_id
        if self._stats.failing != error_id:
            _log.error("ingest of node %s stands still: %s", self._node, error_id)
        self._stats = replace(self._stats, failures=self._stats.failures + 1, failing=error_id)
