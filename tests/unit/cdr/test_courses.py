"""Courses of quality on their way from the event file to the record and its JSON."""

from __future__ import annotations

import json

from cdr.codec import quality_from, quality_json
from cdr.events import EventKind, EventRow
from cdr.model import Quality
from cdr.turns import sounded
from masking.outcome import EndedBy
from masking.quality_course import Course

SAID = "side=caller;mos_min=2.00;mos_avg=3.00;poor_ms=0;offered=0"
EARLY, LATE = "1700000001000.2000.zz-0", "1700000060000.4000.1"


def row(unique_id: str, extra: str) -> EventRow:
    return EventRow(1_700_000_099_000_000, EventKind.QUALITY, unique_id, "n-1.1", extra)


def test_every_leg_of_a_side_has_its_course_the_earlier_first() -> None:
    (caller,) = sounded((row("2", f"{SAID};course={LATE}"), row("1", f"{SAID};course={EARLY}")))

    assert caller.courses == (
        Course(1_700_000_001_000, 2000, (35, 35, None, 0)),
        Course(1_700_000_060_000, 4000, (1,)),
    )


def test_a_course_that_is_none_says_nothing_and_spoils_nothing() -> None:
    (caller,) = sounded((row("1", f"{SAID};course=<script>"),))

    assert caller.courses == ()
    assert caller.mos_min == 2.0


def test_what_is_kept_is_read_again() -> None:
    kept = (Quality(EndedBy.CALLER, 2.0, 3.0, 0, 0, (Course(1_700_000_001_000, 2000, (35,)),)),)

    assert quality_from(json.loads(json.dumps(quality_json(kept)))) == kept


def test_a_record_without_courses_is_kept_as_ever() -> None:
    """What was hashed once must hash the same for ever."""
    kept = quality_json((Quality(EndedBy.CALLER, 2.0, 3.0, 0, 0),))

    assert kept == [{"side": "caller", "mos_min": 2.0, "mos_avg": 3.0, "below_ms": 0, "offered": 0}]
