"""The part of the ingest role that keeps recordings: what Asterisk wrote becomes encrypted files.

The only place that knows both where Asterisk writes and where recordings are kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from api.services import Health
from cdr.recording_files import RecordingFiles
from cdr.recording_keeper import KeeperHouse, KeeperSettings, RecordingKeeper
from maskline.settings import Settings
from maskline.store import Store, utc_now
from storage import recordings
from telephony import tape


class NodeTapes:
    """What Asterisk wrote of talks, in its node's folder. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def assemble(self, call_id: str) -> Path:
        """One WAV file of the call. Raises FileNotFoundError where nothing was written, OSError."""
        try:
            return tape.assemble(self._folder, call_id)
        except tape.NoTape:
            raise FileNotFoundError from None

    def discard(self, call_id: str) -> None:
        """Remove all that there is of the call. Raises OSError."""
        tape.discard(self._folder, call_id)

    def left_over(self) -> Iterator[tuple[str, datetime]]:
        """The calls of which there is something, and when it was last written."""
        for call_id in tape.left_over(self._folder):
            touched = 0.0
            for path in self._folder.glob(f"{call_id}*"):
                with suppress(FileNotFoundError):
                    touched = max(touched, path.stat().st_mtime)
            yield call_id, datetime.fromtimestamp(touched, UTC)


def files_of(settings: Settings, node: str = "") -> RecordingFiles:
    """Where recordings are kept."""
    return RecordingFiles(settings.recordings_folder, node)


class RecordingPart:
    """This process's keeper of recordings."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        node: str,
        spool: Path,
        on_owed: Callable[[], None],
    ) -> None:
        """`spool`: where Asterisk writes."""
        self._db = store.db
        house = KeeperHouse(
            db=store.db,
            vault=store.vault,
            files=files_of(settings, node),
            tapes=NodeTapes(spool),
            node=node,
            clock=utc_now,
            entropy=secrets.token_bytes,
        )
        how = KeeperSettings(workers=settings.recording_workers)
        self._keeper = RecordingKeeper(house, how, on_owed)

    async def run(self) -> None:
        """Keep recordings until cancelled."""
        await self._keeper.run()

    def wake(self) -> None:
        """A call may have left one."""
        self._keeper.wake()

    async def probe(self) -> Health:
        """How it goes. Calls can be made all the same, so it is never ill health."""
        stats = self._keeper.stats
        waiting, oldest_s = await self._db.read(lambda conn: recordings.waiting(conn, utc_now()))
        gauges = {
            "recordings_pending": float(waiting),
            "recordings_oldest_seconds": oldest_s,
            "recordings_ready_total": float(stats.ready),
            "recordings_failed_total": float(stats.failed),
            "recordings_retried_total": float(stats.retried),
            "recordings_deleted_total": float(stats.deleted),
            "recordings_orphans": float(stats.orphans),
        }
        return Health(ok=True, detail=stats.failing or "", gauges=gauges)
