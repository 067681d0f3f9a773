"""A keeper of recordings as a process of its own, that kills itself at a given moment.

Arguments: the database's URL, a folder, the moment; `never`: it ends when nothing is pending.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from cdr.recording_encoder import Encoded, Encoder, Job, result_of
from cdr.recording_files import RecordingFiles
from cdr.recording_keeper import KeeperHouse, RecordingKeeper
from masking.recording_states import RecordingFailure
from storage import open_database, recordings
from tests.support.recordings import NODE, TapeFolder
from tests.support.storage import NOW, a_vault

MOMENTS = ("assembling", "encoding", "placing", "placed", "kept")


class _Here(Encoder):
    """What the child does, done here: one start for each kill is enough."""

    async def make(self, job: Job, source_bytes: int) -> Encoded | RecordingFailure:
        from cdr.recording_child import serve  # noqa: PLC0415 (not where it dies before)

        return result_of(await asyncio.to_thread(serve, json.loads(job.text())))


class _Fate:
    """When to die."""

    def __init__(self, moment: str) -> None:
        self._moment = moment

    def at(self, moment: str) -> None:
        if moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


class _Files(RecordingFiles):
    def __init__(self, root: Path, fate: _Fate) -> None:
        super().__init__(root, NODE)
        self._fate = fate

    def draft(self, call_id: str, token: str) -> Path:
        path = super().draft(call_id, token)
        path.write_bytes(b"begun")  # as the child has, by the time that we are killed
        self._fate.at("encoding")
        path.unlink()
        return path

    def keep(self, draft: Path, path: str) -> None:
        self._fate.at("placing")
        super().keep(draft, path)
        self._fate.at("placed")


class _Tapes(TapeFolder):
    def __init__(self, folder: Path, fate: _Fate) -> None:
        super().__init__(folder)
        self._fate = fate

    def assemble(self, call_id: str) -> Path:
        self._fate.at("assembling")
        return super().assemble(call_id)

    def discard(self, call_id: str) -> None:
        self._fate.at("kept")
        super().discard(call_id)


async def main(url: str, folder: str, moment: str) -> None:
    """Keep, for at most a minute."""
    fate = _Fate(moment)
    db = open_database(url)

    def clock() -> datetime:
        return NOW + timedelta(minutes=1)

    files = _Files(Path(folder) / "kept", fate)
    files.prepare()
    tapes = _Tapes(Path(folder) / "raw", fate)
    house = KeeperHouse(db, a_vault(), files, tapes, NODE, clock, os.urandom)
    keeper, encoder = RecordingKeeper(house), _Here()
    sys.stdout.write("keeping\n")
    sys.stdout.flush()
    try:
        async with asyncio.timeout(60):
            while await keeper.step(encoder):
                pass
        waiting, _ = await db.read(lambda conn: recordings.waiting(conn, clock()))
        assert waiting == 0
    finally:
        await db.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
