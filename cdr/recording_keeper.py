"""The keeper of recordings: raw sound in, one encrypted file out; removed when its time is over.

What is to be done stands in the database, so that a keeper may be killed anywhere: the next one
goes on, and what comes of it is the same. A file counts only once its row says so, and each try has
a file of its own; what a row does not name is removed later. Raw sound goes last.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, assert_never

from sqlalchemy import Connection

from cdr.recording_cipher import KEY_BYTES
from cdr.recording_encoder import Encoded, Encoder, Job
from cdr.recording_files import RecordingFiles
from cdr.recording_orphans import sweep
from masking.recording_states import RecordingDeletion, RecordingFailure, RecordingState
from storage import audit, recordings
from storage.audit import SYSTEM, Action, Entry
from storage.database import Database
from storage.errors import StorageError
from storage.recordings import Made, Recording
from storage.vault import Vault

_log = logging.getLogger(__name__)
_TOKEN_BYTES: Final = 8
_REST_S: Final = 0.2
_LOOK_BACK: Final = timedelta(minutes=1)  # after which all that is due is looked at again
_LATE: Final = timedelta(seconds=20)  # so late a row that is due already may come in
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FINAL: Final = frozenset(
    {RecordingFailure.NO_FILE, RecordingFailure.EMPTY, RecordingFailure.UNREADABLE}
)


class Tapes(Protocol):
    """What Asterisk has written of talks. All of it blocks."""

    def assemble(self, call_id: str) -> Path:
        """One WAV file of the call. Raises FileNotFoundError where nothing was written, OSError."""

    def discard(self, call_id: str) -> None:
        """Remove all that there is of the call. Raises OSError."""

    def left_over(self) -> Iterable[tuple[str, datetime]]:
        """The calls of which there is something, and when it was last written."""


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """How eagerly, and how patiently."""

    workers: int = 1  # recordings made at once
    poll_s: float = 5.0
    idle_s: float = 60.0  # after which the encoder's process is let go
    tries: int = 5
    first_pause_s: float = 10.0  # after a try in vain; four times longer after each
    full_pause_s: float = 60.0  # while the disk is full
    patience: timedelta = timedelta(days=3)  # with a full disk, from the end of the call
    sweep_s: float = 3600.0  # between looks for files that nobody knows


@dataclass(frozen=True, slots=True)
class KeeperHouse:
    """What a keeper works with."""

    db: Database
    vault: Vault
    files: RecordingFiles
    tapes: Tapes
    node: str
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]


@dataclass(slots=True)
class KeeperStats:
    """What the keeper has done since it was made."""

    ready: int = 0
    failed: int = 0
    retried: int = 0
    deleted: int = 0
    orphans: int = 0  # raw or kept files that no row names, as last seen
    failing: str | None = None  # what keeps it from going on; None: all is well


class RecordingKeeper:
    """Keeps the recordings of one node."""

    def __init__(
        self,
        house: KeeperHouse,
        settings: KeeperSettings = KeeperSettings(),
        on_owed: Callable[[], None] = lambda: None,
        make_encoder: Callable[[], Encoder] = Encoder,
    ) -> None:
        """`on_owed` is called when notices have been kept."""
        self._house = house
        self._db = house.db
        self._files = house.files
        self._tapes = house.tapes
        self._clock = house.clock
        self._settings = settings
        self._on_owed = on_owed
        self._make_encoder = make_encoder
        self._wanted = asyncio.Event()
        self._in_hand: set[str] = set()
        self._choosing = asyncio.Lock()
        self._looked_at: datetime | None = None  # when all that is due was looked at
        self._done_until: datetime | None = None  # what was due before is done, or not ours
        self.stats = KeeperStats()

    def wake(self) -> None:
        """There may be something to do."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep recordings until cancelled. Whatever fails is tried again."""
        while True:
            try:
                await asyncio.to_thread(self._files.prepare)
                break
            except OSError as error:
                self._failing("the folder of recordings cannot be made", error)
                await asyncio.sleep(self._settings.first_pause_s)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep(), name="orphans")
            for n in range(self._settings.workers):
                tasks.create_task(self._work(), name=f"recordings-{n}")

    async def _work(self) -> None:
        encoder = self._make_encoder()
        try:
            idle_s = 0.0
            while True:
                try:
                    done = await self.step(encoder)
                except (StorageError, OSError) as error:
                    self._failing("recordings are put off", error)
                    done = False
                else:
                    self.stats.failing = None
                if done:
                    idle_s = 0.0
                    continue
                await self._rest()
                idle_s += self._settings.poll_s
                if idle_s >= self._settings.idle_s:
                    await encoder.close()
        finally:
            await encoder.close()

    async def _rest(self) -> None:
        """Until somebody wakes us; never so short that busy hours are spent with asking."""
        await asyncio.sleep(min(_REST_S, self._settings.poll_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_s):
                await self._wanted.wait()
        self._wanted.clear()

    async def step(self, encoder: Encoder) -> bool:
        """Do what is due longest; False: nothing is. Raises StorageError, OSError."""
        async with self._choosing:
            taken = frozenset(self._in_hand)
            now = self._clock()
            since = self._due_since(now)
            found = await self._db.read(
                lambda conn: recordings.due(
                    conn, self._house.node, now, 1, without=taken, since=since
                )
            )
            self._done_until = found[0].due_at if found else now
            if not found:
                return False
            one = found[0]
            self._in_hand.add(one.call_id)
        try:
            await self._do(one, encoder)
        finally:
            self._in_hand.discard(one.call_id)
        return True

    def _due_since(self, now: datetime) -> datetime | None:
        """From where on to look; None: from the first one on, as every now and then.

        What is before belongs to other nodes, and is much where one of them is away for long.
        """
        if self._looked_at is None or abs(now - self._looked_at) >= _LOOK_BACK:
            self._looked_at = now
            return None
        return None if self._done_until is None else self._done_until - _LATE

    async def _do(self, one: Recording, encoder: Encoder) -> None:
        match one.state:
            case RecordingState.PENDING:
                await self._make(one, encoder)
            case RecordingState.READY:
                await self._delete(one)
            case RecordingState.FAILED | RecordingState.DELETED:
                await self._tidy(one)
            case _:
                assert_never(one.state)

    async def _make(self, one: Recording, encoder: Encoder) -> None:
        try:
            source = await asyncio.to_thread(self._tapes.assemble, one.call_id)
            made = await self._encoded(one, source, encoder)
        except FileNotFoundError:
            made = RecordingFailure.NO_FILE
        except OSError as error:
            made = _failure_of(error)
        if isinstance(made, RecordingFailure):
            await self._in_vain(one, made)
            return
        file, now = made, self._clock()
        if not await self._db.write(
            lambda conn: recordings.made(conn, self._house.vault, one.call_id, file, now)
        ):  # it was deleted meanwhile
            await asyncio.to_thread(self._files.remove, file.path)
            return
        self.stats.ready += 1
        self._on_owed()
        await asyncio.to_thread(self._tapes.discard, one.call_id)

    async def _encoded(
        self, one: Recording, source: Path, encoder: Encoder
    ) -> Made | RecordingFailure:
        """The file, in its place. Raises OSError."""
        token = self._house.entropy(_TOKEN_BYTES).hex()
        job = Job(
            call_id=one.call_id,
            source=source,
            draft=self._files.draft(one.call_id, token),
            key=self._house.entropy(KEY_BYTES),
        )
        found = await encoder.make(job, source.stat().st_size)
        match found:
            case RecordingFailure():
                job.draft.unlink(missing_ok=True)  # of a child that was killed
                return found
            case Encoded():
                path = self._files.path_of(one.call_id, token, one.created_at)
                await asyncio.to_thread(self._files.keep, job.draft, path)
                return Made(
                    path=path,
                    key=job.key,
                    audio_bytes=found.audio_bytes,
                    file_bytes=found.file_bytes,
                    digest=found.digest,
                    duration_ms=found.duration_ms,
                )
            case _:
                assert_never(found)

    async def _in_vain(self, one: Recording, why: RecordingFailure) -> None:
        """Try again later, or give up."""
        settings, now = self._settings, self._clock()
        if why is RecordingFailure.DISK_FULL:
            pause_s, counts = settings.full_pause_s, False
            over = now - one.created_at >= settings.patience
        else:
            pause_s, counts = settings.first_pause_s * 4**one.tries, True
            over = why in _FINAL or one.tries + 1 >= settings.tries
        if over:
            _log.error("the recording of %s has failed: %s", one.call_id, why)
            await self._db.write(lambda conn: recordings.failed(conn, one.call_id, why, now))
            self.stats.failed += 1
            self._on_owed()
            return
        _log.warning("the recording of %s is tried again: %s", one.call_id, why)
        until = now + min(timedelta(seconds=pause_s), recordings.LONGEST_PAUSE)
        await self._db.write(
            lambda conn: recordings.put_off(conn, one.call_id, until, counts=counts)
        )
        self.stats.retried += 1

    async def _delete(self, one: Recording) -> None:
        """Its time is over."""
        now = self._clock()

        def work(conn: Connection) -> bool:
            if recordings.delete(conn, one.call_id, RecordingDeletion.RETENTION, now) is None:
                return False
            audit.append(conn, deletion(one, SYSTEM, RecordingDeletion.RETENTION, None, now))
            return True

        if await self._db.write(work):
            self.stats.deleted += 1

    async def _tidy(self, one: Recording) -> None:
        """Remove every file of what failed, or was deleted. What cannot be is tried again later."""
        now = self._clock()
        try:
            await asyncio.to_thread(self._tapes.discard, one.call_id)
            if one.path is not None:
                await asyncio.to_thread(self._files.remove, one.path)
        except OSError:
            _log.warning("files of the recording of %s cannot be removed yet", one.call_id)
            until = now + timedelta(seconds=self._settings.full_pause_s)
            await self._db.write(lambda conn: recordings.tidy_later(conn, one.call_id, until))
            return
        await self._db.write(lambda conn: recordings.tidied(conn, one.call_id, now))

    async def _sweep(self) -> None:
        """Remove what was left behind, and count what nobody knows."""
        while True:
            try:
                self.stats.orphans = await sweep(
                    self._db, self._files, self._tapes, self._house.node, self._clock()
                )
            except (StorageError, OSError) as error:
                self._failing("the look for files without a row is put off", error)
            await asyncio.sleep(self._settings.sweep_s)

    def _failing(self, what: str, error: Exception) -> None:
        reason = error.error_id if isinstance(error, StorageError) else "recordings_unwritable"
        if self.stats.failing != reason:
            _log.warning("%s: %s", what, reason)
        self.stats.failing = reason


def deletion(
    one: Recording,
    actor: audit.Actor,
    why: RecordingDeletion,
    reason: str | None,
    now: datetime,
) -> Entry:
    """What the audit log keeps of a deletion: which bytes can be read no more."""
    digest = None if one.digest is None else one.digest.hex()
    return Entry(
        at=now,
        actor=actor,
        action=Action.RECORDING_DELETED,
        object_kind="call",
        object_id=one.call_id,
        reason=reason,
        facts={"why": why.value, "sha256": digest},
    )


def _failure_of(error: OSError) -> RecordingFailure:
    full = error.errno in _FULL
    return RecordingFailure.DISK_FULL if full else RecordingFailure.STORAGE
