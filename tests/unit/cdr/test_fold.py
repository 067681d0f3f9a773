"""The fold is a function of the set of rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr.codec import (
    attempts_from,
    attempts_json,
    legs_from,
    legs_json,
    recording_from,
    recording_json,
)
from cdr.events import EventKind, EventRow, parse
from cdr.fold import Cut, CutReason, Stray, Unfinished, fold
from cdr.model import CallRecord, mos
from masking.ids import call_id
from masking.outcome import EndedBy, Outcome
from tests.unit.cdr.scenario import NODE, scenarios

BEGINNINGS = (EventKind.OFFER, EventKind.CLICK, EventKind.ATTEMPT)


def rows_of(name: str) -> tuple[EventRow, ...]:
    """The rows of the scenario's call, without those of legs before they joined it."""
    [scenario] = [one for one in scenarios() if one.name == name]
    rows = [row for row in parse(scenario.lines, NODE).rows if row.kind is not EventKind.NODE_START]
    calls = {row.linked_id for row in rows if row.kind in BEGINNINGS}
    return tuple(row for row in rows if not calls or row.linked_id in calls)


STORIES = [rows for one in scenarios() if one.recorded and (rows := rows_of(one.name))]
FINISHED = [rows for rows in STORIES if any(row.kind is EventKind.LINKEDID_END for row in rows)]
DIED = Cut(CutReason.NODE_DIED, 0)


def record(rows: tuple[EventRow, ...], cut: Cut | None = None) -> CallRecord:
    result = fold(NODE, rows, cut)
    assert isinstance(result, CallRecord)
    return result


@st.composite
def disturbed(draw: st.DrawFn) -> tuple[tuple[EventRow, ...], list[EventRow]]:
    """A story, and its rows in any order of channels (each in its own), some of them repeated."""
    story = draw(st.sampled_from(STORIES))
    waiting: dict[str, list[EventRow]] = {}
    for row in story:
        waiting.setdefault(row.unique_id, []).append(row)
    mixed: list[EventRow] = []
    while waiting:
        channel = draw(st.sampled_from(sorted(waiting)))
        mixed.append(waiting[channel].pop(0))
        if not waiting[channel]:
            del waiting[channel]
    for _ in range(draw(st.integers(0, 5))):
        mixed.insert(draw(st.integers(0, len(mixed))), draw(st.sampled_from(story)))
    return story, mixed


def caller_unreached(rows: list[EventRow]) -> bool:
    """Whether the rows end a call that the platform asked for and whose caller did not answer."""
    clicks = [row.values() for row in rows if row.kind is EventKind.CLICK_END]
    over = any(row.kind is EventKind.END for row in rows)
    return over and any(facts.get("status") != "ANSWER" for facts in clicks)


@given(disturbed(), st.booleans())
def test_interleaving_and_repetition_change_nothing(
    story: tuple[tuple[EventRow, ...], list[EventRow]], died: bool
) -> None:
    rows, mixed = story
    cut = DIED if died else None
    assert fold(NODE, mixed, cut) == fold(NODE, rows, cut)


@given(disturbed(), st.data())
def test_a_call_without_its_last_row_is_unfinished_and_goes_on_from_there(
    story: tuple[tuple[EventRow, ...], list[EventRow]], data: st.DataObject
) -> None:
    rows, mixed = story
    place = data.draw(st.integers(0, len(mixed)))
    head, tail = mixed[:place], mixed[place:]
    first = fold(NODE, head)
    if any(row.kind is EventKind.LINKEDID_END for row in head):
        assert not isinstance(first, Unfinished)
    elif not isinstance(first, Unfinished):  # nobody else was rung: no leg could still say more
        assert caller_unreached(head)
        assert first == fold(NODE, rows)
    else:
        assert set(first.rows) == set(head)
        assert fold(NODE, [*first.rows, *tail]) == fold(NODE, rows)


@given(st.sampled_from(FINISHED), st.data())
def test_whatever_rows_are_missing_the_record_is_sound(
    story: tuple[EventRow, ...], data: st.DataObject
) -> None:
    rows = data.draw(st.sets(st.sampled_from(story), min_size=1))
    result = fold(NODE, rows, DIED)
    assert not isinstance(result, Unfinished)
    if isinstance(result, CallRecord):
        _sound(result)


texts = st.sampled_from(
    [
        *("", "1", "2", "17", "99", "gsm", "app", "ANSWER", "CANCEL", "caller", "x", "always"),
        *("consent", "no_consent", "SUCCESS"),
    ]
)
extras = st.dictionaries(
    st.sampled_from(
        (
            *("n", "channel", "status", "cause", "sip", "dial_ms", "progress_ms", "ring_ms"),
            *("talk_ms", "side", "by", "session", "caller", "reason", "who", "whoidx", "in"),
            *("rxmes", "rtt", "record", "unrecorded", "went", "ms"),
        )
    ),
    texts,
).map(lambda facts: ";".join(f"{key}={value}" for key, value in facts.items()))
any_row = st.builds(
    EventRow,
    st.integers(1_700_000_000_000_000, 1_700_000_100_000_000),
    st.sampled_from([kind for kind in EventKind if kind is not EventKind.NODE_START]),
    st.sampled_from(["a", "b", "c"]),
    st.just("a"),
    extras,
)


