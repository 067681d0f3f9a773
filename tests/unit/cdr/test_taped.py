"""What a record says of recording, from the rows alone."""

from __future__ import annotations

import pytest

from cdr.events import EventKind, EventRow
from cdr.model import Recording
from cdr.taped import taped
from masking.outcome import EndedBy
from masking.recording import NotRecorded
from masking.rules import RecordingMode
from tests.unit.cdr.scenario import START

START_US = int(START.timestamp()) * 1_000_000
END_US = START_US + 60_000_000
ASKED = {"record": "always"}


def row(kind: EventKind, at_ms: int, said: str = "", leg: str = "n-1.1") -> EventRow:
    return EventRow(START_US + at_ms * 1000, kind, leg, "n-1.1", said)


def heard(side: str, ms: int | str, went: str = "SUCCESS", at_ms: int = 3000) -> EventRow:
    return row(EventKind.ANNOUNCED, at_ms, f"side={side};ms={ms};went={went}")


def told(
    announced: list[EventRow],
    begun: tuple[EventRow, ...] = (),
    ended: tuple[EventRow, ...] = (),
    *,
    answered: bool = True,
    ended_by: EndedBy | None = EndedBy.CALLER,
    died: bool = False,
) -> Recording:
    found = taped(
        ASKED,
        announced,
        begun,
        ended,
        END_US,
        answered=answered,
        ended_by=ended_by,
        died=died,
    )
    assert found is not None
    return found


@pytest.mark.parametrize("plan", [{}, {"record": "never"}, {"record": "sometimes"}])
def test_what_was_not_asked_for_is_not_told(plan: dict[str, str]) -> None:
    rows = [row(EventKind.RECORDING, 3000)]
    found = taped(plan, [], rows, [], END_US, answered=True, ended_by=None, died=False)
    assert found is None


def test_a_whole_one_says_how_much_each_heard_and_how_long_it_is() -> None:
    found = told(
        [heard("caller", 1871), heard("callee", 1869)],
        (row(EventKind.RECORDING, 3001),),
        (row(EventKind.RECORDING_END, 63_001),),
    )
    assert found.asked is RecordingMode.ALWAYS
    assert (found.announced_caller_ms, found.announced_callee_ms) == (1871, 1869)
    assert (found.ms, found.reason, found.has_audio) == (60_000, None, True)


@pytest.mark.parametrize(
    ("rows", "how", "why"),
    [
        ([], {"answered": False}, NotRecorded.NOT_ANSWERED),
        ([], {"ended_by": EndedBy.CALLEE}, NotRecorded.CALLEE_LEFT),
        ([heard("caller", 900, "LEFT")], {}, NotRecorded.CALLER_LEFT),
        ([heard("caller", 0, "FAILED")], {}, NotRecorded.ANNOUNCEMENT_FAILED),
        ([heard("caller", 9, ""), heard("callee", 9)], {}, NotRecorded.ANNOUNCEMENT_FAILED),
        ([heard("caller", 1871)], {"died": True}, NotRecorded.NODE_DIED),
        ([heard("caller", 1871)], {"ended_by": EndedBy.SYSTEM}, NotRecorded.NOT_STARTED),
        ([heard("caller", 1871)], {"ended_by": None}, NotRecorded.NOT_STARTED),
        ([heard("caller", 1871), heard("callee", 1869)], {}, NotRecorded.NOT_STARTED),
        ([heard("caller", 1871), heard("callee", 9, "LEFT")], {}, NotRecorded.CALLER_LEFT),
    ],
)
def test_there_is_none_and_it_says_why(
    rows: list[EventRow], how: dict[str, bool | EndedBy | None], why: NotRecorded
) -> None:
    found = told(rows, **how)  # type: ignore[arg-type]
    assert (found.reason, found.started_at, found.ms, found.has_audio) == (why, None, None, False)


def test_no_consent_wins_over_whatever_the_call_did() -> None:
    plan = ASKED | {"unrecorded": "no_consent"}
    found = taped(plan, [], [], [], END_US, answered=False, ended_by=None, died=True)
    assert found == Recording(RecordingMode.ALWAYS, reason=NotRecorded.NO_CONSENT)


def test_one_whose_end_is_not_told_goes_to_the_end_of_the_call_and_is_not_whole() -> None:
    found = told([], (row(EventKind.RECORDING, 3000),), (), died=True)
    assert (found.ms, found.reason) == (57_000, NotRecorded.NODE_DIED)


def test_each_leg_has_a_part_and_all_must_have_ended() -> None:
    begun = (row(EventKind.RECORDING, 3000), row(EventKind.RECORDING, 9000, leg="n-2.h1"))
    first, second = (
        row(EventKind.RECORDING_END, 9001),
        row(EventKind.RECORDING_END, 20_000, leg="n-2.h1"),
    )
    assert told([], begun, (first, second)).ms == 17_000
    assert told([], begun, (first, second)).reason is None
    assert told([], begun, (first,)).reason is NotRecorded.NODE_DIED


def test_figures_that_are_none_are_left_out_and_the_first_row_of_a_side_counts() -> None:
    found = told(
        [
            heard("nobody", 5),
            heard("caller", "x"),
            heard("caller", 1871, at_ms=3001),
            heard("callee", 700_000),
        ]
    )
    assert (found.announced_caller_ms, found.announced_callee_ms) == (None, None)
