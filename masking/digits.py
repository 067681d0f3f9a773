"""Digits that nobody can guess: PINs and extensions, from a secret that was drawn for them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

SECRET_BYTES: Final = 32  # enough for all digits of one session
LONGEST_PIN: Final = 10
GUESSES: Final = 10_000
"""Of so many PINs that somebody types at random on one number, at most one is somebody's."""


def pin_length(wanted: int, others: int) -> int:
    """The digits of a new PIN on a number on which so many others have one: `wanted`, or more.

    A number with a PIN each for many makes a hit likely: the length follows `GUESSES`.
    """
    length = wanted
    while length < LONGEST_PIN and (others + 1) * GUESSES > 10**length:
        length += 1
    return length


class Digits:
    """A stream of digits that follows from `secret`: unpredictable bytes, used for this alone."""

    __slots__ = ("_drawn", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._drawn = 0

    def draw(self, length: int) -> str:
        """The next `length` digits, at most 10. Raises ValueError where there is no secret."""
        if len(self._secret) < SECRET_BYTES:
            msg = f"digits need a secret of {SECRET_BYTES} bytes"
            raise ValueError(msg)
        self._drawn += 1
        counter = self._drawn.to_bytes(4, "big")
        drawn = hashlib.blake2b(counter, key=self._secret, digest_size=16).digest()
        return f"{int.from_bytes(drawn, 'big') % 10**length:0{length}}"

    def draw_unlike(self, taken: Collection[str], length: int) -> str | None:
        """Digits of which none of `taken` is the beginning, nor they of it; None if all are taken.

        The plain number, "", is unlike every extension.
        """
        space = 10**length
        first = int(self.draw(length))
        for step in range(space):
            found = f"{(first + step) % space:0{length}}"
            if not any(one and (one.startswith(found) or found.startswith(one)) for one in taken):
                return found
        return None
