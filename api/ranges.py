"""Ranges of bytes, as RFC 9110 (14) has them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from api.errors import RangeNotSatisfiable

_ONE: Final = re.compile(r"bytes=\s*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))\s*")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of something that is `whole` bytes long: from `start` until before `stop`."""

    start: int
    stop: int
    whole: int

    @property
    def content_range(self) -> str:
        """The header of the same name."""
        return f"bytes {self.start}-{self.stop - 1}/{self.whole}"


def part_of(header: str | None, if_range: str | None, etag: str, whole: int) -> Part | None:
    """The part that is asked for; None: all of it. Raises RangeNotSatisfiable.

    What cannot be understood, several ranges at once, and a range of something else (`If-Range`)
    are answered with all of it, as the standard allows.
    """
    if header is None or (if_range is not None and if_range != etag):
        return None
    found = _ONE.fullmatch(header)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, stop = max(0, whole - int(suffix)), whole
    else:
        start = int(first)
        stop = min(whole, int(last) + 1) if last else whole
        if last and int(last) < start:
            return None  # not a range at all
    if start >= stop:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{whole}"})
    return Part(start, stop, whole)
