"""Keeps the node's trunks as they are stored: at once when told, else within a second.

A trunk that cannot be written into Asterisk's configuration is left out and named in the log; it
never keeps the others from being served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from masking.trunks import Trunk
from maskline.routes import TrunkBook
from maskline.watching import Complaint, follow
from storage.database import Database
from storage.errors import StorageError
from telephony.errors import BadTrunk, TelephonyError
from telephony.node import Node
from telephony.trunks import check

_log = logging.getLogger("maskline.trunks")
LOOK_EVERY_S = 1.0


class TrunkWatch:
    """One node's. `run` must be somebody's task."""

    def __init__(self, db: Database, book: TrunkBook, node: Node) -> None:
        self._db = db
        self._book = book
        self._node = node
        self._applied = -1
        self._nudge = asyncio.Event()
        self._done = asyncio.Event()
        self._complaint = Complaint(_log, "trunks are not applied yet")

    async def run(self) -> None:
        """Follow the stored trunks until cancelled."""
        await follow(
            self.apply, self._nudge, LOOK_EVERY_S, (TelephonyError, StorageError), self._complaint
        )

    async def apply(self) -> None:
        """Tell the node of changed trunks. Raises TelephonyError, StorageError."""
        version, trunks = await self._db.read(self._book.read)
        if version == self._applied:
            return
        await self._node.apply_trunks(tuple(self._usable(trunks)))
        self._applied = version
        done, self._done = self._done, asyncio.Event()
        done.set()

    async def changed(self) -> None:
        """The trunks were changed: return when the node has taken them."""
        version, _ = await self._db.read(self._book.read)
        self._nudge.set()
        while self._applied < version:
            await self._done.wait()

    def _usable(self, trunks: tuple[Trunk, ...]) -> Iterator[Trunk]:
        for trunk in trunks:
            try:
                check(trunk)
            except BadTrunk as error:
                _log.error("left out: %s", error)
                continue
            yield trunk
