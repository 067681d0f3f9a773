"""Changes of the vault's key file, each whole or not at all: publish a key, use it, drop others.

One process at a time holds the pen (flock beside the file). Never shows a key; never decides when a
step may be taken: that is `storage.rotation`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from storage.errors import VaultKeyUnusable
from storage.vault import MOST_KEYS, VaultKeys, read_keys

_KEY_BYTES: Final = 32


def publish(path: Path, entropy: Callable[[int], bytes] = os.urandom) -> int:
    """Add a key that nobody seals with yet; its id.

    One that was published and never used is taken up again. Raises VaultKeyUnusable.
    """
    with _changed(path) as pen:
        keys = pen.keys
        unused = [one for one in keys.sealing if one > keys.current]
        if unused:
            return unused[0]
        made = _free_id(keys)
        sealing = {**keys.sealing, made: entropy(_KEY_BYTES)}
        pen.keys = replace(keys, sealing=sealing, uses=keys.current)
        return made


def use(path: Path, key_id: int) -> None:
    """Seal with this key from now on. Raises VaultKeyUnusable."""
    with _changed(path) as pen:
        if key_id not in pen.keys.sealing:
            raise VaultKeyUnusable("the vault key file lacks the key that is to be used")
        pen.keys = replace(pen.keys, uses=key_id)


def keep_only(path: Path, key_id: int) -> None:
    """Drop every sealing key but this one. Raises VaultKeyUnusable."""
    with _changed(path) as pen:
        if pen.keys.current != key_id:
            raise VaultKeyUnusable("the vault key file does not seal with the key that is to stay")
        pen.keys = replace(pen.keys, sealing={key_id: pen.keys.sealing[key_id]})


class _Pen:
    def __init__(self, keys: VaultKeys) -> None:
        self.keys = keys


@contextmanager
def _changed(path: Path) -> Iterator[_Pen]:
    """The keys; what they are afterwards is written."""
    try:
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise VaultKeyUnusable(f"cannot change {path}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_keys(path)
        pen = _Pen(before)
        yield pen
        if pen.keys != before:
            _replace(path, pen.keys.text())
    except OSError as error:
        raise VaultKeyUnusable(f"cannot change {path}: {error.strerror}") from None
    finally:
        os.close(lock)


def _replace(path: Path, text: str) -> None:
    """Another content, on the disk before anybody relies on it. Owner and mode stay."""
    old = path.stat()
    draft = path.with_name(f".{path.name}.next")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, old.st_mode & 0o777)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), old.st_uid, old.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _free_id(keys: VaultKeys) -> int:
    """The next id; after the last one, the lowest that is free."""
    following = max(keys.sealing) + 1
    if following <= MOST_KEYS:
        return following
    free = [one for one in range(1, MOST_KEYS + 1) if one not in keys.sealing]
    if not free:
        raise VaultKeyUnusable("the vault key file has no room for another key")
    return free[0]
