"""Addresses and ports of this machine that no other run of the tests has, nor another worker of it.

A place is claimed by a lock that the kernel lets go when the process ends, however it ends. What
was looked at and found free is not: two workers that look in the same moment both find it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

P = TypeVar("P", int, str)


class Places(Generic[P]):
    """Places of one kind, handed out in turn, so that one just given is not soon given again."""

    def __init__(self, kind: str, places: Sequence[P], *, most: int) -> None:
        """`most`: that this process claims, which is to be more than it needs at once."""
        self._kind = kind
        self._free: deque[P] = deque(places)
        self._mine: deque[P] = deque()
        self._most = most

    def take(self, good: Callable[[P], bool] = lambda _place: True) -> P:
        """One that is ours and `good`. Raises AssertionError."""
        while len(self._mine) < self._most and self._free:
            place = self._free.popleft()
            if _claim(f"{self._kind}-{place}"):
                self._mine.append(place)
                if good(place):
                    return place
        for _ in range(len(self._mine)):
            self._mine.rotate(-1)
            if good(self._mine[-1]):
                return self._mine[-1]
        raise AssertionError(f"no {self._kind} is left")


def _claim(name: str) -> bool:
    """Whether it was nobody's; then it is ours until this process ends."""
    folder = Path(tempfile.gettempdir()) / f"maskline-tests-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True
