"""How values look: times in the reader's zone, durations, figures. Nothing here knows a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.console.texts import Texts

_NARROW: Final = "\u202f"  # between thousands, and before units
_DASH: Final = "–"


def zone(name: str) -> ZoneInfo:
    """The zone of this name, else UTC: a zone may leave IANA's database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(at: datetime, zone_name: str, texts: Texts, now: datetime) -> str:
    """``14:05:09`` today, ``21 Nov 14:05:09`` this year, else with the year."""
    here, today = at.astimezone(zone(zone_name)), now.astimezone(zone(zone_name))
    clock = f"{here:%H:%M:%S}"
    if here.date() == today.date():
        return clock
    month = texts(f"month.{here.month}")
    if here.year == today.year:
        return f"{here.day} {month} {clock}"
    return f"{here.day} {month} {here.year} {clock}"


def in_full(at: datetime, zone_name: str) -> str:
    """Date, time and offset, as for a ticket."""
    here = at.astimezone(zone(zone_name))
    offset = here.utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"{here:%Y-%m-%d %H:%M:%S} UTC{sign}{hours:02}:{rest:02}"


def duration(ms: int | None, language: str = "en", *, tenths: bool = True) -> str:
    """``0:07``, ``12:30``, ``1:02:03``; below ten seconds with `tenths`; a dash for none.

    Rounded, as `cdr.wording` rounds what people read of the same call in their app.
    """
    if ms is None:
        return _DASH
    if tenths and 50 <= ms < 9_950:
        return f"0:0{figure(ms / 1000, language, 1)}"
    s = (ms + 500) // 1000 if ms >= 50 else 0
    if s < 3600:
        return f"{s // 60}:{s % 60:02}"
    return f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}"


def figure(value: float | None, language: str, digits: int = 0) -> str:
    """A figure with the language's thousands and decimals; a dash for none."""
    if value is None:
        return _DASH
    text = f"{value:,.{digits}f}"
    if language == "ru":
        return text.replace(",", _NARROW).replace(".", ",")
    return text


def proxy(e164: str | None) -> str:
    """One of our own numbers in groups, ``+7 495 111-00-01``; never used for a person's."""
    if not e164:
        return _DASH
    if e164.startswith("+7") and len(e164) == 12:
        return f"+7 {e164[2:5]} {e164[5:8]}-{e164[8:10]}-{e164[10:]}"
    return e164
