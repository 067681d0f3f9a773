"""How a leg sounded over its time: one score for each stretch, in as few letters as can be. Pure.

A call of any length has at most `MOST` points, and of more than `PLAIN` at most `MOST_RUNS` runs of
equal ones. Beyond that, what sounded well becomes one level for as long as it lasts, and then two
points become one: always the worse is kept, for a short fall is what is looked for. Its text goes
through the event file, so it is of digits, small letters, dots, dashes and underscores alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, repeat
from typing import Final

__all__ = [
    "LEAST_EVERY_MS",
    "MOST",
    "MOST_RUNS",
    "PLAIN",
    "WELL",
    "Course",
    "Way",
    "cover",
    "read",
]

MOST: Final = 1800  # half an hour of seconds
PLAIN: Final = 60
MOST_RUNS: Final = 40  # two texts of a leg stand in one line for Asterisk, of 1 kB
LEAST_EVERY_MS: Final = 1000
WELL: Final = 26  # tenths above MOS 1.0: from here on nobody complains (G.109: "satisfied")
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_GAP: Final = "-"
_TEXT: Final = re.compile(
    r"(?:(from|to)\.)?([0-9]{13})\.([0-9]{4,8})\.([0-9a-z-][0-9a-z._-]{0,299})"
)
_RUN: Final = re.compile(r"([0-9a-z-])(?:\.([1-9][0-9]{0,3}))?")

Point = int | None


class Way(StrEnum):
    """Which direction of a side's leg a course is of."""

    FROM = "from"  # what came from that side
    TO = "to"  # what went to that side, as its far end reports it


@dataclass(frozen=True, slots=True)
class Course:
    """Scores over time."""

    began_ms: int  # since 1970
    every_ms: int  # so long is what each point stands for
    points: tuple[Point, ...]  # tenths above MOS 1.0, 0 to 35; None: nothing was measured
    way: Way | None = None  # None: the worse of both, as of records that do not part them

    @property
    def scores(self) -> tuple[float | None, ...]:
        """As mean opinion scores, 1.0 to 4.5."""
        return tuple(None if one is None else 1 + one / 10 for one in self.points)

    def text(self) -> str:
        """To be read by `read`."""
        way = "" if self.way is None else f"{self.way}."
        return f"{way}{self.began_ms}.{self.every_ms}.{_written(self.points)}"


def cover(
    course: Course | None,
    since_ms: int,
    until_ms: int,
    mos: float,
    *,
    way: Way | None = None,
    every_ms: int = LEAST_EVERY_MS,
) -> Course:
    """`course` with a score that stands for all from `since_ms` to `until_ms`.

    `way` and `every_ms`: of a course that begins, where there is none. What comes from before its
    begin is taken for its begin: clocks are set back.
    """
    score = min(len(_LETTERS) - 1, max(0, round((mos - 1) * 10)))
    if course is None:
        course = Course(since_ms, every_ms, (), way)
    since_ms = max(since_ms, course.began_ms)
    # What ends where a point begins does not reach into it.
    until_ms = max(since_ms, until_ms - 1)
    while (until_ms - course.began_ms) // course.every_ms >= MOST:
        course = _halved(course)
    first = (since_ms - course.began_ms) // course.every_ms
    last = (until_ms - course.began_ms) // course.every_ms
    points = list(course.points)
    points += repeat(None, last + 1 - len(points))
    points[first : last + 1] = [_worse(one, score) for one in points[first : last + 1]]
    return _bounded(replace(course, points=tuple(points)))


def read(text: str) -> Course | None:
    """The course that `Course.text` wrote; None for what is none."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found[3]) < LEAST_EVERY_MS:
        return None
    points = _read_points(found[4])
    if points is None:
        return None
    way = None if found[1] is None else Way(found[1])
    return Course(int(found[2]), int(found[3]), points, way)


def _written(points: Iterable[Point]) -> str:
    """Plain letters if they are few, else each with how often it comes in a row."""
    letters = "".join(_GAP if one is None else _LETTERS[one] for one in points)
    if len(letters) <= PLAIN:
        return letters
    runs = ((letter, sum(1 for _ in same)) for letter, same in groupby(letters))
    return "_".join(letter if n == 1 else f"{letter}.{n}" for letter, n in runs)


def _read_points(text: str) -> tuple[Point, ...] | None:
    if "_" not in text and "." not in text:
        return tuple(_point(letter) for letter in text) if len(text) <= PLAIN else None
    runs = [_RUN.fullmatch(run) for run in text.split("_")]
    if len(runs) > MOST_RUNS:
        return None
    points: list[Point] = []
    for run in runs:
        if run is None:
            return None
        points += repeat(_point(run[1]), int(run[2] or 1))
    return tuple(points) if len(points) <= MOST else None


def _point(letter: str) -> Point:
    return None if letter == _GAP else _LETTERS.index(letter)


def _bounded(course: Course) -> Course:
    """The course with few enough runs."""
    if _fits(course.points):
        return course
    course = replace(course, points=tuple(_levelled(course.points)))
    while not _fits(course.points):
        course = _halved(course)
    return course


def _fits(points: tuple[Point, ...]) -> bool:
    return len(points) <= PLAIN or sum(1 for _ in groupby(points)) <= MOST_RUNS


def _levelled(points: Iterable[Point]) -> Iterator[Point]:
    """Each stretch that sounded well at the worst it had."""
    for well, stretch in groupby(points, lambda one: one is not None and one >= WELL):
        if well:
            level = [one for one in stretch if one is not None]
            yield from repeat(min(level), len(level))
        else:
            yield from stretch


def _halved(course: Course) -> Course:
    points = (*course.points, None)[: len(course.points) + len(course.points) % 2]
    pairs = zip(points[::2], points[1::2], strict=True)
    return replace(
        course, every_ms=course.every_ms * 2, points=tuple(_worse(*pair) for pair in pairs)
    )


def _worse(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
