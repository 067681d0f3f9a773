"""The upkeep: small works, round after round, whatever one of them meets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar, cast

import pytest
from sqlalchemy import Connection

from maskline.upkeep import Chore, keep_tidy
from storage.errors import DatabaseSilent

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Works:
    """A database that only counts what it is given, and is silent for as long as it is told."""

    def __init__(self) -> None:
        self.silent = 0

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.silent:
            self.silent -= 1
            raise DatabaseSilent
        return work(cast("Connection", None))

    async def read(self, work: Callable[[Connection], T]) -> T:
        raise DatabaseSilent

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        raise AssertionError

    def peek(self, work: Callable[[Connection], T]) -> T:
        raise AssertionError

    async def close(self) -> None:
        pass


def noted(name: str, done: list[str], did: int = 0) -> Chore:
    """A chore that writes down that it was done, and says that it did so much."""

    def work(_: Connection, __: datetime) -> int:
        done.append(name)
        return did

    return Chore(name, work, 5)


async def rounds(db: Works, *chores: Chore, until: Callable[[], bool]) -> None:
    task = asyncio.create_task(keep_tidy(db, lambda: NOW, chores, every_s=0.001))
    try:
        async with asyncio.timeout(5):
            while not until():
                await asyncio.sleep(0.001)
    finally:
        task.cancel()


async def test_a_chore_goes_on_while_there_is_as_much_as_one_work_may_do() -> None:
    found = iter([10, 10, 3])
    done: list[int] = []

    def work(_: Connection, now: datetime) -> int:
        assert now == NOW
        done.append(next(found, 0))
        return done[-1]

    await rounds(Works(), Chore("counting", work, 10), until=lambda: len(done) >= 4)

    assert done[:4] == [10, 10, 3, 0]


async def test_a_chore_without_end_leaves_time_to_the_others() -> None:
    done: list[str] = []
    endless = noted("endless", done, 5)
    other = noted("other", done)

    await rounds(Works(), endless, other, until=lambda: "other" in done)

    assert done.index("other") == 50


async def test_what_fails_is_put_off_and_the_rest_is_done(caplog: pytest.LogCaptureFixture) -> None:
    db, done = Works(), list[str]()
    db.silent = 1
    first = noted("the first", done)
    second = noted("the second", done)

    with caplog.at_level(logging.WARNING, "maskline.upkeep"):
        await rounds(db, first, second, until=lambda: "the first" in done)

    assert done[0] == "the second"
    assert "the first is put off" in caplog.text
