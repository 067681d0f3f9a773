"""A call in words and to scale: what a person reads of it, in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console.call_text import as_text
from api.console.call_timeline import Bar, reason_key, ticks, timeline
from api.console.call_words import spoken
from api.console.texts import load
from cdr.model import (
    Attempt,
    CallRecord,
    CameBy,
    Handover,
    HandoverResult,
    HandoverWhy,
    Prompt,
    Recording,
    Step,
    Wake,
    WakeResult,
)
from masking.model import Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Announcement, Channel, RefusalReason, Went
from masking.recording import NotRecorded
from masking.rules import RecordingMode

TEXTS = load(Path(__file__).parents[3] / "console" / "texts")
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def after(s: float) -> datetime:
    return AT + timedelta(seconds=s)


def step(n: int, start: float, end: float, status: DialStatus | None, **more: Any) -> Step:  # noqa: ANN401
    given: dict[str, Any] = {
        "n": n,
        "trunk": "carrier-a",
        "status": status,
        "cause": None,
        "sip": None,
        "started_at": after(start),
        "rang_at": None,
        "ended_at": after(end),
        "talk_ms": 0,
    }
    return Step(**(given | more))


def call(**more: Any) -> CallRecord:  # noqa: ANN401
    given: dict[str, Any] = {
        "call_id": "cal_" + "0" * 26,
        "node": "n1",
        "linked_id": "1.1",
        "session_id": "ses_1",
        "caller_role": Role.BUYER,
        "callee_role": Role.SELLER,
        "number_in": "+74951110001",
        "number_out": "+74951110002",
        "trunk_in": "carrier-a",
        "trunk_out": "carrier-a",
        "channel": Channel.GSM,
        "outcome": Outcome.MISSED,
        "reason": None,
        "announcement": None,
        "ended_by": EndedBy.CALLER,
        "cause": 127,
        "offered_at": AT,
        "rang_at": None,
        "answered_at": None,
        "ended_at": after(30),
        "ring_ms": 0,
        "talk_ms": 0,
        "attempts": (),
        "legs": (),
        "came_by": CameBy.GSM,
    }
    return CallRecord(**(given | more))


def said(record: CallRecord, language: str = "en") -> list[str]:
    return [spoken(one.said, TEXTS[language]) for one in timeline(record).moments]


def test_a_caller_who_gives_up_is_told_as_such_and_not_as_a_failure() -> None:
    rang = step(1, 0.2, 30, DialStatus.NOANSWER, rang_at=after(2), cause=127)
    record = call(attempts=(Attempt(Channel.GSM, (rang,)),))

    assert said(record) == [
        "The buyer dials +7 495 111-00-01; the call comes in through carrier-a.",
        "The seller is called by phone through carrier-a.",
        "The seller: it rings on the phone.",
        "The buyer hangs up before anybody answered.",
    ]
    assert said(record, "ru")[-1] == "Покупатель кладёт трубку, не дождавшись ответа."
    assert [one.detail for one in timeline(record).moments] == [""] * 4


def test_an_app_is_woken_and_then_the_phone_is_rung() -> None:
    app = step(
        1,
        0.5,
        20,
        DialStatus.NOANSWER,
        trunk=None,
        rang_at=after(5),
        devices=2,
        wake=Wake(WakeResult.WOKEN, 4100),
    )
    phone = step(2, 20.1, 90, DialStatus.ANSWER, rang_at=after(22))
    record = call(
        came_by=CameBy.APP,
        outcome=Outcome.ANSWERED,
        attempts=(Attempt(Channel.APP, (app,)), Attempt(Channel.GSM, (phone,))),
        answered_at=after(30),
        ended_at=after(90),
        ended_by=EndedBy.CALLEE,
        cause=16,
    )

    assert said(record)[1:] == [
        "The seller: the app is not connected; a push wakes it.",
        "The app came after 4.1\u00a0s.",
        "The seller is called in the app, on 2 devices.",
        "The seller: it rings in the app.",
        "The seller does not pick up: it rang until the time was over.",
        "The seller is called by phone through carrier-a.",
        "The seller: it rings on the phone.",
        "The seller answers on the phone.",
        "The seller hangs up (an ordinary end).",
    ]
    assert [(one.kind, one.start_ms, one.end_ms) for one in bars(record, "callee")] == [
        ("wake", 500, 4600),
        ("dial", 4600, 5000),
        ("ring", 5000, 20_000),
        ("dial", 20_100, 22_000),
        ("ring", 22_000, 30_000),
        ("talk", 30_000, 90_000),
    ]


def bars(record: CallRecord, lane: str) -> list[Bar]:
    return [one for one in timeline(record).bars if one.lane == lane]


@pytest.mark.parametrize(
    ("status", "sip", "words"),
    [
        (DialStatus.BUSY, 486, "The seller is busy."),
        (DialStatus.CONGESTION, 603, "The seller declines the call."),
        (DialStatus.CONGESTION, 404, "The seller cannot be reached."),
        (DialStatus.CONGESTION, 503, "carrier-a: the carrier could not put the call through."),
    ],
)
def test_what_a_carrier_answered_is_said_in_words_with_its_code(
    status: DialStatus, sip: int, words: str
) -> None:
    record = call(
        attempts=(Attempt(Channel.GSM, (step(1, 0.2, 3, status, sip=sip),)),),
        ended_by=EndedBy.SYSTEM,
    )

    told = {spoken(one.said, TEXTS["en"]): one.detail for one in timeline(record).moments}
    assert told[words] == f"SIP {sip}"


def test_a_side_that_moves_to_the_phone_has_two_stretches() -> None:
    moved = Handover(
        EndedBy.CALLER,
        Channel.APP,
        Channel.GSM,
        HandoverWhy.QUALITY,
        HandoverResult.DONE,
        after(20),
        820,
        "carrier-a",
    )
    record = call(
        came_by=CameBy.APP,
        outcome=Outcome.ANSWERED,
        answered_at=after(5),
        handovers=(moved, replace(moved, result=HandoverResult.BUSY, at=after(10))),
        attempts=(Attempt(Channel.GSM, (step(1, 0.1, 30, DialStatus.ANSWER),)),),
        cause=16,
    )

    assert "The buyer goes over to the phone in 0.8\u00a0s: the sound was bad." in said(record)
    russian = "Покупатель переходит на телефон за 0,8\u00a0с (из-за плохого звука)."
    assert russian in said(record, "ru")
    talk = [one for one in bars(record, "caller") if one.kind == "talk"]
    assert [(one.channel, one.start_ms, one.end_ms) for one in talk] == [
        (Channel.APP, 5000, 20_000),
        (Channel.GSM, 20_000, 30_000),
    ]


def test_a_refusal_says_why_and_what_was_heard() -> None:
    record = call(
        outcome=Outcome.FAILED,
        reason=RefusalReason.WRONG_PIN.value,
        announcement=Announcement.GAVE_UP_ASKING,
        prompts=(Prompt("pin", 1, after(3), Went.WRONG),),
        ended_by=EndedBy.SYSTEM,
        cause=21,
    )

    assert said(record)[1:4] == [
        "Asked for the PIN, try 1: typed wrongly.",
        "Not put through: wrong PIN.",
        "The caller hears: “No right answer was typed.”",
    ]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_word_of_the_vocabulary_has_a_text(language: str) -> None:
    texts = TEXTS[language]
    for reason in RefusalReason:
        assert reason_key(reason.value) != "call.reason.other"
        assert texts(reason_key(reason.value))
    for heard in Announcement:
        assert texts(f"call.heard.{heard.value}")
    for why in NotRecorded:
        assert texts(f"call.unrecorded.{why.value}")
    for result in HandoverResult:
        one = Handover(
            EndedBy.CALLER, Channel.APP, Channel.GSM, HandoverWhy.REQUEST, result, after(1), 1, None
        )
        assert said(call(handovers=(one,)), language)
    for wake in (*WakeResult, None):
        waking = step(1, 0, 5, DialStatus.NOANSWER, wake=Wake(wake, 10))
        assert said(call(attempts=(Attempt(Channel.APP, (waking,)),)), language)
    for status in (*DialStatus, None):
        for channel in Channel:
            for by in (*EndedBy, None):
                one_step = step(1, 0, 5, status, rang_at=after(1))
                tried = call(attempts=(Attempt(channel, (one_step,)),), ended_by=by)
                assert said(tried, language)


def test_the_text_for_a_ticket_holds_ids_and_sentences_and_no_sealed_phone() -> None:
    record = call(
        caller_user_id="u-1",
        listing_id="L-1",
        listing_title="Call 8 916 123-45-67\nnow",
        caller_sealed=b"sealed",
        recording=Recording(RecordingMode.ALWAYS, reason=NotRecorded.NOT_ANSWERED),
    )

    text = as_text(record, timeline(record), (), "Europe/Moscow", TEXTS["en"])

    assert "Call [digits struck out] now (L-1)" in text
    assert "When: 2026-11-22 12:00:00 UTC+03:00" in text
    assert "The buyer, u-1" in text
    assert "+  0:30  The buyer hangs up before anybody answered." in text
    assert "sealed" not in text


@given(total_ms=st.integers(1, 200_000_000))
def test_the_scale_has_few_round_ticks(total_ms: int) -> None:
    found = ticks(total_ms)

    assert found[0] == 0
    assert 1 <= len(found) <= 8
    assert all(two - one == found[1] and two <= total_ms for one, two in pairwise(found))


@given(
    seconds=st.lists(st.integers(0, 100), min_size=4, max_size=4),
    status=st.sampled_from([*DialStatus, None]),
    channel=st.sampled_from(list(Channel)),
)
def test_whatever_a_record_says_every_bar_is_on_the_scale(
    seconds: list[int], status: DialStatus | None, channel: Channel
) -> None:
    start, rang, answered, end = seconds
    one = step(1, start, end, status, rang_at=after(rang))
    record = call(
        attempts=(Attempt(channel, (one,)),), answered_at=after(answered), ended_at=after(end)
    )

    line = timeline(record)

    assert line.total_ms >= 1
    assert all(0 <= bar.start_ms < bar.end_ms for bar in line.bars)
    assert [one.at for one in line.moments] == sorted(one.at for one in line.moments)
