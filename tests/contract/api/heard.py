"""Calls whose recordings lie sealed in their folder, as a node would have left them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cdr.recording_cipher import SealingWriter
from cdr.recording_files import RecordingFiles
from masking.outcome import Outcome
from storage import recordings
from storage.recordings import Made
from tests.contract.api.house import START, House
from tests.contract.api.recorded import NODE, keep, record

TOKEN = "0" * 16


def folder(path: Path) -> RecordingFiles:
    """A node's folder of recordings, empty."""
    made = RecordingFiles(path / "recordings", NODE)
    made.prepare()
    return made


async def a_recorded_call(house: House, number: int = 1) -> str:
    """A call whose recording is still to be made."""
    one = record(number, None, Outcome.ANSWERED)
    await keep(house, one)
    row = recordings.pending_row(
        call_id=one.call_id,
        node=NODE,
        session_id=None,
        conversation_id=None,
        delete_at=START + timedelta(days=30),
        now=START,
    )
    await house.db.write(lambda conn: recordings.keep(conn, [row]))
    return one.call_id


async def a_recording(
    house: House, files: RecordingFiles, write: Callable[[SealingWriter], int], number: int = 1
) -> str:
    """A call whose recording can be heard; `write` puts the sound there and says its length, ms."""
    call = await a_recorded_call(house, number)
    key, draft = os.urandom(32), files.draft(call, TOKEN)
    with draft.open("wb") as file:
        writer = SealingWriter(file, key, call, os.urandom)
        length_ms = write(writer)
        writer.close()
    path = files.path_of(call, TOKEN, START)
    files.keep(draft, path)
    made = Made(path, key, writer.audio_bytes, writer.file_bytes, writer.digest(), length_ms)
    vault = house.services.vault
    assert await house.db.write(lambda conn: recordings.made(conn, vault, call, made, START))
    return call
