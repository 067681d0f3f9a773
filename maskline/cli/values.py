"""Values as they are given on the command line: durations, shares, crowds, moments.

Imported by the parser, so it imports nothing that takes time.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime, timedelta

from masking.planning import Crowd

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(text: str) -> timedelta:
    """A duration such as ``90s``, ``30m``, ``3h`` or ``7d``. Raises ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: give 90s, 30m, 3h or 7d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def day(text: str) -> str:
    """A day such as ``2026-11-22``. Raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: give 2026-11-22") from None


def crowd(text: str) -> Crowd:
    """So many people with so many sessions a day each: ``500:40``. Raises ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,9}):(\d{1,6}(\.\d{1,6})?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not PEOPLE:SESSIONS_A_DAY, e.g. 500:40")
    return Crowd(int(found[1]), float(found[2]))


def share(text: str) -> float:
    """A share from 0 to 1, less than 1. Raises ArgumentTypeError."""
    found = re.fullmatch(r"0?\.\d{1,9}|0|1e-\d", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: give a number such as 0.01")
    return float(text)


def moment(text: str) -> datetime:
    """A time with its offset, such as ``2026-11-22T10:00:00Z``. Raises ArgumentTypeError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time with its offset: give e.g. 2026-11-22T10:00:00Z"
        )
    return found.astimezone(UTC)
