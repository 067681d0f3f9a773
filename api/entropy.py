"""Random bytes in small amounts, drawn from their source in large ones.

Asking the system for every few bytes costs a system call and, beside other threads, a wait for the
interpreter: more than all the rest of an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_AT_ONCE: Final = 4096


class Reservoir:
    """Gives out each byte of the source once. For one thread."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._bytes = b""
        self._given = 0

    def __call__(self, size: int) -> bytes:
        """The next `size` bytes."""
        if self._given + size > len(self._bytes):
            self._bytes = self._source(max(_AT_ONCE, size))
            self._given = 0
        begin = self._given
        self._given += size
        return self._bytes[begin : self._given]
