"""Times of the event file: integers of microseconds inside, aware UTC datetimes outside.

Datetimes made here are whole milliseconds, as the database keeps them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_STAMP = re.compile(r"([0-9]{9,11})\.([0-9]{6})")


def moment(us: int) -> datetime:
    """The time in UTC that is `us` microseconds after 1970, rounded down to the millisecond."""
    return _EPOCH + (us // 1000) * _MILLISECOND


def micros(at: datetime) -> int:
    """Microseconds from 1970 UTC to `at`."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def microseconds(stamp: str | None) -> int | None:
    """Microseconds since 1970 of a time as the file spells it, "1700000000.123456"; else None."""
    found = _STAMP.fullmatch(stamp or "")
    return int(found[1]) * 1_000_000 + int(found[2]) if found else None
