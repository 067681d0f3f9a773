"""Where the files of recordings are: ``YYYY/MM/DD/<call id>-<token>`` below one folder, private.

A file appears there whole or not at all, and is on the disk before anybody hears of it. Nobody but
the holder of its key can read it, and no name tells more than the call's id.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

_DRAFTS: Final = "drafts"
_NAME: Final = re.compile(r"\d{4}/\d{2}/\d{2}/(cal_[0-9a-z]{26})-[0-9a-f]{16}")


class RecordingFiles:
    """One folder of recordings. Several nodes may share it."""

    def __init__(self, root: Path, node: str = "") -> None:
        self._root = root
        self._drafts = root / _DRAFTS / node

    def prepare(self) -> None:
        """Make what folders are missing; clear away drafts that a dead process left."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._drafts, ignore_errors=True)
        self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)

    def draft(self, call_id: str, token: str) -> Path:
        """Where a file is made."""
        return self._drafts / f"{call_id}-{token}"

    def path_of(self, call_id: str, token: str, at: datetime) -> str:
        """Where it will be kept, below the folder: a place of its own for every try."""
        return f"{at.astimezone(UTC):%Y/%m/%d}/{call_id}-{token}"

    def keep(self, draft: Path, path: str) -> None:
        """Put a finished draft, which is on the disk, in its place. Raises OSError."""
        goal = self._root / path
        made = [folder for folder in goal.parents if not folder.exists()]
        goal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.rename(goal)
        for folder in (goal.parent, *(one.parent for one in made)):
            _sync(folder)

    def where(self, path: str) -> Path:
        """The file, for another process on this machine."""
        return self._root / path

    def open(self, path: str) -> BinaryIO:
        """The file, to read. Raises OSError."""
        return (self._root / path).open("rb")

    def size(self, path: str) -> int | None:
        """How long the file is, in bytes; None: there is none. Raises OSError."""
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, path: str) -> bool:
        """Remove the file; says whether it was there. Raises OSError."""
        file = self._root / path
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        _sync(file.parent)
        return True

    def everything(self) -> Iterator[tuple[str, str | None]]:
        """Every file that is kept, and its call's id; None: it is no recording's."""
        for folder, below, names in os.walk(self._root):
            below.sort()
            if Path(folder) == self._root:
                below[:] = [name for name in below if name != _DRAFTS]
            for name in sorted(names):
                path = str((Path(folder) / name).relative_to(self._root))
                known = _NAME.fullmatch(path)
                yield path, known[1] if known else None

    def age_s(self, path: str, now: datetime) -> float:
        """For how long the file has been as it is. Raises OSError."""
        return now.timestamp() - (self._root / path).stat().st_mtime


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
