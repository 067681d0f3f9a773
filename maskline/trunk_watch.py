"""Keeps the node's trunks as they are stored: at once when told, else within a second.

A trunk that cannot be written into Asterisk's configuration is left out and named in the log; it
never keeps the others from being served.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from masking.trunks import Trunk
from maskline.routes import TrunkBook
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
        self._complaint = ""

    async def run(self) -> None:
        """Follow the stored trunks until cancelled."""
        while True:
            self._nudge.clear()
            try:
                await self.apply()
            except (TelephonyError, StorageError) as error:
                self._complain(str(error))
            else:
                self._complaint = ""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._nudge.wait()

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

    def _complain(self, text: str) -> None:
        """Once for the same trouble."""
        if text != self._complaint:
            _log.warning("trunks are not applied yet: %s", text)
        self._complaint = text
