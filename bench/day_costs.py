"""What the rules of a pool cost in numbers: cool-down, and being sticky.

One large dealer is followed, for the busiest participant decides how many numbers a pool needs.
Some of their buyers come back when the earlier conversation and its cool-down are over.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bench.day_keepers import InMemory
from masking.errors import PoolExhausted, StickyUnavailable
from masking.lifecycle import SessionDraft
from masking.model import Participant, Phone, Pool, Role, Session
from masking.rules import NumberRules, PoolRules, Sticky
from maskline.chart import Group, bars

HOURS: Final = (  # what happens in each hour of the day, as a share of the busiest
    *(0.08, 0.05, 0.03, 0.03, 0.04, 0.08, 0.18, 0.35, 0.58, 0.80, 0.95, 1.00),
    *(0.97, 0.93, 0.92, 0.93, 0.95, 0.98, 1.00, 0.96, 0.80, 0.55, 0.33, 0.17),
)
COOL_DOWNS = (0, 1, 7, 30)  # days
A_DAY = 100  # sessions that the dealer begins, each for a day
RETURNING = 0.2  # of them are with somebody who was there before,
WITHIN = 10  # so many days after the earlier cool-down
_WATCHED = 30  # days that count, after all numbers have been used
_MORNING: Final = datetime(2026, 11, 2, tzinfo=UTC)
_DEALER: Final = Participant(Role.SELLER, "d-1", Phone("+79011000001"))


@dataclass(frozen=True, slots=True)
class Cost:
    """Numbers that the dealer needs with a cool-down of `days`."""

    days: int
    least: int  # refuse; prefer and avoid take no more
    preferred: int  # prefer: 9 of 10 who come back find their numbers again
    strict: int  # strict: 1 of 100 who come back is refused


@dataclass(frozen=True, slots=True)
class _Opening:
    at: datetime
    draft: SessionDraft
    returns: bool
    counts: bool


def costs() -> list[Cost]:
    """Measure and print them."""
    print(
        f"Numbers for a dealer with {A_DAY} sessions a day, each for a day; {RETURNING:.0%} of them"
        f" with somebody who comes back up to {WITHIN} days after the cool-down"
    )
    print(f"  {'cool-down':>10}{'refuse':>10}{'prefer, 90 % again':>22}{'strict, 1 % refused':>22}")
    found = []
    for days in COOL_DOWNS:
        least = _least(days)
        again, served = (
            _smallest(least, days, Sticky.PREFER, 0.90),
            _smallest(least, days, Sticky.STRICT, 0.99),
        )
        found.append(Cost(days, least, again, served))
        print(f"  {days:>5} days{least:>10,}{again:>22,}{served:>22,}", flush=True)
    return found


def chart(found: list[Cost]) -> str:
    """The figures as SVG."""
    return bars(
        f"What a cool-down and sticky numbers cost a dealer of {A_DAY} sessions a day",
        "numbers",
        ("refuse", "prefer, 90 % get theirs again", "strict, 1 % refused"),
        [
            Group(
                f"{one.days} days' cool-down" if one.days else "no cool-down",
                (one.least, one.preferred, one.strict),
            )
            for one in found
        ],
    )


def _least(days: int) -> int:
    """The numbers of a pool that grows whenever the dealer is refused."""
    keeper, size = _keeper(days, Sticky.PREFER, 0), 0
    for opening in _openings(days):
        while True:
            try:
                keeper.open(opening.draft, opening.at)
                break
            except PoolExhausted:
                keeper.grow(opening.at)
                size += 1
    return size


def _smallest(least: int, days: int, sticky: Sticky, share: float) -> int:
    """The least pool in which that share of those who come back get their numbers again."""
    low, high = least, least + 4 * WITHIN * A_DAY
    while high - low > max(5, low // 100):
        middle = (low + high) // 2
        if _again(middle, days, sticky) >= share:
            high = middle
        else:
            low = middle
    return high


def _again(size: int, days: int, sticky: Sticky) -> float:
    """Of those who come back, the share that get the numbers they had."""
    keeper = _keeper(days, sticky, size)
    had: dict[str, tuple[Phone, ...]] = {}
    returned = again = 0
    for opening in _openings(days):
        counted = opening.returns and opening.counts
        returned += counted
        buyer = opening.draft.conversation_id
        try:
            session = keeper.open(opening.draft, opening.at)
        except (PoolExhausted, StickyUnavailable):
            continue
        again += counted and _numbers(session) == had.get(buyer)
        had[buyer] = _numbers(session)
    return again / returned


def _numbers(session: Session) -> tuple[Phone, ...]:
    return tuple(lease.number.e164 for lease in session.leases)


def _keeper(days: int, sticky: Sticky, size: int) -> InMemory:
    rules = PoolRules(numbers=NumberRules(sticky=sticky))
    return InMemory(Pool("default", cool_down=timedelta(days=days), rules=rules), size)


def _openings(days: int) -> Iterator[_Opening]:
    """The dealer's sessions, the same ones every time."""
    rng = random.Random(days)
    kept = 1 + days  # days that a session holds its numbers
    last: dict[int, datetime] = {}  # buyer -> when they came last
    came: list[list[int]] = []  # who came on each day
    # So long that every number of the largest pool has been given, and given back.
    total = 2 * kept + 6 * WITHIN + _WATCHED
    for day in range(total):
        came.append([])
        earlier = [
            n for some in came[max(0, day - kept - WITHIN) : max(0, day - kept)] for n in some
        ]
        hours = sorted(rng.choices(range(24), weights=HOURS, k=A_DAY))
        moments = sorted(timedelta(days=day, hours=h, seconds=rng.randrange(3600)) for h in hours)
        for moment in moments:
            at = _MORNING + moment
            n = rng.choice(earlier) if earlier and rng.random() < RETURNING else len(last)
            if n in last and at - last[n] <= timedelta(days=kept):
                n = len(last)  # somebody who came in between is somebody else
            returns = n in last
            last[n] = at
            came[day].append(n)
            buyer = Participant(Role.BUYER, f"b-{n}", Phone(f"+7916{n:07}"))
            draft = SessionDraft(f"chat-{n}", (buyer, _DEALER), "default", timedelta(days=1))
            yield _Opening(at, draft, returns, day >= total - _WATCHED)
