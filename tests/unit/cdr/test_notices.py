"""What the platform is told of a call, as a table."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cdr.model import CallRecord
from cdr.notices import notices_of
from cdr.people import Parties, Person
from masking.model import Card, Listing, Role
from masking.notice import NoticeKind
from masking.outcome import Outcome
from masking.plan import RefusalReason
from tests.unit.cdr.test_fold import record, rows_of

BUYER = Person(Role.BUYER, "u-1", Card("Anna", 4.9, (("deals", "12"),)))
SELLER = Person(Role.SELLER, "u-2", Card("Petr"))
PARTIES = Parties("chat-1", Listing("L-42", "Lada Vesta"), (BUYER, SELLER))

TABLE = """
outcome      rang  told
answered     yes   call.ended
missed       yes   call.ended call.missed
missed       no    call.ended call.missed
busy         no    call.ended
declined     yes   call.ended
cancelled    no    call.ended
unreachable  no    call.ended call.missed
blocked      no    call.ended
failed       no    call.ended
failed       yes   call.ended call.missed
"""


def call(outcome: Outcome, *, rang: bool) -> CallRecord:
    base = record(rows_of("missed_time_out"))
    return replace(base, outcome=outcome, rang_at=base.rang_at if rang else None)


@pytest.mark.parametrize("line", TABLE.strip().splitlines()[1:])
def test_the_platform_is_told_of_every_call_and_of_the_missed_ones_twice(line: str) -> None:
    outcome, rang, told = line.split(maxsplit=2)
    one = call(Outcome(outcome), rang=rang == "yes")
    assert " ".join(notice.kind for notice in notices_of(one, PARTIES)) == told


def test_the_table_names_every_outcome() -> None:
    assert {line.split()[0] for line in TABLE.strip().splitlines()[1:]} == set(Outcome)


def test_a_missed_call_comes_with_the_callers_card() -> None:
    _, missed = notices_of(call(Outcome.MISSED, rang=True), PARTIES)

    assert missed.conversation_id == "chat-1"
    assert (missed.data["user_id"], missed.data["role"]) == ("u-2", "seller")
    assert missed.data["listing"] == {"id": "L-42", "title": "Lada Vesta"}
    assert missed.data["caller"] == {
        "role": "buyer",
        "user_id": "u-1",
        "name": "Anna",
        "rating": 4.9,
    }
    assert missed.data["facts"] == {"deals": "12"}


BACK = {
    "session_id": "ses_1",
    "app": "sip:ses_1@sip.example.org",
    "gsm": "+74951110009",
    "extension": None,
    "until": "2026-11-23T10:00:00.000Z",
}


def test_a_missed_call_names_no_number_but_the_one_to_call_back() -> None:
    one = call(Outcome.MISSED, rang=True)
    _, missed = notices_of(one, PARTIES, BACK)
    told = json.dumps(dict(missed.data))
    assert one.number_in is not None
    assert one.number_in not in told
    assert told.count("+7") == 1
    assert missed.data["call_back"] == BACK


def test_a_missed_call_whose_session_is_over_has_no_way_back() -> None:
    _, missed = notices_of(call(Outcome.MISSED, rang=True), PARTIES)
    assert missed.data["call_back"] is None


def test_a_missed_call_says_why() -> None:
    ended, missed = notices_of(record(rows_of("given_up_while_waking")), PARTIES, BACK)
    assert (missed.data["reason"], missed.data["outcome"]) == ("offline", "missed")
    assert (ended.data["why"], ended.data["came_by"], ended.data["handovers"]) == (
        "offline",
        "app",
        0,
    )


def test_a_call_in_quiet_hours_is_told_of_as_missed() -> None:
    ended, missed = notices_of(record(rows_of("quiet_hours")), PARTIES, BACK)
    assert (ended.data["outcome"], ended.data["reason"]) == ("blocked", "quiet_hours")
    assert (missed.kind, missed.data["reason"]) == (NoticeKind.CALL_MISSED, "quiet_hours")


@pytest.mark.parametrize("story", ["capped", "in_app_off", "blocked"])
def test_other_refused_calls_are_none_of_the_callees_concern(story: str) -> None:
    assert [one.kind for one in notices_of(record(rows_of(story)), PARTIES)] == [
        NoticeKind.CALL_ENDED
    ]


def test_only_handovers_that_came_off_are_counted() -> None:
    counts = [
        next(notices_of(record(rows_of(story)), PARTIES)).data["handovers"]
        for story in ("handover_caller_twice", "handover_refused", "handover_gone")
    ]
    assert counts == [2, 0, 0]


def test_a_late_call_names_the_number_that_was_dialled() -> None:
    one = replace(call(Outcome.FAILED, rang=False), reason=RefusalReason.COOLING)
    ended, late = notices_of(one, PARTIES)

    assert (ended.kind, late.kind) == (NoticeKind.CALL_ENDED, NoticeKind.CALL_LATE)
    assert late.data["number"] == one.number_in
    assert late.data["caller"] == {"role": "buyer", "user_id": "u-1"}


def test_a_call_without_a_session_is_told_of_without_people() -> None:
    one = replace(call(Outcome.FAILED, rang=True), session_id=None, caller_role=None)
    (ended,) = notices_of(one, None)
    assert (ended.conversation_id, ended.data["caller"], ended.data["callee"]) == (None,) * 3


def test_each_version_of_a_record_is_told_of_once() -> None:
    one = call(Outcome.ANSWERED, rang=True)
    corrected = replace(one, version=2)
    keys = [notice.key for each in (one, one, corrected) for notice in notices_of(each, PARTIES)]
    assert keys[0] == keys[1] != keys[2]


def test_times_are_rfc_3339() -> None:
    (ended,) = notices_of(call(Outcome.BUSY, rang=False), PARTIES)
    assert str(ended.data["offered_at"]).endswith("Z")
    assert len(str(ended.data["offered_at"])) == len("2026-11-22T10:00:00.000Z")
