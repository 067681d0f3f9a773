"""The fold against the model: whatever happens to the rows, the same record or none at all."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cdr.codec import (
    attempts_from,
    attempts_json,
    handovers_from,
    handovers_json,
    legs_from,
    legs_json,
    prompts_from,
    prompts_json,
    quality_from,
    quality_json,
    recording_from,
    recording_json,
)
from cdr.events import EventKind, EventRow, parse
from cdr.fold import Cut, CutReason, Stray, Unfinished, fold
from cdr.missed import why
from cdr.model import CallRecord
from masking.outcome import Outcome
from tests.unit.cdr.calls import at_us
from tests.unit.cdr.scenario import NODE, START
from tests.unit.cdr.story import Story, stories

CLOSING = (EventKind.END, EventKind.LINKEDID_END)


def rows_of(raw: list[bytes], story: Story) -> list[EventRow]:
    """The call's rows, as the ingester finds them in the file."""
    found = parse([one.rstrip(b"\n") for one in raw], NODE)
    return [row for row in found.rows if row.linked_id == story.linked_id]


def lines(story: Story) -> list[bytes]:
    return [raw for _, raw in sorted(story.rows)]


def recorded(story: Story) -> CallRecord:
    result = fold(NODE, rows_of(lines(story), story))
    assert isinstance(result, CallRecord)
    return result


def taped(record: CallRecord) -> tuple[object, ...] | None:
    one = record.recording
    if one is None:
        return None
    said = (one.asked, one.announced_caller_ms, one.announced_callee_ms)
    return (*said, one.started_at, one.ended_at, one.ms, one.reason)


def told_of_taping(story: Story) -> tuple[object, ...] | None:
    one = story.taped
    if one is None:
        return None
    said = (one.asked, one.caller_ms, one.callee_ms)
    if one.started_ms is None:
        return (*said, None, None, None, one.reason)
    assert one.ended_ms is not None
    began, ended = (START + timedelta(milliseconds=ms) for ms in (one.started_ms, one.ended_ms))
    return (*said, began, ended, one.ended_ms - one.started_ms, one.reason)


@settings(max_examples=300)
@given(stories())
def test_the_record_says_what_happened(story: Story) -> None:
    record = recorded(story)

    def offset(ms: int | None) -> object:
        return None if ms is None else START + timedelta(milliseconds=ms)

    assert record.outcome == story.outcome
    assert record.ended_by == story.ended_by
    assert record.reason == story.reason
    assert record.came_by == story.came_by
    assert (record.session_id is not None) is story.session
    assert (record.rang_at is not None) is story.rang
    assert record.answered_at == offset(story.answered_ms)
    assert record.ended_at == offset(story.ended_ms)
    assert (record.ring_ms, record.talk_ms) == (story.ring_ms, story.talk_ms)
    steps = [(a.channel, s.wake and s.wake.result) for a in record.attempts for s in a.steps]
    assert steps == story.steps
    assert [(one.kind, one.n, one.went) for one in record.prompts] == story.prompts
    assert [(one.side, one.result) for one in record.handovers] == story.handovers
    assert taped(record) == told_of_taping(story)
    sides = [leg.side.value for leg in record.legs]
    assert {side: sides.count(side) for side in ("caller", "callee")} == story.legs


@given(stories())
def test_a_record_is_kept_and_read_as_it_is(story: Story) -> None:
    record = recorded(story)
    assert attempts_from(attempts_json(record.attempts)) == record.attempts
    assert legs_from(legs_json(record.legs)) == record.legs
    assert prompts_from(prompts_json(record.prompts)) == record.prompts
    assert handovers_from(handovers_json(record.handovers)) == record.handovers
    assert quality_from(quality_json(record.quality)) == record.quality
    assert recording_from(recording_json(record.recording)) == record.recording


@given(stories())
def test_missed_is_what_rang_or_should_have_and_nobody_talked(story: Story) -> None:
    record = recorded(story)
    looked_for = story.rang or any(waking not in (None, "woken") for _, waking in story.steps)
    if record.outcome in (Outcome.ANSWERED, Outcome.CANCELLED):
        assert why(record) is None
    elif looked_for:
        assert why(record) is not None
    if record.outcome is Outcome.CANCELLED:
        assert not looked_for


@settings(max_examples=200)
@given(stories(), st.data())
def test_in_whatever_order_and_however_often_rows_come_the_record_is_the_same(
    story: Story, data: st.DataObject
) -> None:
    whole = lines(story)
    mixed = data.draw(st.permutations(whole))
    again = data.draw(st.lists(st.sampled_from(whole), max_size=6))
    assert fold(NODE, rows_of([*mixed, *again], story)) == recorded(story)


