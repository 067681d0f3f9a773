"""How a leg sounded over its time: few points whatever its length, and no fall is lost."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.quality_course import MOST, Course, Way, cover, read

BEGAN = 1_793_534_400_000
EVERY_MS = 2000


def add(course: Course | None, at_ms: int, mos: float) -> Course:
    """A score of a moment."""
    return cover(course, at_ms, at_ms, mos, every_ms=EVERY_MS)


def course_of(steps_ms: list[int], scores: list[float]) -> Course:
    """Scores, each so long after the one before."""
    made: Course | None = None
    for after_ms, score in zip(accumulate(steps_ms), scores, strict=True):
        made = add(made, BEGAN + after_ms, score)
    assert made is not None
    return made


def test_each_stretch_has_its_worst_score_and_what_was_not_measured_is_a_gap() -> None:
    made = course_of([0, 500, 1500, 4000], [4.2, 3.9, 4.4, 2.0])

    assert made.points == (29, 34, None, 10)
    assert made.scores == (3.9, 4.4, None, 2.0)


def test_a_long_leg_has_no_more_points_and_keeps_its_falls() -> None:
    scores = [4.4] * 3600
    scores[1700] = 1.3
    made = course_of([2000] * 3600, scores)

    assert len(made.points) <= MOST
    assert made.points.count(3) == 1
    place = made.points.index(3)
    assert place * made.every_ms <= 1700 * 2000 < (place + 1) * made.every_ms


def test_two_hours_with_two_falls_are_told_to_the_five_seconds() -> None:
    """What a supervisor asks of a long call is when it was bad."""
    made: Course | None = None
    for place in range(2 * 720):
        score = 2.1 if place in (17, 18, 1300) else 4.4 if place % 3 else 4.3
        since_ms = BEGAN + place * 5000
        made = cover(made, since_ms, since_ms + 5000, score, way=Way.TO, every_ms=5000)
    assert made is not None
    assert [place for place, one in enumerate(made.points) if one == 11] == [17, 18, 1300]
    assert made.every_ms == 5000
    assert made.text().startswith(f"to.{BEGAN}.5000.x.17_b.2_x.1281_b_x.")
    assert len(made.text()) < 150
    assert read(made.text()) == made


def test_a_score_stands_for_the_whole_of_its_stretch() -> None:
    made = cover(None, BEGAN, BEGAN + 4000, 4.4, way=Way.FROM, every_ms=EVERY_MS)
    made = cover(made, BEGAN + 4000, BEGAN + 10_000, 2.0)
    made = cover(made, BEGAN + 9000, BEGAN + 12_000, 3.0)

    assert made.points == (34, 34, 10, 10, 10, 20)
    assert made.way is Way.FROM


def test_a_clock_that_was_set_back_spoils_nothing() -> None:
    made = add(add(None, BEGAN, 4.0), BEGAN - 60_000, 3.0)

    assert made.points == (20,)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 4_000_000), st.floats(1.0, 4.5)), min_size=1, max_size=80
    )
)
def test_what_is_written_is_read_again_and_is_bounded(steps: list[tuple[int, float]]) -> None:
    made = course_of([ms for ms, _ in steps], [mos for _, mos in steps])

    assert read(made.text()) == made
    assert len(made.text()) <= 310
    assert set(made.text()) <= set("0123456789abcdefghijklmnopqrstuvwxyz.-_")
    worst = min(round((mos - 1) * 10) for _, mos in steps)
    assert min(one for one in made.points if one is not None) == worst
    assert made.every_ms % EVERY_MS == 0


@pytest.mark.parametrize(
    "text",
    [
        *("", "1793534400000.2000.", "1793534400000.1.zz", "x.2000.zz", "1793534400000.2000.Z"),
        "1793534400000.2000." + "z" * 61,
        "up.1793534400000.2000.zz",
        "1793534400000.2000.z.0_y",
        "1793534400000.2000.z.2_",
        "1793534400000.2000.zz_y",
        "1793534400000.2000.z.9999",
        "1793534400000.2000." + "z_y_" * 20 + "z",
    ],
)
def test_what_is_no_course_is_none(text: str) -> None:
    assert read(text) is None
