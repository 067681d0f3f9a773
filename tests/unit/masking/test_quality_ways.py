"""Each direction of a leg over its time: from counts seen late, placed where they belong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.quality import Codec
from masking.quality_course import Course, Way
from masking.quality_ways import SILENT, Ways, ways_of
from masking.quality_window import Sample

BEGAN_MS = 1_793_534_400_000
BAD = 26  # below MOS 3.6


@dataclass
class Line:
    """A leg of 50 packets a second each way, and the reports of both its ends."""

    ours_at: float = 0.0  # the first report of ours, and then every 5 s
    theirs_at: float | None = 1.0
    loses_in: tuple[float, float] = (0.0, 0.0)  # a fifth of what is sent to us, from and until
    loses_out: tuple[float, float] = (0.0, 0.0)
    silent: tuple[float, float] = (0.0, 0.0)  # it sends nothing
    samples: list[Sample] = field(default_factory=list)

    def run(self, until_s: float, every_s: float) -> Ways:
        """Sampled every so often, and every second while it is bad."""
        due = every_s
        ways, received, lost, gone = SILENT, 0, 0, 0
        told = far = 0
        rtt = 0.0
        for tick in range(round(until_s * 50)):
            at_s = tick / 50
            within = self.loses_in[0] <= at_s < self.loses_in[1] and tick % 5 == 0
            if not self.silent[0] <= at_s < self.silent[1]:
                received, lost = received + (not within), lost + within
            gone += self.loses_out[0] <= at_s < self.loses_out[1] and tick % 5 == 0
            if at_s >= self.ours_at and round((at_s - self.ours_at) * 50) % 250 == 0:
                told = lost
            if (
                self.theirs_at is not None
                and at_s >= self.theirs_at
                and round((at_s - self.theirs_at) * 50) % 250 == 0
            ):
                far, rtt = gone, 20 + at_s / 1000
            if at_s >= due:
                sample = Sample(
                    *(at_s, received, told, tick + 1, far),
                    rtt_ms=rtt,
                    codec=Codec.ALAW,
                    reported=rtt > 0,
                )
                ways = ways_of(ways, sample, BEGAN_MS + round(at_s * 1000))
                due = at_s + (min(1.0, every_s) if ways.falling else every_s)
        return ways


def bad(course: Course | None) -> tuple[float, float] | None:
    """From when until when it was bad, in seconds."""
    assert course is not None
    places = [n for n, one in enumerate(course.points) if one is not None and one < BAD]
    if not places:
        return None
    begin = (course.began_ms - BEGAN_MS) / 1000
    return begin + places[0] * course.every_ms / 1000, begin + (
        places[-1] + 1
    ) * course.every_ms / 1000


@pytest.mark.parametrize("every_s", [2.0, 5.0])
@given(ours_at=st.integers(0, 249), since=st.integers(15, 25), lasts=st.integers(10, 30))
def test_a_fall_of_what_comes_is_placed_within_a_reports_time_and_a_second(
    every_s: float, ours_at: int, since: int, lasts: int
) -> None:
    ways = Line(ours_at=ours_at / 50, loses_in=(since, since + lasts)).run(80, every_s)
    found = bad(ways.came)
    assert found is not None
    assert abs(found[0] - since) <= 6.02  # a second is as fine as a course is
    assert abs(found[1] - since - lasts) <= 7.02
    assert bad(ways.went) is None


@pytest.mark.parametrize("every_s", [2.0, 5.0])
@given(theirs_at=st.integers(1, 249), since=st.integers(15, 25), lasts=st.integers(10, 30))
def test_a_fall_of_what_goes_is_placed_by_the_far_ends_reports(
    every_s: float, theirs_at: int, since: int, lasts: int
) -> None:
    ways = Line(theirs_at=theirs_at / 50, loses_out=(since, since + lasts)).run(80, every_s)
    found = bad(ways.went)
    assert found is not None
    assert abs(found[0] - since) <= 6.02  # a second is as fine as a course is
    assert abs(found[1] - since - lasts) <= 7.02
    assert bad(ways.came) is None


@given(ours_at=st.integers(0, 249), every_s=st.sampled_from([2.0, 5.0]))
def test_how_bad_it_was_does_not_depend_on_when_it_is_looked_at(
    ours_at: int, every_s: float
) -> None:
    """A fifth is lost: MOS 2.6 over this way, whatever the report and the look at it are apart."""
    ways = Line(ours_at=ours_at / 50, loses_in=(15, 45)).run(80, every_s)
    assert ways.came is not None
    within = [one for one in ways.came.points if one is not None and one < BAD]
    assert min(within) == pytest.approx(16, abs=4)


def test_a_far_end_that_never_reports_is_not_taken_for_a_good_one() -> None:
    ways = Line(theirs_at=None, loses_in=(15, 25)).run(60, 5.0)
    assert ways.went is None
    assert ways.came is not None
    assert ways.came.way is Way.FROM
    assert bad(ways.came) is not None


def test_a_far_end_that_falls_silent_is_a_gap_in_what_it_heard() -> None:
    line = Line()
    ways = line.run(20, 5.0)
    assert ways.went is not None
    known = len(ways.went.points)
    last = ways.last
    assert last is not None
    for n in range(1, 9):
        at_ms = last.at_ms + 5000 * n
        sample = Sample(
            *(last.sample.at_s + 5 * n, last.sample.received + 250 * n, 0),
            *(last.sample.sent + 250 * n, 0),
            rtt_ms=last.sample.rtt_ms,
            codec=Codec.ALAW,
        )
        ways = ways_of(ways, sample, at_ms)
    assert ways.went is not None
    assert len(ways.went.points) == known
    assert ways.came is not None
    assert len(ways.came.points) > known


def test_a_line_that_falls_silent_is_heard_by_nobody() -> None:
    found = bad(Line(silent=(20, 41)).run(60, 5.0).came)
    assert found == (20, 40)


def test_counts_that_begin_anew_keep_what_was_scored() -> None:
    ways = Line().run(30, 5.0)
    assert ways.came is not None
    again = ways_of(ways, Sample(31.0, 5, 0, 5, 0, codec=Codec.ALAW), BEGAN_MS + 31_000)
    assert again.came == ways.came
    more = ways_of(again, Sample(36.0, 255, 0, 255, 0, codec=Codec.ALAW), BEGAN_MS + 36_000)
    assert more.came is not None
    assert len(more.came.points) > len(ways.came.points)
