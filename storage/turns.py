"""Turns among the processes that write to one SQLite file: nobody is passed over.

SQLite itself has whoever finds the file taken sleep and try again, up to 100 ms at a time, while a
busy process is back within 0.1 ms of its commit: another meets that gap by chance, or never. Here
one waits for the turn, alone, as the next; all others, the one who has just written among them,
wait to become the next. Both are locks of the kernel's (flock) on empty files beside the database,
so they go with a process, however it ends. Nothing depends on them: whoever cannot have them, or
knows nothing of them, still has SQLite's own lock to pass.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from storage.errors import DatabaseLocked

TURN: Final = "-turn"  # held by who writes
NEXT: Final = "-next"  # held by who waits for the turn
_TURN_LOOK_S: Final = 0.0005  # between looks of the one who is next
_NEXT_LOOK_S: Final = 0.004  # of the others at first; who has waited longer looks more often
_LEAST_LOOK_S: Final = 0.0005
_SOONER: Final = 0.85  # the next pause is so much of the last one


class Turns:
    """One writer's place among them; for one thread at a time."""

    def __init__(self, database: str) -> None:
        """`database`: the file's path. Nothing is opened before it is needed."""
        self._path = os.path.realpath(database)  # the same beside a link to it
        self._files: tuple[int, int] | None = None
        self._opened = False

    @contextmanager
    def turn(self, until: float) -> Iterator[None]:
        """Wait for the turn and have it. Raises DatabaseLocked `until` then (`time.monotonic`)."""
        if not self._opened:
            self._open()
        if self._files is None:
            yield
            return
        turn, next_ = self._files
        _take(next_, until, _NEXT_LOOK_S)
        try:
            _take(turn, until, _TURN_LOOK_S)
        finally:
            _give_back(next_)
        try:
            yield
        finally:
            _give_back(turn)

    def close(self) -> None:
        """Let go of the files; they are opened again when needed."""
        files, self._files, self._opened = self._files, None, False
        for file in files or ():
            os.close(file)

    def _open(self) -> None:
        """Both files; none where they may not be made or opened by us: it goes without them."""
        self._opened = True
        with suppress(OSError):
            turn = _file(self._path + TURN, self._path)
            try:
                self._files = (turn, _file(self._path + NEXT, self._path))
            except OSError:
                os.close(turn)
                raise


def _file(path: str, database: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    with suppress(OSError):  # the database is not there yet, or the owner is not ours to choose
        if os.geteuid() == 0:
            owner = Path(database).stat()
            os.fchown(file, owner.st_uid, owner.st_gid)  # as SQLite does with what is beside it
    return file


def _take(file: int, until: float, look_s: float) -> None:
    while not _taken(file):
        left = until - time.monotonic()
        if left <= 0:
            raise DatabaseLocked
        time.sleep(min(look_s, left))
        look_s = max(look_s * _SOONER, _LEAST_LOOK_S)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without such locks: SQLite's own will do
        return True
    return True


def _give_back(file: int) -> None:
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
