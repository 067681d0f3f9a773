"""Who sees a call, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdr.entries import callee_outcome, history_row, log_rows
from cdr.model import CallRecord
from cdr.people import Parties, Person
from masking.model import Card, Role
from masking.outcome import Outcome
from tests.unit.cdr.test_fold import record, rows_of

BUYER = Person(Role.BUYER, "u-1", Card("Anna", 4.9, (("deals", "12"),)))
SELLER = Person(Role.SELLER, "u-2", Card("Petr"))
PARTIES = Parties("chat-1", None, (BUYER, SELLER))

TABLE = """
outcome      rang  history        caller's log     callee's log
answered     yes   caller callee  answered read    answered read
missed       yes   caller callee  missed read      missed unread
missed       no    caller callee  missed read      missed unread
busy         no    caller callee  busy read        busy unread
declined     yes   caller callee  declined read    declined read
cancelled    no    caller         cancelled read   -
unreachable  no    caller callee  unreachable read missed unread
blocked      no    caller         blocked read     -
failed       no    caller         failed read      -
failed       yes   caller callee  failed read      missed unread
"""


def call(outcome: Outcome, *, rang: bool) -> CallRecord:
    base = record(rows_of("missed_time_out"))
    return replace(base, outcome=outcome, rang_at=base.rang_at if rang else None)


@pytest.mark.parametrize("line", TABLE.strip().splitlines()[1:])
def test_each_side_sees_what_concerns_it(line: str) -> None:
    outcome, rang, rest = line.split(maxsplit=2)
    sides, mine, theirs = (rest[at:to].strip() for at, to in ((0, 15), (15, 32), (32, None)))
    one = call(Outcome(outcome), rang=rang == "yes")
    assert " ".join(history_row(one, PARTIES)["body"]["shown_to"]) == sides
    told = {
        row["user_id"]: f"{row['outcome']} {'unread' if row['read_at'] is None else 'read'}"
        for row in log_rows(one, PARTIES)
    }
    assert told.get("u-1", "-") == mine
    assert told.get("u-2", "-") == theirs


def test_the_table_names_every_outcome() -> None:
    assert {line.split()[0] for line in TABLE.strip().splitlines()[1:]} == set(Outcome)


def test_each_sees_the_other() -> None:
    mine, theirs = log_rows(call(Outcome.ANSWERED, rang=True), PARTIES)
    assert (mine["user_id"], mine["direction"], mine["card"]["name"]) == ("u-1", "out", "Petr")
    assert (theirs["user_id"], theirs["direction"], theirs["card"]["name"]) == ("u-2", "in", "Anna")
    assert theirs["card"] == {
        "role": "buyer",
        "name": "Anna",
        "rating": 4.9,
        "facts": (("deals", "12"),),
    }


def test_a_caller_who_is_not_of_the_session_has_no_log() -> None:
    one = replace(call(Outcome.FAILED, rang=False), caller_role=Role.COURIER)
    assert log_rows(one, PARTIES) == []
    assert history_row(one, PARTIES)["body"]["caller"] is None
    assert log_rows(replace(one, caller_role=None), PARTIES) == []


def test_a_refused_callee_sees_nothing() -> None:
    assert callee_outcome(record(rows_of("blocked"))) is None


WHY = """
story                            callee's outcome  why
missed_time_out                  missed            no_answer
missed_caller_gives_up           missed            gave_up_while_ringing
missed_early_media               missed            gave_up_while_ringing
unreachable                      missed            offline
busy                             busy              busy
declined                         declined          declined
app_declined                     declined          declined
app_given_up_while_ringing       missed            gave_up_while_ringing
app_silent_then_gsm_given_up     missed            offline
woken_rang_out                   missed            no_answer
woken_in_vain_then_gsm           missed            no_answer
woken_in_vain_app_only           missed            offline
given_up_while_waking            missed            offline
given_up_while_waking_first      missed            offline
woken_in_vain_given_up_dialling_gsm missed         offline
quiet_hours                      missed            quiet_hours
"""


@pytest.mark.parametrize("line", WHY.strip().splitlines()[1:])
def test_the_callee_is_told_why_nobody_talked(line: str) -> None:
    story, outcome, because = line.split()
    mine, theirs = log_rows(record(rows_of(story)), PARTIES)
    assert (theirs["outcome"], theirs["reason"]) == (outcome, because)
    assert history_row(record(rows_of(story)), PARTIES)["body"]["why"] == because
    assert mine["reason"] in (None, "quiet_hours")  # whether a phone was on is not theirs to know


@pytest.mark.parametrize(
    "story", ["cancelled", "app_given_up_before_ringing", "capped", "in_app_off", "click_unreached"]
)
def test_what_never_reached_the_callee_is_in_the_callers_log_alone(story: str) -> None:
    [mine] = log_rows(record(rows_of(story)), PARTIES)
    assert mine["direction"] == "out"
    assert "why" not in history_row(record(rows_of(story)), PARTIES)["body"]


def test_a_call_that_was_cut_off_while_it_rang_is_missed_too() -> None:
    one = call(Outcome.FAILED, rang=True)
    assert log_rows(one, PARTIES)[1]["reason"] == "cut_off"


def test_a_call_that_was_handed_over_is_one_entry_and_says_so() -> None:
    one = record(rows_of("handover_caller_twice"))
    moved = history_row(one, PARTIES)["body"]["handovers"]
    assert [(each["side"], each["to"]) for each in moved] == [("caller", "gsm"), ("caller", "app")]
    assert len(log_rows(one, PARTIES)) == 2
    refused = record(rows_of("handover_refused"))
    assert "handovers" not in history_row(refused, PARTIES)["body"]
