"""The data folder: made private, and held by one process for each role.

The lock is the kernel's (flock): it goes with the process, however that ends. Never removes a file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from maskline.errors import AlreadyRunning, DataFolderUnwritable


class DataFolder:
    """`with DataFolder(path, ("api", "controller")):` holds both roles on `path`."""

    def __init__(self, path: Path, roles: Iterable[str]) -> None:
        self.path = path.absolute()
        self._roles = tuple(sorted(roles))
        self._held: list[int] = []

    def __enter__(self) -> Self:
        """Raises DataFolderUnwritable or AlreadyRunning."""
        locks = self.path / "locks"
        try:
            locks.mkdir(mode=0o700, parents=True, exist_ok=True)
            for role in self._roles:
                self._take(locks / role)
        except OSError as error:
            self._let_go()
            raise DataFolderUnwritable(self.path, error.strerror or str(error)) from None
        except AlreadyRunning:
            self._let_go()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go()

    def _take(self, lock: Path) -> None:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(self.path, int(holder) if holder.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._held.append(descriptor)

    def _let_go(self) -> None:
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
