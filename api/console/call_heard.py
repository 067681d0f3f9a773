"""What each side of a call heard over its time, in words and as pictures. Pure.

A side hears what came from the other to us and went from us to it: either may be at fault. The way
to it is known by its own reports alone, and those tell of what was lost before as well: what both
ways lack at the same time is the first one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from api.console.call_draw import path_of
from api.console.call_timeline import Timeline, who_key
from api.console.call_words import At, Said, Word
from cdr.model import CallRecord, Stream
from masking.outcome import EndedBy
from masking.quality_course import WELL, Course, Way
from storage.columns import to_ms

__all__ = ["Listener", "Stretch", "listeners"]

MOST_SAID: Final = 5  # of a side; of more their number is told
_APART_MS: Final = 10_000  # a report of one way and of the other are of the same time within this
_LOST: Final = 0.002  # of a way: below it, it was not gaps that were heard


@dataclass(frozen=True, slots=True)
class Stretch:
    """When it sounded bad, in milliseconds after the call was offered."""

    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Listener:
    """A side, and what it heard."""

    side: EndedBy
    came: tuple[str, ...]  # how the other side came to us: paths, a leg each
    went: tuple[str, ...]  # how that went on to this side
    said: tuple[Said, ...]


def listeners(record: CallRecord, line: Timeline) -> tuple[Listener, ...]:
    """The sides of whose sound anything was measured each way; the caller first."""
    found = []
    for side, other in ((EndedBy.CALLER, EndedBy.CALLEE), (EndedBy.CALLEE, EndedBy.CALLER)):
        came, went = _courses(record, other, Way.FROM), _courses(record, side, Way.TO)
        if came or went:
            found.append(
                Listener(
                    side,
                    tuple(path_of(course, record, line.total_ms) for course in came),
                    tuple(path_of(course, record, line.total_ms) for course in went),
                    tuple(_said(record, side, other, came, went)),
                )
            )
    return tuple(found)


def _courses(record: CallRecord, side: EndedBy, way: Way) -> tuple[Course, ...]:
    return tuple(
        course
        for one in record.quality
        for course in one.courses
        if one.side is side and course.way is way
    )


def _said(
    record: CallRecord,
    side: EndedBy,
    other: EndedBy,
    came: tuple[Course, ...],
    went: tuple[Course, ...],
) -> Iterator[Said]:
    who = Word(who_key(record, side))
    first = [one for course in came for one in _bad(course, record)]
    second = [
        one
        for course in went
        for one in _bad(course, record)
        if not any(_meet(one, earlier) for earlier in first)
    ]
    from_key = "from_gaps" if _loses(record, other, sent=False) else "from_badly"
    to_key = "to_gaps" if _loses(record, side, sent=True) else "to_badly"
    told = [(one, from_key) for one in first] + [(one, to_key) for one in second]
    told.sort(key=lambda pair: pair[0].since_ms)
    for one, key in told[:MOST_SAID]:
        since, until = At(one.since_ms), At(one.until_ms)
        yield Said(f"call.heard_by.{key}", {"who": who, "since": since, "until": until})
    if len(told) > MOST_SAID:
        yield Said("call.heard_by.more", {"who": who, "n": len(told) - MOST_SAID})
    if not told:
        yield Said("call.heard_by.well" if went else "call.heard_by.well_to_us", {"who": who})
    if not went:
        yield Said("call.heard_by.unknown", {"who": who})


def _bad(course: Course, record: CallRecord) -> Iterator[Stretch]:
    place = 0
    for bad, points in groupby(course.points, lambda one: one is not None and one < WELL):
        began, place = place, place + sum(1 for _ in points)
        if bad:
            offset_ms = course.began_ms - to_ms(record.offered_at)
            since, until = (offset_ms + at * course.every_ms for at in (began, place))
            yield Stretch(max(0, since), max(0, until))


def _meet(one: Stretch, other: Stretch) -> bool:
    return one.since_ms < other.until_ms + _APART_MS and other.since_ms < one.until_ms + _APART_MS


def _loses(record: CallRecord, side: EndedBy, *, sent: bool) -> bool:
    streams = [leg.sent if sent else leg.received for leg in record.legs if leg.side is side]
    return any(_share(stream) > _LOST for stream in streams)


def _share(stream: Stream) -> float:
    packets, lost = stream.packets or 0, stream.lost or 0
    return lost / (packets + lost) if lost > 0 else 0.0
