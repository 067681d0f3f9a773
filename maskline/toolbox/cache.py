"""The cache folder: one writer at a time, and what is in it is whole or absent.

Things are built under a name of their own and renamed into place. Files of the cache are run as
programs, so a cache that another user may write is refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskline.toolbox.errors import BusyError, CacheError

Progress = Callable[[str], None]
BUILD_PREFIX = ".build-"
LOCK_TIMEOUT_S = 900.0
LOCK_POLL_S = 0.2
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def quiet(_line: str) -> None:
    """Says nothing."""


def open_cache(folder: Path) -> Path:
    """Makes the folder where needed and checks that only we, or root, may write it."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise CacheError(
            f"cannot write {folder} ({error.strerror}): set MASKLINE_CACHE to another folder"
        ) from error
    check_owner(folder)
    return folder


def check_owner(folder: Path) -> None:
    """Raises CacheError where somebody else could have put files into the folder."""
    info = folder.stat()
    if info.st_uid not in {0, os.geteuid()} or info.st_mode & OTHERS_MAY_WRITE:
        raise CacheError(
            f"{folder} may be written by other users and programs are run from it: "
            "make it yours (chown, chmod go-w) or set MASKLINE_CACHE to another folder"
        )


def check_space(folder: Path, need_mb: int) -> None:
    """Raises CacheError where less than `need_mb` megabytes are free."""
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < need_mb:
        raise CacheError(
            f"{folder} has {free_mb} MB free and {need_mb} are needed: make room or set "
            "MASKLINE_CACHE to another folder"
        )


@contextmanager
def locked(
    cache: Path, name: str, *, timeout_s: float = LOCK_TIMEOUT_S, say: Progress = quiet
) -> Iterator[None]:
    """Holds the lock `name` of this cache; the kernel frees it when its holder dies."""
    with (cache / f"{name}.lock").open("a+b") as file:
        deadline_s = time.monotonic() + timeout_s
        waited = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline_s:
                    raise BusyError(
                        f"another set-up has held {file.name} for {timeout_s:.0f} s: try later"
                    ) from error
                if not waited:
                    say("waiting for another set-up to end")
                    waited = True
                time.sleep(LOCK_POLL_S)
            else:
                break
        yield


@contextmanager
def build_folder(cache: Path, name: str) -> Iterator[Path]:
    """A new empty folder beside the final one; gone at the end unless it was renamed.

    Hold the lock `name`: what earlier, killed builds of the same name left is removed first.
    """
    for left in cache.glob(f"{BUILD_PREFIX}{name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{BUILD_PREFIX}{name}-", dir=cache))
    folder.chmod(0o755)  # mkdtemp's 0700 would hide a root-made cache from a service user
    try:
        yield folder
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise CacheError(
                f"no space left in {cache}: make room or set MASKLINE_CACHE"
            ) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(built: Path, final: Path) -> None:
    """Puts a built folder into its place; one that is there already is replaced."""
    if final.exists():
        aside = final.with_name(f"{BUILD_PREFIX}{final.name}-old-{os.getpid()}")
        final.rename(aside)
        built.rename(final)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        built.rename(final)
