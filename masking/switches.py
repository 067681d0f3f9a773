"""What a user chose about in-app calls: whether they take them, and the hours they do not ring.

Pure: the clock and the time zone are passed in. Nothing here knows which devices are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from masking.errors import InvalidQuietHours

_DAY_MIN: Final = 24 * 60
_WEEK_MIN: Final = 7 * _DAY_MIN
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


class Account(StrEnum):
    """Whose account it is."""

    PRIVATE = "private"
    COMPANY = "company"


class Day(StrEnum):
    """Days of the week, in the order of ISO 8601."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_DAYS: Final = tuple(Day)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A time of some days, by the clock on the user's wall.

    From `from_min` to before `until_min`, minutes since midnight (0 to 1440). Where it ends no
    later than it begins, it ends on the next day.
    """

    from_min: int
    until_min: int
    days: tuple[Day, ...] = _DAYS  # those on which it begins

    @classmethod
    def of(cls, begins: str, until: str, days: Iterable[str] = _DAYS) -> QuietHours:
        """From ``22:00`` until ``08:00``; ``24:00`` is the end of the day. Raises ValueError."""
        return cls(_minutes(begins), _minutes(until), tuple(Day(day) for day in days))

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "days": [day.value for day in self.days],
            "from": _clock(self.from_min),
            "until": _clock(self.until_min),
        }

    @property
    def length_min(self) -> int:
        """How long it lasts; 0: not at all."""
        if self.until_min == self.from_min:
            return 0
        return (self.until_min - self.from_min) % _DAY_MIN or _DAY_MIN


@dataclass(frozen=True, slots=True)
class Switches:
    """A user's switches; the defaults are those of a user who chose nothing."""

    account: Account = Account.PRIVATE
    in_app_calls: bool | None = None  # None: as the account has it
    quiet_hours: tuple[QuietHours, ...] = ()
    timezone: str | None = None  # IANA; there wherever there are quiet hours


DEFAULT_SWITCHES: Final = Switches()
"""Of a user who chose nothing."""


def takes_app_calls(switches: Switches, *, listing_opted_in: bool) -> bool:
    """Whether the user takes calls in the app: a company only about listings it opted in."""
    if switches.in_app_calls is False:
        return False
    return switches.account is Account.PRIVATE or listing_opted_in


def is_quiet(hours: Sequence[QuietHours], zone: tzinfo, at: datetime) -> bool:
    """Whether `at` falls into the quiet hours of somebody who lives in `zone`."""
    if not hours:
        return False
    local = at.astimezone(zone)
    now = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
    return any((now - begin) % _WEEK_MIN < length for begin, length, _ in _spans(hours))


def check_quiet_hours(hours: Sequence[QuietHours]) -> None:
    """Raise InvalidQuietHours, its `field` naming the entry, for hours empty or said twice."""
    for index, one in enumerate(hours):
        if not one.days:
            raise InvalidQuietHours("name at least one day", field=f"quiet_hours[{index}].days")
        if len(set(one.days)) < len(one.days):
            raise InvalidQuietHours("name each day once", field=f"quiet_hours[{index}].days")
        if one.length_min == 0:
            raise InvalidQuietHours(
                "they end as they begin: for a whole day give 00:00 to 24:00",
                field=f"quiet_hours[{index}].until",
            )
    spans = sorted(_spans(hours))
    for (begin, length, _), (later, _, index) in zip(spans, [*spans[1:], *spans[:1]], strict=True):
        gap = (later - begin) % _WEEK_MIN
        if len(spans) > 1 and gap < length:
            raise InvalidQuietHours(
                "they overlap with others: give each time of the week once",
                field=f"quiet_hours[{index}]",
            )


def read_quiet_hours(plain: Iterable[Mapping[str, object]] | None) -> tuple[QuietHours, ...]:
    """The hours in what `QuietHours.plain` wrote. Raises ValueError, KeyError."""
    return tuple(
        QuietHours.of(str(one["from"]), str(one["until"]), _texts(one["days"]))
        for one in plain or ()
    )


def _spans(hours: Sequence[QuietHours]) -> list[tuple[int, int, int]]:
    """Minute of the week, length, and which of `hours` it is."""
    return [
        (_DAYS.index(day) * _DAY_MIN + one.from_min, one.length_min, index)
        for index, one in enumerate(hours)
        for day in one.days
    ]


def _minutes(clock: str) -> int:
    if not _CLOCK.fullmatch(clock):
        msg = "not a time of a day"
        raise ValueError(msg)
    return int(clock[:2]) * 60 + int(clock[3:])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []
