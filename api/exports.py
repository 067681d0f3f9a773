"""How many exports run at once in this process, and their end with it. Never what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from api.errors import Overloaded

MOST: Final = 4


class Exports:
    """Those that run."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._running = 0
        self.closed = False  # those that run end at once, unfinished

    def __len__(self) -> int:
        return self._running

    def refuse_more(self) -> None:
        """Raises Overloaded if one more would be too many."""
        if self.closed or self._running >= self._most:
            raise Overloaded

    @contextmanager
    def one(self) -> Iterator[None]:
        """While one runs. Raises Overloaded."""
        self.refuse_more()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def close(self) -> None:
        """End all of them."""
        self.closed = True
