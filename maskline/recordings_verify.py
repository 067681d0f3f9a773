"""Whether recordings are as their rows say: what can be heard is there, what was deleted is not.

Reads, and changes nothing. Says calls' ids and names of files, never a phone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cdr.recording_files import RecordingFiles
from masking.recording_states import RecordingState
from storage import audit, recordings
from storage.audit import Verdict
from storage.database import Database
from storage.errors import SealBroken
from storage.recordings import Recording
from storage.vault import Vault

_AT_ONCE: Final = 500
_PIECE: Final = 1 << 20  # bytes
_ENTRIES: Final = 20_000
_LATE: Final = timedelta(hours=26)  # an hour more than it takes to give up waiting for a call's end


@dataclass(slots=True)
class Report:
    """What was found."""

    states: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # a line each

    def lines(self) -> list[str]:
        """For people; the verdict last."""
        counted = ", ".join(f"{number} {state}" for state, number in sorted(self.states.items()))
        verdict = f"{len(self.wrong)} wrong" if self.wrong else "all as it should be"
        return [
            *self.wrong,
            f"{sum(self.states.values())} recordings: {counted or 'none'}; {verdict}",
        ]


async def verify_recordings(
    db: Database, vault: Vault, files: RecordingFiles, now: datetime, *, quick: bool = False
) -> Report:
    """Every row against its file, and every file against its row; `quick`: sizes only."""
    report = Report()
    named: set[str] = set()
    async for one in _everyone(db):
        report.states[one.state.value] += 1
        if one.path is not None:
            named.add(one.path)
        for wrong in await asyncio.to_thread(_wrong, one, vault, files, now, quick=quick):
            report.wrong.append(f"{one.call_id}: {wrong}")
    for path, _ in await asyncio.to_thread(lambda: list(files.everything())):
        if path not in named:
            report.wrong.append(f"{path}: no recording names this file")
    return report


async def verify_audit(db: Database) -> Verdict:
    """Whether every entry of the audit log is as it was written."""
    verdict, complete = audit.NOTHING_YET, False
    while not complete:
        so_far = verdict
        verdict, complete = await db.read(
            lambda conn, so_far=so_far: audit.verify_on(conn, so_far, _ENTRIES)  # type: ignore[misc]
        )
    return verdict


async def _everyone(db: Database) -> AsyncIterator[Recording]:
    after = ""
    while some := await _some(db, after):
        for one in some:
            yield one
        after = some[-1].call_id


async def _some(db: Database, after: str) -> Sequence[Recording]:
    return await db.read(lambda conn: recordings.behind(conn, after, _AT_ONCE))


def _wrong(
    one: Recording, vault: Vault, files: RecordingFiles, now: datetime, *, quick: bool
) -> list[str]:
    """What is not as it should be; blocks."""
    size = None if one.path is None else files.size(one.path)
    match one.state:
        case RecordingState.READY:
            return _unplayable(one, vault, files, size, quick=quick)
        case RecordingState.DELETED:
            found = [] if one.key_sealed is None else ["deleted, and its key is there"]
            if one.removed_at is not None and size is not None:
                found.append("deleted, and its file is there")
            if one.removed_at is None and one.deleted_at is not None:
                found += _late(
                    now - one.deleted_at, "deleted long ago, and not yet tidied up after"
                )
            return found
        case RecordingState.PENDING:
            return _late(now - one.created_at, "pending for more than a day")
        case RecordingState.FAILED:
            return [] if one.key_sealed is None else ["failed, and has a key"]


def _unplayable(
    one: Recording, vault: Vault, files: RecordingFiles, size: int | None, *, quick: bool
) -> list[str]:
    try:
        if recordings.key_of(vault, one) is None:
            return ["ready, and has no key"]
    except SealBroken:
        return ["its key was sealed by another vault"]
    if size is None or one.path is None:
        return ["its file is not there"]
    if size != one.file_bytes or (not quick and _digest(files, one.path) != one.digest):
        return ["its file is not what was written"]
    return []


def _digest(files: RecordingFiles, path: str) -> bytes:
    found = hashlib.sha256()
    with files.open(path) as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.digest()


def _late(since: timedelta, what: str) -> list[str]:
    return [what] if since > _LATE else []
