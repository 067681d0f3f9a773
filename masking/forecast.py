"""When a pool will be empty for one participant, if they go on as they did.

What they hold now is known to end at known times, cool-down included; what they will take is known
only as a rate, and how long they will hold that only as a sample. So the expected count at a time t
from now is

    held(t) = places held now that are not free by t
            + rate x the mean, over the sample, of min(hold, t)

The second term is what Little's law tends to: it levels off at rate x mean hold, and a participant
whose level stays below the pool's size never empties it, however fast they are. A straight line
through the past would miss both that and every coming end.

Reckoned in whole milliseconds and integers throughout, so the answer is exact for its premises.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

WINDOW: Final = timedelta(days=7)  # of the past that stands for the future: a whole week
SHORTEST_WINDOW: Final = timedelta(days=1)  # a busy first hour is no rate yet
_MS: Final = timedelta(milliseconds=1)
_WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast somebody takes numbers, and how long each stays theirs."""

    taken: int  # within `window`
    window: timedelta
    holds: tuple[timedelta, ...]  # from taken to free again, cool-down included; any sample

    @property
    def a_day(self) -> float:
        """Numbers taken in a day."""
        return self.taken * (timedelta(days=1) / self.window)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected."""

    at: datetime | None  # the pool is empty for them from then on; None: never
    level: float  # what they hold in the long run; above the pool's size if it will be empty


def pace(leases: Iterable[tuple[datetime, datetime]], now: datetime) -> Pace:
    """The pace of a participant, from when each lease was taken and when its place is free.

    `leases` may go back further than `WINDOW`; where they do not, their first one is the beginning.
    """
    every = [one for one in leases if one[0] <= now]
    recent = [(taken, free) for taken, free in every if now - WINDOW <= taken]
    age = now - min((taken for taken, _ in every), default=now)
    window = min(max(age, SHORTEST_WINDOW), WINDOW)
    return Pace(len(recent), window, tuple(sorted(free - taken for taken, free in recent)))


def forecast(size: int, free_at: Sequence[datetime], pace: Pace, now: datetime) -> Forecast:
    """When somebody will hold all `size` numbers who goes on at `pace`.

    `free_at`: for each place that they hold now, when it is free again.
    """
    ends = sorted(max(0, (at - now) // _MS) for at in free_at)
    holds = sorted(max(0, hold // _MS) for hold in pace.holds)
    window = pace.window // _MS
    level = pace.taken * sum(holds) / (len(holds) * window) if holds else 0.0
    at = _first_full(size, ends, holds, pace.taken, window)
    return Forecast(None if at is None else now + at * _MS, level)


def sentence(pool: str, user_id: str, size: int, found: Forecast, now: datetime) -> str:
    """The forecast in words, in UTC."""
    if found.at is None:
        if found.level == 0:
            return f"{user_id} takes no new numbers of pool {pool}: it is never empty for them"
        return (
            f"at this rate pool {pool} is never empty for {user_id}: "
            f"they level off at about {found.level:.0f} of {size} numbers"
        )
    if found.at <= now:
        return f"pool {pool} is empty for {user_id} now"
    return f"at this rate pool {pool} is empty for {user_id} {_day(found.at, now)}"


def _first_full(
    size: int, ends: Sequence[int], holds: Sequence[int], taken: int, window: int
) -> int | None:
    """The first millisecond from now at which held(t) >= size, all sides times `len(holds)*window`.

    Between two of the times at which something ends, held(t) is a straight line that never falls.
    """
    unit = max(len(holds), 1) * window
    ended = [0, *accumulate(holds)]
    marks = sorted({0, *ends, *holds})
    for start, stop in pairwise((*marks, None)):
        assert start is not None
        still = len(ends) - bisect_right(ends, start)
        shorter = bisect_right(holds, start)
        longer = len(holds) - shorter
        missing = (size - still) * unit - taken * (ended[shorter] + longer * start)
        if missing <= 0:
            return start
        slope = taken * longer
        if slope:
            at = start - (-missing // slope)
            if stop is None or at < stop:
                return at
    return None


def _day(at: datetime, now: datetime) -> str:
    clock = f"about {at:%H:%M} UTC"
    days = (at.date() - now.date()).days
    if days == 0:
        return f"today, {clock}"
    if days == 1:
        return f"tomorrow, {clock}"
    named = f"on {_WEEKDAYS[at.weekday()]}"
    if days < 7:
        return f"{named}, {clock}"
    year = "" if at.year == now.year else f" {at.year}"
    return f"{named}, {at.day} {_MONTHS[at.month - 1]}{year}"