@given(st.lists(any_row, min_size=1, max_size=14))
def test_however_odd_the_rows_the_record_is_sound(rows: list[EventRow]) -> None:
    result = fold(NODE, rows, DIED)
    if isinstance(result, CallRecord):
        _sound(result)


def _sound(result: CallRecord) -> None:
    times = [result.offered_at, result.rang_at, result.answered_at, result.ended_at]
    known = [at for at in times if at is not None]
    assert known == sorted(known)
    assert result.ring_ms >= 0
    assert result.talk_ms >= 0
    assert (result.answered_at is not None) == (result.outcome is Outcome.ANSWERED)
    assert result.talk_ms == 0 or result.outcome is Outcome.ANSWERED
    assert attempts_from(attempts_json(result.attempts)) == result.attempts
    assert legs_from(legs_json(result.legs)) == result.legs
    taped = result.recording
    assert recording_from(recording_json(taped)) == taped
    if taped is not None:
        assert taped.has_audio == (taped.ended_at is not None) == (taped.ms is not None)
        assert taped.has_audio or taped.reason is not None
        assert taped.ms is None or taped.ms >= 0


def test_a_call_id_is_made_of_node_and_linked_id() -> None:
    rows = rows_of("busy")
    assert record(rows).call_id == call_id(NODE, rows[0].linked_id)


def test_the_caller_answered_for_an_announcement_is_no_answer() -> None:
    rows = rows_of("blocked")
    ours = rows[0]._replace(kind=EventKind.ANSWER, extra="", at_us=rows[1].at_us + 1)
    assert record((*rows, ours)) == record(rows)


def test_of_two_rows_that_contradict_each_other_the_earlier_counts() -> None:
    rows = rows_of("busy")
    [end] = [row for row in rows if row.kind is EventKind.END]
    forged = end._replace(at_us=end.at_us + 1, extra="by=callee;cause=16")
    assert record((forged, *rows)) == record(rows)


def test_an_answer_without_its_row_is_known_from_the_attempts_end() -> None:
    rows = tuple(r for r in rows_of("answered_callee_ends") if r.kind is not EventKind.ANSWER)
    result = record(rows)
    assert result.outcome is Outcome.ANSWERED
    assert result.talk_ms == 63_090
    assert result.answered_at is not None


def test_an_attempts_end_without_its_beginning_still_tells() -> None:
    rows = tuple(r for r in rows_of("busy") if r.kind is not EventKind.ATTEMPT)
    result = record(rows)
    [attempt] = result.attempts
    assert attempt.steps[0].trunk is None
    assert result.outcome is Outcome.BUSY


def test_a_call_whose_end_was_lost_says_so() -> None:
    rows = rows_of("node_died_talking")
    result = record(rows, Cut(CutReason.END_LOST, 0))
    assert (result.outcome, result.reason) == (Outcome.ANSWERED, "end_lost")
    assert result.ended_by is EndedBy.SYSTEM


def test_ringing_and_talking_are_told_in_seconds_too() -> None:
    result = record(rows_of("answered_callee_ends"))
    assert (result.ring_s, result.talk_s) == (2.98, 63.09)


def test_channels_that_were_never_offered_are_strays() -> None:
    assert fold(NODE, rows_of("no_call")) == Stray()


def test_malformed_seals_and_words_are_left_out() -> None:
    rows = rows_of("unknown_caller")
    odd = tuple(
        row._replace(extra="reason=magic;announce=magic;in=abc;who=A;whoidx=zz;session=a.b")
        if row.kind is EventKind.REFUSE
        else row
        for row in rows
    )
    result = record(odd)
    assert (result.reason, result.announcement) == (None, None)
    assert result.number_in == "+74951110001"  # as it was dialled: the offer says so
    assert (result.caller_sealed, result.caller_index, result.session_id) == (None, None, None)


def test_no_repr_shows_what_is_sealed() -> None:
    rows = tuple(
        row._replace(extra=row.extra.replace("SEALED", "c2VhbGVk"))
        for row in rows_of("unknown_caller")
    )
    result = record(rows)
    assert result.caller_sealed == b"sealed"
    assert "sealed=" not in repr(result)


@pytest.mark.parametrize(
    ("r", "expected"), [(-5, 1.0), (0, 1.0), (50, 2.58), (93.2, 4.41), (120, 4.5)]
)
def test_the_mean_opinion_score_follows_g_107(r: float, expected: float) -> None:
    assert mos(r) == expected
