"""The sound of a recording on its way out: found, checked, and sent part by part.

Whoever sends it says in the audit log before who hears it and why; nothing here does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.ranges import Part
from api.routing import Write
from api.services import Services
from cdr import records
from cdr.errors import RecordingDamaged
from cdr.recording_cipher import SealedReader
from masking.recording_states import RecordingState
from storage import recordings
from storage.errors import SealBroken
from storage.recordings import Recording

_log = logging.getLogger("maskline.api")
MEDIA_TYPE: Final = "audio/ogg"
_WRITE_S: Final = 30.0  # for the reader to take a piece


class Sound:
    """A part of a recording that is sent. Holds no file before the sending begins."""

    def __init__(self, services: Services, found: Recording, part: Part) -> None:
        self._files = services.recordings
        self._vault = services.vault
        self._found = found
        self._part = part

    def check(self) -> None:
        """See that all of it is there, and as it was written. Raises RecordingUnreadable."""
        try:
            for _ in self._pieces():
                pass
        except SealBroken:
            raise errors.RecordingUnreadable(reason="key") from None
        except RecordingDamaged:
            _log.error("the file of the recording of %s is damaged", self._found.call_id)
            raise errors.RecordingUnreadable(reason="damaged") from None
        except OSError:
            raise errors.RecordingUnreadable(reason="missing") from None

    async def pour(self, write: Write) -> None:
        """Send it. A reader that takes nothing for half a minute is let go."""
        pieces = self._pieces()
        try:
            while piece := await asyncio.to_thread(next, pieces, b""):
                async with asyncio.timeout(_WRITE_S):
                    await write(piece)
        except (RecordingDamaged, SealBroken, OSError, TimeoutError):
            # Nothing can be taken back: a body that is too short says so.
            raise ConnectionResetError from None
        finally:
            with suppress(ValueError):  # it is being read in a thread, and ends there
                pieces.close()

    def _pieces(self) -> Generator[bytes, None, None]:
        """Blocks. Raises OSError, SealBroken, RecordingDamaged."""
        found, key = self._found, recordings.key_of(self._vault, self._found)
        if self._files is None or found.path is None or key is None:
            raise FileNotFoundError
        size = self._files.size(found.path)
        if size is None:
            raise FileNotFoundError
        if size != found.file_bytes:
            raise RecordingDamaged
        with self._files.open(found.path) as file:
            reader = SealedReader(file, size, key, found.call_id)
            yield from reader.read(self._part.start, self._part.stop)


def find(conn: Connection, call_id: str) -> Recording:
    """The recording of the call. Raises CallNotFound, RecordingNotFound."""
    found = recordings.get(conn, call_id)
    if found is not None:
        return found
    if not records.recorded(conn, (call_id,)):
        raise errors.CallNotFound
    raise errors.RecordingNotFound


def playable(found: Recording) -> Recording:
    """`found`, if it can be heard. Raises RecordingPending, RecordingNotFound, RecordingGone."""
    match found.state:
        case RecordingState.READY:
            return found
        case RecordingState.PENDING:
            raise errors.RecordingPending
        case RecordingState.FAILED:
            raise errors.RecordingNotFound
        case RecordingState.DELETED:
            raise errors.RecordingGone


def etag(found: Recording) -> str:
    """Of its file, which is never changed."""
    return f'"{(found.digest or b"").hex()[:32]}"'


def head(found: Recording, shown: Part, *, whole: bool) -> Mapping[str, str]:
    """The headers of what is shown of it; `whole`: no part was asked for."""
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag(found),
        "Content-Length": str(shown.stop - shown.start),
        "Content-Disposition": f'inline; filename="{found.call_id}.ogg"',
    }
    if not whole:
        headers["Content-Range"] = shown.content_range
    return headers
