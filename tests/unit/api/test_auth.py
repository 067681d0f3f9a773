"""Keys: known for a moment, forgotten at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import pytest

from api.auth import Keyring, derive_key
from api.errors import Unauthenticated
from storage import keys
from storage.errors import NotAtOnce
from storage.keys import ApiKey, KeyRole

T = TypeVar("T")
TEXT = "mk_a"
KEY = ApiKey(
    "key_1", keys.hash_key(TEXT), KeyRole.PLATFORM, "shop", datetime(2026, 1, 1, tzinfo=UTC)
)


class Books:
    """A database of one key that counts how often it is asked."""

    def __init__(self) -> None:
        self.key: ApiKey | None = KEY
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, work: Callable[[Any], T]) -> T:
        self.asked += 1
        found = cast("T", self.key)  # as it is before we wait
        await self.gate.wait()
        return found

    async def look_up(self, work: Callable[[Any], T]) -> T:
        return await self.read(work)

    def peek(self, work: Callable[[Any], T]) -> T:
        raise NotAtOnce

    async def write(self, work: Callable[[Any], T]) -> T:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(books: Books, clock: Clock) -> Keyring:
    return Keyring(books, clock, ttl_s=5)


async def test_a_known_key_is_not_looked_up_again_for_a_while(
    keyring: Keyring, books: Books, clock: Clock
) -> None:
    for _ in range(3):
        assert (await keyring.identify(f"Bearer {TEXT}"))[0] is KEY
    assert books.asked == 1

    clock.now += timedelta(seconds=5)
    await keyring.identify(f"bearer  {TEXT}")
    assert books.asked == 2


async def test_a_key_revoked_elsewhere_works_no_longer_than_that(
    keyring: Keyring, books: Books, clock: Clock
) -> None:
    await keyring.identify(f"Bearer {TEXT}")
    books.key = replace(KEY, revoked_at=clock.now)
    clock.now += timedelta(seconds=5)

    with pytest.raises(Unauthenticated):
        await keyring.identify(f"Bearer {TEXT}")


async def test_a_key_revoked_while_it_is_looked_up_is_not_remembered(
    keyring: Keyring, books: Books, clock: Clock
) -> None:
    books.gate.clear()
    early = asyncio.create_task(keyring.identify(f"Bearer {TEXT}"))
    while not books.asked:
        await asyncio.sleep(0)
    books.key = replace(KEY, revoked_at=clock.now)
    keyring.forget(KEY.id)
    books.gate.set()
    await early  # it came before the revocation

    with pytest.raises(Unauthenticated):
        await keyring.identify(f"Bearer {TEXT}")


async def test_unknown_keys_are_not_remembered(keyring: Keyring, books: Books) -> None:
    books.key = None
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await keyring.identify(f"Bearer {TEXT}")
    assert books.asked == 2

    books.key = KEY
    await keyring.identify(f"Bearer {TEXT}")


def test_a_derived_key_needs_both_its_parts() -> None:
    first = derive_key("mk_admin", b"nonce")

    assert first == derive_key("mk_admin", b"nonce")
    assert len({first, derive_key("mk_other", b"nonce"), derive_key("mk_admin", b"other")}) == 3
    assert len(first) == len(keys.new_key(bytes(keys.KEY_BYTES)))
