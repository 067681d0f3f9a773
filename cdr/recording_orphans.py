"""Files of recordings that no row names: left behind by who was killed, or not ours at all.

What can be told to be over is removed; what cannot is counted, and left to people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from cdr import records
from cdr.recording_files import RecordingFiles
from masking.recording_states import RecordingState
from storage import recordings
from storage.database import Database
from storage.recordings import Recording

T = TypeVar("T")

RAW_GRACE: Final = timedelta(days=3)  # for raw sound of a call that never got its record
_SETTLED: Final = timedelta(hours=1)  # nobody is still at work on a file as old as this
_AT_ONCE: Final = 200


class Tapes(Protocol):
    """What Asterisk has written of talks. All of it blocks."""

    def discard(self, call_id: str) -> None:
        """Remove all that there is of the call. Raises OSError."""

    def left_over(self) -> Iterable[tuple[str, datetime]]:
        """The calls of which there is something, and when it was last written."""


async def sweep(db: Database, files: RecordingFiles, tapes: Tapes, node: str, now: datetime) -> int:
    """Remove what is over; how many files are there that nobody knows.

    Raises StorageError, OSError.
    """
    raw = await _sweep_raw(db, tapes, now)
    return raw + await _sweep_kept(db, files, node, now)


async def _sweep_raw(db: Database, tapes: Tapes, now: datetime) -> int:
    """Raw sound of a call whose record is written belongs to its recording, or to nobody."""
    unknown = 0
    found = await asyncio.to_thread(lambda: dict(tapes.left_over()))
    for some in _pieces(sorted(found)):
        rows, recorded = await db.read(lambda conn, some=some: _known(conn, some))  # type: ignore[misc]
        for call_id in some:
            row = rows.get(call_id)
            old = now - found[call_id]
            if row is not None:
                over = row.state is RecordingState.READY or row.removed_at is not None
            elif call_id in recorded:
                over = old > _SETTLED  # it was never to be kept: not announced to both in full
            else:
                over = old > RAW_GRACE
                unknown += not over
            if over:
                await asyncio.to_thread(tapes.discard, call_id)
    return unknown


async def _sweep_kept(db: Database, files: RecordingFiles, node: str, now: datetime) -> int:
    """A file in the folder is the one that its call's row names, or a try that came to nothing."""
    unknown = 0
    for some in _pieces(await asyncio.to_thread(lambda: list(files.everything()))):
        ids = {call_id for _, call_id in some if call_id is not None}
        rows, _ = await db.read(lambda conn, ids=ids: _known(conn, ids))  # type: ignore[misc]
        for path, call_id in some:
            row = None if call_id is None else rows.get(call_id)
            if row is None or row.node != node:
                unknown += row is None
                continue
            named = row.path == path and row.state is not RecordingState.DELETED
            if not named and await asyncio.to_thread(_is_settled, files, path, now):
                await asyncio.to_thread(files.remove, path)
    return unknown


def _is_settled(files: RecordingFiles, path: str, now: datetime) -> bool:
    try:
        return files.age_s(path, now) > _SETTLED.total_seconds()
    except FileNotFoundError:
        return False


def _known(
    conn: Connection, call_ids: Collection[str]
) -> tuple[Mapping[str, Recording], frozenset[str]]:
    return recordings.of_calls(conn, call_ids), records.recorded(conn, call_ids)


def _pieces(items: list[T]) -> list[list[T]]:
    return [items[n : n + _AT_ONCE] for n in range(0, len(items), _AT_ONCE)]