@settings(max_examples=200)
@given(stories(), st.data())
def test_a_file_cut_off_anywhere_leaves_the_same_record_or_an_unfinished_call(
    story: Story, data: st.DataObject
) -> None:
    """A file that ends within a row, or whose rows are torn: what was read is taken up again."""
    whole = b"".join(lines(story))
    cut = data.draw(st.integers(0, len(whole)))
    complete = whole[:cut].rfind(b"\n") + 1
    head = rows_of(whole[:complete].splitlines(), story)
    if not head:
        return
    first = fold(NODE, head)
    if isinstance(first, Unfinished):
        assert set(first.rows) == set(head)
        rest = rows_of(whole[complete:].splitlines(), story)
        assert fold(NODE, [*first.rows, *rest]) == recorded(story)
    elif isinstance(first, CallRecord):
        assert first == recorded(story)
    else:
        assert not rows_of(whole[:complete].splitlines(), story)


@settings(max_examples=200)
@given(stories(), st.data())
def test_a_node_that_dies_anywhere_leaves_the_same_record_or_one_that_says_so(
    story: Story, data: st.DataObject
) -> None:
    whole = lines(story)
    head = rows_of(whole[: data.draw(st.integers(1, len(whole)))], story)
    if not head:
        return
    died_us = at_us(data.draw(st.integers(0, 200)))
    result = fold(NODE, head, Cut(CutReason.NODE_DIED, died_us))
    if isinstance(result, Stray):
        assert all(row.kind not in (EventKind.OFFER, EventKind.CLICK) for row in head)
        return
    assert isinstance(result, CallRecord)
    if result.recording is not None and result.recording.has_audio:
        begun = {row.unique_id for row in head if row.kind is EventKind.RECORDING}
        ended = {row.unique_id for row in head if row.kind is EventKind.RECORDING_END}
        assert result.recording.reason == (None if begun <= ended else "node_died")
        assert result.recording.ms is not None
    if any(row.kind in CLOSING for row in head) and result.reason != "node_died":
        assert result.outcome == story.outcome
        assert (result.ended_at, result.ended_by) == (
            recorded(story).ended_at,
            recorded(story).ended_by,
        )
        return
    assert (result.reason, result.ended_by) == ("node_died", "system")
    talked = any(row.kind is EventKind.ANSWER and row.unique_id != row.linked_id for row in head)
    assert result.outcome is (Outcome.ANSWERED if talked else Outcome.FAILED)


@settings(max_examples=100)
@given(st.lists(stories(), min_size=2, max_size=4), st.data())
def test_calls_do_not_touch_each_other(several: list[Story], data: st.DataObject) -> None:
    """Each in its own ids, all in one file in any order."""
    mixed: list[bytes] = []
    for number, story in enumerate(several):
        mine, theirs = f"{NODE}-17".encode(), f"{NODE}-{number}7".encode()
        mixed.extend(raw.replace(mine, theirs) for raw in lines(story))
    mixed = data.draw(st.permutations(mixed))
    rows = parse([raw.rstrip(b"\n") for raw in mixed], NODE).rows
    for number, story in enumerate(several):
        linked_id = story.linked_id.replace(f"{NODE}-17", f"{NODE}-{number}7")
        result = fold(NODE, [row for row in rows if row.linked_id == linked_id])
        assert isinstance(result, CallRecord)
        assert (result.outcome, result.talk_ms) == (recorded(story).outcome, story.talk_ms)


def test_the_model_knows_every_way_that_a_call_can_end() -> None:
    """A model that never tells some story would prove nothing of it."""
    seen: set[str] = set()

    @settings(max_examples=500, database=None, derandomize=True)
    @given(stories())
    def look(story: Story) -> None:
        seen.add(story.outcome)
        seen.update(f"handed over {side} {result}" for side, result in story.handovers)
        seen.update(f"waking {waking}" for _, waking in story.steps if waking)
        seen.update(f"asked {went}" for _, _, went in story.prompts)
        seen.add(f"came by {story.came_by}")
        if story.taped is not None:
            seen.add(f"recorded {story.taped.reason or 'whole'}")

    look()
    assert seen >= {
        *Outcome,
        *(f"waking {how}" for how in ("woken", "timeout", "refused", "given_up")),
        *(f"asked {went}" for went in ("ok", "wrong", "none", None)),
        *(f"came by {how}" for how in ("gsm", "app", "click")),
        *(f"recorded {how}" for how in ("whole", "no_consent", "not_answered")),
        *(f"recorded {how}" for how in ("caller_left", "callee_left", "announcement_failed")),
        *(
            f"handed over {side} {result}"
            for side in ("caller", "callee")
            for result in ("done", "unanswered", "gone")
        ),
    }
