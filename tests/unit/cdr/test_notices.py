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


def test_a_missed_call_names_no_number_at_all() -> None:
    one = call(Outcome.MISSED, rang=True)
    _, missed = notices_of(one, PARTIES)
    told = json.dumps(dict(missed.data))
    assert one.number_in is not None
    assert one.number_in not in told
    assert "+7" not in told


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
