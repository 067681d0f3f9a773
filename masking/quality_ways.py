"""How each direction of a leg sounded over its time, from samples of its running totals. Pure.

What comes from the far end is counted by ourselves; what of it is lost is known once in a report
of ours (RTCP, every 5 s), and scored when a sample shows one. What arrives at the far end is known
by its reports alone, and scored from one to the next; where none comes, nothing is said. Nothing is
taken off for what came to us lost already: the far end hears that as well. Knows no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from masking.quality import Measured, mos_of, rating
from masking.quality_course import WELL, Course, Way, cover
from masking.quality_window import Sample, follows

__all__ = ["REPORT_S", "SILENT", "Ways", "ways_of"]

REPORT_S: Final = 5.0  # from one report of ours to the next
_LATE_S: Final = 1.0
_LONGEST_S: Final = 20.0  # of a stretch: beyond it nobody knows what was


@dataclass(frozen=True, slots=True)
class Mark:
    """A sample, and when it was taken."""

    sample: Sample
    at_ms: int  # since 1970


@dataclass(frozen=True, slots=True)
class Ways:
    """Both directions of a leg until now."""

    came: Course | None = None
    went: Course | None = None  # None: the far end reports nothing
    last: Mark | None = None
    counted: Mark | None = None  # up to here it is said what came
    lost_at_s: float | None = None  # when a report of ours last told of a loss
    reported: Mark | None = None  # when the far end's newest report was first seen

    @property
    def falling(self) -> bool:
        """Whether it was bad just now: who looks more often sees when that ends."""
        newest = None if self.went is None else self.went.points[-1]
        return self.lost_at_s is not None or (newest is not None and newest < WELL)


SILENT: Final = Ways()


def ways_of(ways: Ways, sample: Sample, at_ms: int) -> Ways:
    """`ways` with `sample` in it, taken at `at_ms`.

    A sample no later than the last one, or with smaller counts, begins what is counted anew.
    """
    now = Mark(sample, at_ms)
    last, counted = ways.last, ways.counted
    if last is None or counted is None or not follows(last.sample, sample):
        reported = now if sample.reported else None
        return Ways(ways.came, ways.went, now, now, reported=reported)
    ways = _went(_came(ways, counted, last, now), last, now)
    return replace(ways, last=now)


def _came(ways: Ways, before: Mark, last: Mark, now: Mark) -> Ways:
    lost = now.sample.lost - before.sample.lost
    waited_s = 0.0 if ways.lost_at_s is None else now.sample.at_s - ways.lost_at_s
    if lost <= 0 and ways.lost_at_s is not None and waited_s < REPORT_S + _LATE_S:
        return ways  # the report that tells of this stretch is still to come
    end = _told_of(before, last, now) if lost > 0 else now
    took_s = end.sample.at_s - before.sample.at_s
    received = end.sample.received - before.sample.received
    # The report is of five seconds, whatever part of them lies between the two samples.
    expected = max(0, lost) + received * max(1.0, REPORT_S / took_s)
    loss = max(0, lost) / expected if received > 0 else 1.0
    return replace(
        ways,
        came=_on(ways.came, Way.FROM, before, end, loss, now.sample.jitter_ms),
        counted=Mark(replace(end.sample, lost=now.sample.lost), end.at_ms),
        lost_at_s=now.sample.at_s if lost > 0 else None,
    )


def _went(ways: Ways, last: Mark, now: Mark) -> Ways:
    before = ways.reported
    if not now.sample.reported or (before and _report(before.sample) == _report(now.sample)):
        return ways
    if before is None:
        return replace(ways, reported=now)
    end = _told_of(before, last, now)
    sent = end.sample.sent - before.sample.sent
    lost = max(0, now.sample.far_lost - before.sample.far_lost)
    loss = min(1.0, lost / sent) if sent else 0.0
    told = replace(now.sample, at_s=end.sample.at_s, sent=end.sample.sent)
    return replace(
        ways,
        went=_on(ways.went, Way.TO, before, end, loss, now.sample.far_jitter_ms),
        reported=Mark(told, end.at_ms),
    )


def _told_of(before: Mark, last: Mark, now: Mark) -> Mark:
    """Until when a report is that was first seen `now`, and is of what was since `before`.

    Where as much time as one tells of had passed at the last sample, it came right after that.
    """
    overdue = last.sample.at_s - before.sample.at_s >= REPORT_S - _LATE_S
    return last if overdue else now


def _report(sample: Sample) -> tuple[int, float, float]:
    """By what a report of the far end is told from the next: hardly two have one round trip."""
    return sample.far_lost, sample.far_jitter_ms, sample.rtt_ms


def _on(
    course: Course | None,
    way: Way,
    before: Mark,
    now: Mark,
    loss: float,
    jitter_ms: float,
) -> Course | None:
    if now.sample.at_s - before.sample.at_s > _LONGEST_S:
        return course
    sample = now.sample
    measured = Measured(max(0.0, sample.rtt_ms), max(0.0, jitter_ms), loss, sample.codec)
    mos = mos_of(rating(measured))
    return cover(course, before.at_ms, now.at_ms, mos, way=way)
