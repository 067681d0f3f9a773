"""Asks a process of its own for recordings' waveforms (`cdr.waveform_child`): one at a time.

A few wait for their turn, more are told that there is none; the latest are remembered. The child
goes when nobody waits. Never keeps a key.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cdr.child import Child, ChildFailed

BUCKETS: Final = 480
_DEADLINE_S: Final = 12.0  # an hour of talk takes some seconds
_MOST_WAITING: Final = 4
_REMEMBERED: Final = 128


@dataclass(frozen=True, slots=True)
class Wanted:
    """A recording whose waveform is to be drawn."""

    call_id: str
    path: Path
    file_bytes: int
    duration_ms: int
    digest: bytes  # of the file: what is remembered is of this one
    key: bytes = field(repr=False)

    def text(self) -> bytes:
        """As the child reads it."""
        said = {
            "call_id": self.call_id,
            "path": str(self.path),
            "file_bytes": self.file_bytes,
            "duration_ms": self.duration_ms,
            "buckets": BUCKETS,
            "key": b64encode(self.key).decode(),
        }
        return json.dumps(said).encode()


@dataclass(frozen=True, slots=True)
class Wave:
    """Loudness of each side over time, 0 to 100, in equal stretches."""

    caller: tuple[int, ...]
    callee: tuple[int, ...]


class Waveforms:
    """One for a process."""

    def __init__(self, child: Child | None = None) -> None:
        self._child = child or Child.module("cdr.waveform_child")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._known: OrderedDict[bytes, Wave] = OrderedDict()

    async def of(self, wanted: Wanted) -> Wave | None:
        """The waveform; None: it cannot be drawn, or not now."""
        known = self._known.get(wanted.digest)
        if known is not None:
            self._known.move_to_end(wanted.digest)
            return known
        if self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            async with self._turn:
                try:
                    return await self._ask(wanted)
                finally:
                    if self._waiting == 1:  # whoever comes now waits for the turn
                        await self._child.close()
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Let the child end."""
        await self._child.close()

    async def _ask(self, wanted: Wanted) -> Wave | None:
        try:
            said = json.loads(await self._child.ask(wanted.text(), _DEADLINE_S))
            if "failure" in said:
                return None
            wave = Wave(tuple(said["caller"]), tuple(said["callee"]))
        except (ChildFailed, ValueError, KeyError, TypeError):
            return None
        self._known[wanted.digest] = wave
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return wave
