"""Passwords: hashed by argon2id, a few at a time; a check takes as long whoever is asked for.

Nothing here logs or shows what was typed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from api.errors import Overloaded

SHORTEST: Final = 10
LONGEST: Final = 200
# RFC 9106, 4: the second recommended option, for where memory is short: 64 MiB, 3 passes.
_HASHER: Final = PasswordHasher(
    time_cost=3, memory_cost=65_536, parallelism=4, hash_len=32, salt_len=16, type=Type.ID
)
# What is compared where there is no account: it takes as long, and fits nothing.
_NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$bWFza2xpbmUtbm9ib2R5IQ$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
AT_ONCE: Final = 1  # calls come first
WAITING: Final = 32  # one more is refused


def hash_password(password: str) -> str:
    """What is kept of a password. Takes some 50 ms."""
    return _HASHER.hash(password)


def check(kept: str | None, password: str) -> bool:
    """Whether it is the one; with nothing kept, no, after the same time."""
    try:
        _HASHER.verify(kept or _NOBODY, password[:LONGEST])
    except (Argon2Error, InvalidHashError):
        return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Whether it was hashed more cheaply than is done now."""
    return _HASHER.check_needs_rehash(kept)


class Checker:
    """Hashes beside the loop, AT_ONCE at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def check(self, kept: str | None, password: str) -> bool:
        """As `check`. Raises Overloaded."""
        async with _Place(self):
            return await asyncio.to_thread(check, kept, password)

    async def hash(self, password: str) -> str:
        """As `hash_password`. Raises Overloaded."""
        async with _Place(self):
            return await asyncio.to_thread(hash_password, password)

    async def enter(self) -> None:
        """Wait for a turn. Raises Overloaded."""
        if self._waiting >= WAITING:
            raise Overloaded
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the turn on."""
        self._turn.release()


class _Place:
    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def __aenter__(self) -> None:
        await self._checker.enter()

    async def __aexit__(self, *_: object) -> None:
        self._checker.leave()


def weakness(password: str, login: str) -> str | None:
    """The key of the text that says what is wrong with a new password; None: nothing.

    As NIST SP 800-63B, 3.1.1.2: length, and not what is guessed first; no rules of composition.
    """
    low = password.casefold()
    if len(password) < SHORTEST:
        return "password.too_short"
    if len(password) > LONGEST:
        return "password.too_long"
    if login.casefold() in low or "maskline" in low or len(set(low)) < 5 or _common(low):
        return "password.guessed"
    return None


def _common(low: str) -> bool:
    runs = ("0123456789", "qwertyuiopasdfghjklzxcvbnm", "abcdefghijklmnopqrstuvwxyz", "password")
    stripped = low.strip("0123456789!@#$%. ")
    return len(stripped) < 3 or any(stripped in run for run in runs) or "password" in low
