"""A keeper of recordings with its database, folders and clock, and encoders to give it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select

from cdr.recording_child import serve
from cdr.recording_cipher import SealedReader
from cdr.recording_encoder import Encoded, Encoder, Job, result_of
from cdr.recording_files import RecordingFiles
from cdr.recording_keeper import KeeperHouse, KeeperSettings, RecordingKeeper
from masking.recording_states import RecordingFailure
from storage import Database, recordings
from storage.recordings import Recording
from storage.schema import outbox
from tests.support.recordings import NODE, TapeFolder, a_call, pending
from tests.support.storage import NOW, a_vault

VAULT = a_vault()
QUICK = KeeperSettings(poll_s=0.05, first_pause_s=10, full_pause_s=60, tries=3)


@dataclass
class Keeping:
    """A keeper with all that it works with."""

    db: Database
    folder: Path
    encoder: Encoder
    now: datetime = NOW
    owed: int = 0
    settings: KeeperSettings = QUICK
    tapes: TapeFolder = field(init=False)
    files: RecordingFiles = field(init=False)
    keeper: RecordingKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.tapes = TapeFolder(self.folder / "raw")
        self.tapes.folder.mkdir(exist_ok=True)
        self.use(RecordingFiles(self.folder / "kept", NODE))

    def use(self, files: RecordingFiles) -> None:
        self.files = files
        files.prepare()
        house = KeeperHouse(self.db, VAULT, files, self.tapes, NODE, lambda: self.now, os.urandom)
        self.keeper = RecordingKeeper(house, self.settings, self._count, lambda: self.encoder)

    def _count(self) -> None:
        self.owed += 1

    async def call(self, n: int = 1, seconds: float | None = 0.3) -> None:
        """A call that was recorded; None: and of which nothing was written."""
        if seconds is not None:
            self.tapes.write(a_call(n), seconds)
        await self.db.write(lambda conn: recordings.keep(conn, [pending(n)]))

    async def step(self, encoder: Encoder | None = None) -> bool:
        return await self.keeper.step(encoder or self.encoder)

    async def of(self, n: int = 1) -> Recording:
        one = await self.db.read(lambda conn: recordings.get(conn, a_call(n)))
        assert one is not None
        return one

    async def sound(self, n: int = 1) -> bytes:
        one = await self.of(n)
        key = recordings.key_of(VAULT, one)
        assert one.path is not None
        assert one.file_bytes is not None
        assert key is not None
        with self.files.open(one.path) as file:
            reader = SealedReader(file, one.file_bytes, key, one.call_id)
            return b"".join(reader.read(0, reader.audio_bytes))

    async def told(self) -> list[str]:
        def work(conn: Connection) -> list[str]:
            return list(conn.scalars(select(outbox.c.kind).order_by(outbox.c.id)))

        return await self.db.read(work)

    def paths(self) -> list[str]:
        return [path for path, _ in self.files.everything()]

    def raw(self) -> list[str]:
        return [call for call, _ in self.tapes.left_over()]


class Here(Encoder):
    """What the child does, done here: to start one for every test takes its time."""

    async def make(self, job: Job, source_bytes: int) -> RecordingFailure | Encoded:
        return result_of(await asyncio.to_thread(serve, json.loads(job.text())))


class Saying(Encoder):
    """An encoder that says what it is told to."""

    def __init__(self, *answers: RecordingFailure | Encoded) -> None:
        super().__init__()
        self._answers = list(answers)

    async def make(self, job: Job, source_bytes: int) -> RecordingFailure | Encoded:
        return self._answers.pop(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
