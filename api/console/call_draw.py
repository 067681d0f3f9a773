"""Places and shapes for the pictures on a call's page. Pure: figures in, SVG attributes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.console.call_timeline import Bar, Timeline
from cdr.model import CallRecord
from masking.outcome import EndedBy
from masking.quality_course import Course
from storage.columns import to_ms

WAVE_HEIGHT = 100
TRACK_WIDTH, TRACK_HEIGHT = 1000, 80
_BEST, _WORST = 4.5, 1.0  # MOS


@dataclass(frozen=True, slots=True)
class Placed:
    """A bar: where it stands, in percent of the width."""

    bar: Bar
    x: str
    width: str
    share: float  # of the width, in percent


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of the timeline with what is on it."""

    name: str  # caller, callee, recording
    side: EndedBy | None  # None: recording
    bars: tuple[Placed, ...]
    marks: tuple[str, ...]  # handovers


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment of the scale."""

    ms: int
    x: str
    last: bool  # its label ends here and does not begin


def lanes(line: Timeline) -> tuple[Lane, ...]:
    """The lanes on which there is something."""
    return tuple(
        Lane(
            name,
            None if name == "recording" else EndedBy(name),
            tuple(_placed(bar, line.total_ms) for bar in line.bars if bar.lane == name),
            tuple(percent(m.at_ms, line.total_ms) for m in line.marks if m.lane == name),
        )
        for name in line.lanes
    )


def scale(line: Timeline) -> tuple[Tick, ...]:
    """The moments of the scale."""
    return tuple(
        Tick(ms, percent(ms, line.total_ms), last=ms > line.total_ms * 0.9) for ms in line.ticks_ms
    )


def percent(ms: float, total_ms: int) -> str:
    """A share of the width as SVG takes it."""
    share = 100 * ms / total_ms
    return f"{min(100.0, max(0.0, share)):.3f}%"


def _placed(bar: Bar, total_ms: int) -> Placed:
    start, width = bar.start_ms, bar.end_ms - bar.start_ms
    share = 100 * width / total_ms
    return Placed(bar, percent(start, total_ms), percent(width, total_ms), share)


def wave(values: Sequence[int], loudest: int) -> str:
    """The outline of a waveform around its middle; `loudest` reaches the rim. For `<path d>`."""
    middle = WAVE_HEIGHT / 2
    rim = max(1, loudest)
    half = [max(1.0, min(1.0, value / rim) * (middle - 2)) for value in values]
    return "M" + "L".join(_outline(half, middle)) + "Z"


def _outline(half: Sequence[float], middle: float) -> Iterator[str]:
    for x, height in enumerate(half):
        yield f"{x} {middle - height:.0f}"
    for x in range(len(half) - 1, -1, -1):
        yield f"{x} {middle + half[x]:.0f}"


@dataclass(frozen=True, slots=True)
class Track:
    """How a side sounded over the call, as the outline of steps. For `<path d>`."""

    side: EndedBy
    path: str


def tracks(record: CallRecord, line: Timeline) -> tuple[Track, ...]:
    """Of the sides whose sound was measured over time, its ways not apart: see `call_heard`."""
    return tuple(
        Track(one.side, path_of(course, record, line.total_ms))
        for one in record.quality
        for course in one.courses
        if course.way is None
    )


def path_of(course: Course, record: CallRecord, total_ms: int) -> str:
    """The outline of steps."""
    return "".join(_steps(course, record, total_ms))


def height_of(mos: float) -> float:
    """How far from the top a score stands."""
    return round((_BEST - mos) / (_BEST - _WORST) * TRACK_HEIGHT, 1)


def _steps(course: Course, record: CallRecord, total_ms: int) -> Iterator[str]:
    def across(place: int) -> int:
        ms = course.began_ms + place * course.every_ms - to_ms(record.offered_at)
        return round(min(max(0, ms), total_ms) / total_ms * TRACK_WIDTH)

    drawn = False
    for place, score in enumerate(course.scores):
        if score is not None:
            y = height_of(score)
            yield f"{'V' if drawn else f'M{across(place)} '}{y}H{across(place + 1)}"
        drawn = score is not None
