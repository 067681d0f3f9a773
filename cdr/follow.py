"""Follows a node's event file through appends, rotation, torn lines and truncation.

It only reads, except for `rotate`. It must never give out a line that is not ended by a line feed,
never give out a newer file's lines before an older one's, and never take one file for another: a
file is known by its first row, which holds microseconds and a channel's unique id, not by its name
(rotation changes it), nor by its inode (the next file may get it, a restored copy gets another).
In doubt it reads a file again from the start: what follows is idempotent.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from cdr.errors import SpoolUnreadable
from cdr.room import AHEAD_BYTES, reserve

LIVE_NAME = "events.jsonl"
_ROTATED = re.compile(re.escape(LIVE_NAME) + r"\.[0-9]+")
_HEAD_BYTES = 4096
_ROW_BYTES = 8192  # no row is longer
_FIRST_ROW = re.compile(rb'(?m)^\{"eventtime": ?"([0-9]{9,11})\.[0-9]{6}".*\n')
_OUR_NUMBERS = 10**15  # nanoseconds since 1970, the least there may be
_SETTLED_S = 60  # a rotated file is not deleted while Asterisk may still hold it open for a row


@dataclass(frozen=True, slots=True)
class Chunk:
    """Complete lines of one file."""

    file: str  # which file, see `_identify`
    end: int  # the checkpoint once the lines are kept
    raw: bytes  # the lines, without the last line feed

    @property
    def lines(self) -> list[bytes]:
        """Each without its line feed."""
        return self.raw.split(b"\n")


@dataclass(slots=True)
class _Opened:
    """A file as it stood when the scan came by."""

    path: Path
    fd: int
    size: int
    changed_s: float
    file: str


class Follower:
    """Reads what was not read yet. Not for several threads at once."""

    def __init__(
        self,
        folder: Path,
        checkpoints: Mapping[str, int],
        *,
        chunk_bytes: int = 128 * 1024,
        behind_bytes: int = 0,
    ) -> None:
        """`checkpoints`: how far each file is read. `chunk_bytes` (8192 up): most of a `read`.

        `behind_bytes`: most of one where more than that is left to read.
        """
        if chunk_bytes < _ROW_BYTES:
            msg = "chunk_bytes must be at least 8192"
            raise ValueError(msg)
        self._folder = folder
        self._live = folder / LIVE_NAME
        self._positions = dict(checkpoints)
        self._chunk_bytes = chunk_bytes
        self._behind_bytes = max(chunk_bytes, behind_bytes)
        self._seen: tuple[object, ...] | None = (
            None  # the folder's state in which nothing was left to read
        )
        self.lag_bytes = 0  # not read yet, as of the last `read`
        self.live_bytes = 0  # size of the file that is written to, as of then
        self._rereads = 0

    def read(self) -> Chunk | None:
        """The next lines, the oldest first; None: none now. Raises SpoolUnreadable."""
        try:
            state = self._state()
            if state == self._seen:
                return None
            with self._scan() as files:
                self.lag_bytes = sum(
                    max(0, file.size - self._positions.get(file.file, 0)) for file in files
                )
                self.live_bytes = sum(file.size for file in files if file.path == self._live)
                for file in files:
                    chunk = self._read(file)
                    if chunk is not None:
                        return chunk
        except OSError as error:
            raise SpoolUnreadable(error.strerror) from error
        self._seen = state
        return None

    def passed(self, chunk: Chunk) -> None:
        """Go on behind the chunk. If it cannot be kept, this follower is of no use any more."""
        self.lag_bytes = max(0, self.lag_bytes - (chunk.end - self._positions.get(chunk.file, 0)))
        self._positions[chunk.file] = chunk.end

    def take_rereads(self) -> int:
        """How many files had shrunk or changed, and were read again, since this was last asked."""
        taken = self._rereads
        self._rereads = 0
        return taken

    def rotate(
        self,
        *,
        over_bytes: int,
        keep: int,
        now_ns: int,
        over_s: float = math.inf,
        keep_s: float = math.inf,
    ) -> tuple[str, ...]:
        """Rename the live file if it is larger than `over_bytes` or begins over `over_s` ago.

        Delete old ones but the `keep` newest, and of these too what nobody wrote to for `keep_s`.
        Asterisk opens the file anew for each row, so nobody needs to be told. The new name holds
        the time: two ingesters that rotate at once cannot overwrite each other's file. Nothing is
        renamed while the disk has no room for the next file. Only what was read is deleted. Returns
        the files deleted: their checkpoints may go.
        """
        try:
            if self._live.stat().st_size > over_bytes or now_ns / 1e9 - self._begun_s() > over_s:
                self._turn_page(self._free_name(now_ns))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SpoolUnreadable(error.strerror) from error
        gone: list[str] = []
        try:
            with self._scan() as files:
                rotated = [file for file in files if file.path != self._live]
                surplus = len(rotated) - keep
                for place, file in enumerate(rotated):
                    untouched_s = now_ns / 1e9 - file.changed_s
                    due = untouched_s > (_SETTLED_S if place < surplus else keep_s)
                    if due and self._read(file) is None:
                        file.path.unlink(missing_ok=True)
                        self._positions.pop(file.file, None)
                        gone.append(file.file)
        except OSError as error:
            raise SpoolUnreadable(error.strerror) from error
        return tuple(gone)

    def _turn_page(self, name: Path) -> None:
        """Let rows go to a new file that has its room already."""
        draft = self._live.with_name(f".{LIVE_NAME}.next")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if reserve(descriptor, AHEAD_BYTES):
                self._live.rename(name)
                with suppress(FileExistsError):  # Asterisk was quicker; its file gets room later
                    os.link(draft, self._live)
        finally:
            os.close(descriptor)
            draft.unlink(missing_ok=True)

    def _begun_s(self) -> float:
        """When the live file's first row was written; far ahead while it has none."""
        with self._live.open("rb") as file:
            first = _FIRST_ROW.search(file.read(_HEAD_BYTES))
        return math.inf if first is None else int(first[1])

    def _free_name(self, now_ns: int) -> Path:
        """A name behind those of all files rotated before, even if the clock was set back."""
        taken = [_number(path.name) for path in self._rotated()]
        return self._live.with_name(f"{LIVE_NAME}.{max([now_ns, *(n + 1 for n in taken)])}")

    def _rotated(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if _ROTATED.fullmatch(path.name)]
        except FileNotFoundError:
            return []

    def _state(self) -> tuple[object, ...]:
        """Changes whenever a file grew, shrank, came or went."""
        try:
            with os.scandir(self._folder) as entries:
                return tuple(
                    sorted(
                        (entry.name, stat.st_ino, stat.st_size, stat.st_mtime_ns)
                        for entry in entries
                        if _is_ours(entry.name) and (stat := _stat(entry)) is not None
                    )
                )
        except FileNotFoundError:
            return ()

    @contextmanager
    def _scan(self) -> Iterator[list[_Opened]]:
        """Every file that can be known, the oldest first.

        The live file is measured before the folder is listed, and the listed ones after it: a row
        in an older file was written before those that the live file had by then, so reading the
        older ones to their end, and the live one only so far, keeps the order.
        """
        opened: dict[str, _Opened] = {}
        try:
            self._open(self._live, opened)
            for path in self._rotated():
                self._open(path, opened)
            yield sorted(opened.values(), key=lambda file: _place(file.path.name))
        finally:
            for file in opened.values():
                os.close(file.fd)

    def _open(self, path: Path, opened: dict[str, _Opened]) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        stat = os.fstat(fd)
        known = _identify(os.pread(fd, _HEAD_BYTES, 0))
        if known is None or known in opened:  # too young to be known; or renamed while we looked
            os.close(fd)
            return
        opened[known] = _Opened(path, fd, stat.st_size, stat.st_mtime, known)

    def _read(self, file: _Opened) -> Chunk | None:
        position = self._positions.get(file.file, 0)
        if position > file.size or (position and os.pread(file.fd, 1, position - 1) != b"\n"):
            self._rereads += 1
            position = self._positions[file.file] = 0
        left = file.size - position
        most = self._behind_bytes if left > self._behind_bytes else self._chunk_bytes
        raw = os.pread(file.fd, min(most, left), position)
        end = raw.rfind(b"\n") + 1
        if end:
            return Chunk(file.file, position + end, raw[: end - 1])
        if len(raw) < most:
            return None  # nothing, or a last line still being written
        return self._overlong(file, position + len(raw))

    def _overlong(self, file: _Opened, position: int) -> Chunk | None:
        """More bytes without a line feed than rows have, as a power cut leaves.

        Only their end may hold a row.
        """
        while position < file.size:
            raw = os.pread(file.fd, 1 << 20, position)
            found = raw.find(b"\n")
            if found >= 0:
                end = position + found + 1
                tail = os.pread(file.fd, _ROW_BYTES, end - _ROW_BYTES)
                return Chunk(file.file, end, tail[:-1])
            if not raw:
                break
            position += len(raw)
        return None


def _is_ours(name: str) -> bool:
    return name == LIVE_NAME or _ROTATED.fullmatch(name) is not None


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except FileNotFoundError:  # renamed or deleted while we looked
        return None


def _place(name: str) -> tuple[int, int]:
    """Sorts the files' names, the oldest first.

    Our own numbers are times and grow; small ones are another rotator's, which counts backwards.
    """
    if name == LIVE_NAME:
        return (2, 0)
    number = _number(name)
    return (1, number) if number >= _OUR_NUMBERS else (0, -number)


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])


def _identify(head: bytes) -> str | None:
    """What the file is known by; None while it has no row to be known by."""
    first = _FIRST_ROW.search(head)
    if first is None and len(head) < _HEAD_BYTES:
        return None
    return blake2b(first.group() if first else head, digest_size=12).hexdigest()
