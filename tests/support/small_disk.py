"""A disk of a few megabytes, to be filled: a tmpfs of the test's own, gone at its end."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PIECE = bytes(64 * 1024)


class NoRight(RuntimeError):
    """We may not mount."""


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """`folder`, which then has room for so much. Raises NoRight where we may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    option = f"size={size_bytes},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True, check=False, text=True, timeout=10)
    if made.returncode != 0:
        raise NoRight("mounting a tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)


def fill(disk: Path) -> Path:
    """Write until nothing more fits; the file that takes it all."""
    path = disk / "filler"
    with path.open("ab", buffering=0) as file:
        size = len(_PIECE)
        while size:
            try:
                file.write(_PIECE[:size])
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 2
    return path
