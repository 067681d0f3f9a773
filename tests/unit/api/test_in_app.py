"""Small parts of the apps' API: languages, rates, server-sent events, the tail of the call log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import RateLimited
from api.in_app import limits, sse
from api.in_app.limits import Rates
from api.in_app.tail import Tail
from api.language import accepted
from cdr import call_log
from masking.model import Language
from storage.database import Database
from storage.errors import DatabaseUnavailable

T = TypeVar("T")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "ru"),
        ("", "ru"),
        ("en", "en"),
        ("EN-gb", "en"),
        ("de", "ru"),
        ("de, en;q=0.1", "en"),
        ("ru;q=0.5, en;q=0.9", "en"),
        ("ru, en", "ru"),
        ("en, ru", "en"),
        ("en;q=0", "ru"),
        ("en;q=1.1", "ru"),
        ("en;q=²", "ru"),
        ("*", "ru"),
        ("," * 1000 + "en", "ru"),
    ],
)
def test_the_best_of_our_languages_is_taken(header: str | None, language: str) -> None:
    assert accepted(header) is Language(language)


@given(st.text())
def test_no_header_upsets_it(header: str) -> None:
    assert accepted(header) in Language


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    time = Time()
    rates = Rates(2.0, 3, clock=time)
    for _ in range(3):
        rates.take("app_a")
    with pytest.raises(RateLimited) as refused:
        rates.take("app_a")
    assert refused.value.headers["Retry-After"] == "1"
    rates.take("app_b")  # has a bucket of its own
    time.now = 0.5
    rates.take("app_a")
    with pytest.raises(RateLimited):
        rates.take("app_a")
    time.now = 1000.0
    for _ in range(3):
        rates.take("app_a")
    with pytest.raises(RateLimited):
        rates.take("app_a")


def test_a_slow_rate_says_how_long_to_wait() -> None:
    rates = Rates(0.1, 1, clock=Time())
    rates.take("app_a")
    with pytest.raises(RateLimited) as refused:
        rates.take("app_a")
    assert refused.value.headers["Retry-After"] == "10"


def test_only_so_many_buckets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUCKETS", 2)
    rates = Rates(1.0, 1, clock=Time())
    for holder in ("a", "b", "c"):
        rates.take(holder)
    rates.take("a")  # forgotten, so anew
    with pytest.raises(RateLimited):
        rates.take("c")


def test_an_event_is_lines_that_nothing_in_it_can_break() -> None:
    made = sse.event("call_log", {"name": "a\nb\r\nevent: x\u2028"}, 7)
    assert made.startswith(b"id: 7\nevent: call_log\ndata: {")
    assert made.endswith(b"}\n\n")
    assert made.count(b"\n") == 4
    assert b"\r" not in made
    assert sse.event("end", {}) == b"event: end\ndata: {}\n\n"


@pytest.mark.parametrize(
    ("header", "entry"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        (None, None),
        ("", None),
        ("-7", None),
        ("7.0", None),
        ("x", None),
        ("٧", None),
        ("9" * 19, None),
    ],
)
def test_only_what_is_an_id_of_ours_is_remembered(header: str | None, entry: int | None) -> None:
    assert sse.last_event_id(header) == entry


@dataclass
class LogDouble:
    """A call log whose entries become visible in any order."""

    entries: dict[int, str] = field(default_factory=dict)
    away: bool = False

    async def read(self, work: Callable[[Any], T]) -> T:
        if self.away:
            raise DatabaseUnavailable
        return work(self)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogDouble:
    def written_after(conn: LogDouble, entry_id: int, *, limit: int) -> list[tuple[int, str]]:
        return [one for one in sorted(conn.entries.items()) if one[0] > entry_id][:limit]

    monkeypatch.setattr(call_log, "newest_id", lambda conn: max(conn.entries, default=0))
    monkeypatch.setattr(call_log, "written_after", written_after)
    return LogDouble()


def a_tail(log: LogDouble, told: list[str], time: Time) -> Tail:
    return Tail(cast("Database", log), told.append, grace_s=5.0, poll_s=0.001, clock=time)


async def test_entries_are_told_in_order_as_they_come(log: LogDouble) -> None:
    told: list[str] = []
    tail = a_tail(log, told, Time())
    await tail.begin()
    log.entries |= {1: "u-1", 2: "u-2"}

    assert await tail.look() == 2
    assert await tail.look() == 0
    assert (told, tail.settled) == (["u-1", "u-2"], 2)


async def test_nothing_is_passed_that_may_still_come_before_it(log: LogDouble) -> None:
    told: list[str] = []
    time = Time()
    tail = a_tail(log, told, time)
    log.entries[1] = "u-1"
    await tail.begin()
    log.entries[3] = "u-3"  # committed before 2
    await tail.look()
    assert tail.settled == 1

    time.now = 4.9
    log.entries[2] = "u-2"
    await tail.look()

    assert (told, tail.settled) == (["u-1", "u-2", "u-3"], 3)


async def test_what_never_comes_is_passed_in_time(log: LogDouble) -> None:
    told: list[str] = []
    time = Time()
    tail = a_tail(log, told, time)
    await tail.begin()
    log.entries |= {2: "u-2", 3: "u-3", 6: "u-6"}
    await tail.look()
    assert tail.settled == 0

    time.now = 5.0
    await tail.look()  # 1 was never written; 4 is missing only from now on
    assert tail.settled == 3
    time.now = 10.0
    await tail.look()

    assert (told, tail.settled) == (["u-2", "u-3", "u-6"], 6)


async def test_a_long_log_is_begun_near_its_end(log: LogDouble) -> None:
    told: list[str] = []
    log.entries = {n: f"u-{n}" for n in range(1, 5001)}
    tail = a_tail(log, told, Time())

    await tail.begin()

    assert tail.settled == 5000
    assert len(told) < 1000


async def test_a_database_that_was_away_is_followed_again(log: LogDouble) -> None:
    told: list[str] = []
    tail = a_tail(log, told, Time())
    await tail.begin()
    task = asyncio.create_task(tail.run())
    try:
        log.away = True
        await asyncio.sleep(0.02)
        log.entries[1] = "u-1"
        log.away = False
        async with asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
    assert tail.settled == 1
