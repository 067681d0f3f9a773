"""How calls ended: one table for the dialplan and the record."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.outcome import (
    ENDING_CAUSES,
    ENDING_SIP,
    AttemptFacts,
    CallFacts,
    DialStatus,
    EndedBy,
    Outcome,
    classify,
    ends_attempt,
    is_missed,
    verdict,
)
from masking.plan import Channel, RefusalReason

# One Dial a line, as it stands in an ATTEMPT_END row; - is empty.
#   status      cause sip  dial_ms prog_ms ring_ms   what is recorded  no further trunk
TABLE = """
    ANSWER      16    200  9000    -       2000      answered          yes
    ANSWER      0     -    -       -       -         answered          yes
    BUSY        17    486  3000    -       2000      busy              yes
    BUSY        17    486  3000    -       -         busy              yes
    BUSY        17    600  3000    -       -         busy              yes
    BUSY        17    -    3000    -       -         busy              yes
    CONGESTION  17    486  3000    -       -         busy              yes
    CHANUNAVAIL 21    600  3000    -       -         busy              yes
    CHANUNAVAIL 21    603  3000    -       2000      declined          yes
    CHANUNAVAIL 21    603  3000    -       -         declined          yes
    CHANUNAVAIL 21    -    3000    -       -         declined          yes
    CHANUNAVAIL 21    183  3000    2000    -         declined          yes
    NOANSWER    19    480  3000    -       -         unreachable       yes
    NOANSWER    19    480  9000    1000    -         unreachable       yes
    NOANSWER    19    480  9000    -       2000      missed            yes
    CHANUNAVAIL 19    -    9000    -       -         unreachable       yes
    CHANUNAVAIL 19    -    9000    -       2000      missed            yes
    CHANUNAVAIL 1     404  300     -       -         unreachable       yes
    CHANUNAVAIL 22    410  300     -       -         unreachable       yes
    CHANUNAVAIL 1     604  300     -       -         unreachable       yes
    CHANUNAVAIL 1     -    300     -       -         unreachable       yes
    CHANUNAVAIL 22    -    300     -       -         unreachable       yes
    CHANUNAVAIL 21    403  300     -       -         failed            no
    CHANUNAVAIL 18    408  300     -       -         failed            no
    CHANUNAVAIL 18    408  9000    -       2000      missed            no
    CHANUNAVAIL 21    401  300     -       -         failed            no
    CHANUNAVAIL 58    488  300     -       -         failed            no
    CHANUNAVAIL 1     484  300     -       -         failed            no
    CHANUNAVAIL 38    500  300     -       -         failed            no
    CHANUNAVAIL 29    501  300     -       -         failed            no
    CHANUNAVAIL 27    502  300     -       -         failed            no
    CONGESTION  34    503  300     -       -         failed            no
    CONGESTION  34    503  3000    -       2000      missed            no
    CHANUNAVAIL 127   504  300     -       -         failed            no
    CHANUNAVAIL 127   599  300     -       -         failed            no
    CHANUNAVAIL 127   300  300     -       -         failed            no
    CHANUNAVAIL 17    300  300     -       -         failed            no
    CHANUNAVAIL 127   302  300     -       -         failed            no
    CHANUNAVAIL 17    503  300     -       -         failed            no
    CHANUNAVAIL 3     -    0       -       -         failed            no
    CHANUNAVAIL 20    -    0       -       -         failed            no
    CHANUNAVAIL -     -    0       -       -         failed            no
    CHANUNAVAIL 127   487  300     -       -         failed            no
    CONGESTION  34    -    300     -       -         failed            no
    NOANSWER    0     -    25000   -       2000      missed            yes
    NOANSWER    0     180  25000   -       2000      missed            yes
    NOANSWER    0     183  25000   1000    -         missed            yes
    NOANSWER    0     -    25000   -       -         failed            no
    NOANSWER    127   487  25000   -       2000      missed            yes
    NOANSWER    127   487  25000   -       -         failed            no
    NOANSWER    17    -    25000   -       -         failed            no
    NOANSWER    34    503  25000   -       -         failed            no
    CANCEL      0     -    3000    -       2000      missed            yes
    CANCEL      127   487  3000    -       2000      missed            yes
    CANCEL      127   487  3000    -       0         missed            yes
    CANCEL      0     -    3000    -       -         cancelled         yes
    CANCEL      0     183  4000    1000    -         missed            yes
    CANCEL      0     183  9000    1000    -         missed            yes
    CANCEL      0     183  3999    1000    -         cancelled         yes
    CANCEL      0     183  3000    0       -         missed            yes
    CANCEL      0     183  -       1000    -         cancelled         yes
    DONTCALL    0     -    0       -       -         failed            no
    TORTURE     0     -    0       -       -         failed            no
    TORTURE     0     -    9000    -       2000      missed            no
    INVALIDARGS 0     -    0       -       -         failed            no
    -           -     -    -       -       -         failed            no
    -           -     -    -       -       2000      missed            no
    -           17    486  -       -       -         failed            no
"""


def number(text: str) -> int | None:
    return None if text == "-" else int(text)


def row(line: str) -> tuple[AttemptFacts, Outcome, bool]:
    status, cause, sip, dial_ms, progress_ms, ring_ms, outcome, ends = line.split()
    attempt = AttemptFacts(
        status=DialStatus.of(status),
        sip=number(sip),
        cause=number(cause),
        dial_ms=number(dial_ms),
        progress_ms=number(progress_ms),
        ring_ms=number(ring_ms),
    )
    return attempt, Outcome(outcome), ends == "yes"


LINES = [line.strip() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("line", LINES)
def test_one_attempt_is_recorded_as_what_was_done_about_it(line: str) -> None:
    attempt, outcome, ends = row(line)

    assert verdict(attempt) is outcome
    assert ends_attempt(attempt) is ends
    assert classify(CallFacts(attempts=(attempt,))) is outcome


def test_the_contract_says_which_answers_try_the_next_trunk() -> None:
    ending = {
        sip for sip in range(300, 700) if ends_attempt(AttemptFacts(DialStatus.CHANUNAVAIL, sip))
    }

    assert ending == {404, 410, 480, 486, 600, 603, 604} == ENDING_SIP


def test_the_dialplan_ends_attempts_on_the_same_answers() -> None:
    dialplan = Path(__file__).parents[3] / "dialplans" / "maskline.conf"

    lists = re.findall(r'REGEX\("\^\(([0-9|]+)\)\$" \$\{M_SIP\}\)', dialplan.read_text())

    assert {int(sip) for one in lists for sip in one.split("|")} == ENDING_SIP


@pytest.mark.parametrize("sip", [None, 100, 183, 200, 299])
def test_causes_count_where_there_is_no_final_answer(sip: int | None) -> None:
    ending = {
        cause
        for cause in range(128)
        if ends_attempt(AttemptFacts(DialStatus.CHANUNAVAIL, sip, cause))
    }

    assert ending == {1, 17, 19, 21, 22} == ENDING_CAUSES


FAILED = row("CONGESTION  34 503 300 - - failed no")[0]
BUSY = row("BUSY 17 486 3000 - - busy yes")[0]
GIVEN_UP = row("CANCEL 0 - 3000 - - cancelled yes")[0]
RANG_AND_FAILED = row("CONGESTION 34 503 3000 - 2000 missed no")[0]
AWAY = row("NOANSWER 19 480 3000 - - unreachable yes")[0]
UNSEEN = row("- - - - - - failed no")[0]
UNSEEN_RINGING = row("- - - - - 900 missed no")[0]
IN_VAIN = AttemptFacts(None, channel=Channel.APP, woken=False)
RANG_OUT = row("NOANSWER 0 - 25000 - 2000 missed yes")[0]
ANSWERED = row("ANSWER 16 200 9000 - 2000 answered yes")[0]


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (CallFacts(), Outcome.FAILED),
        (CallFacts(ended_by=EndedBy.CALLER), Outcome.CANCELLED),
        (CallFacts(ended_by=EndedBy.SYSTEM), Outcome.FAILED),
        (CallFacts((FAILED,)), Outcome.FAILED),
        (CallFacts((FAILED, FAILED), ended_by=EndedBy.CALLER), Outcome.FAILED),
        (CallFacts((FAILED, BUSY)), Outcome.BUSY),
        (CallFacts((BUSY, FAILED)), Outcome.BUSY),
        (CallFacts((AWAY, BUSY)), Outcome.BUSY),
        (CallFacts((BUSY,), ended_by=EndedBy.CALLER), Outcome.BUSY),
        (CallFacts((FAILED, GIVEN_UP)), Outcome.CANCELLED),
        (CallFacts((RANG_AND_FAILED, GIVEN_UP)), Outcome.MISSED),
        (CallFacts((RANG_AND_FAILED, FAILED)), Outcome.MISSED),
        (CallFacts((UNSEEN,), ended_by=EndedBy.CALLER), Outcome.CANCELLED),
        (CallFacts((UNSEEN,), ended_by=EndedBy.SYSTEM), Outcome.FAILED),
        (CallFacts((FAILED, UNSEEN), ended_by=EndedBy.CALLER), Outcome.CANCELLED),
        (CallFacts((RANG_AND_FAILED, UNSEEN), ended_by=EndedBy.CALLER), Outcome.MISSED),
        (CallFacts((AWAY, UNSEEN), ended_by=EndedBy.CALLER), Outcome.MISSED),
        (CallFacts((AWAY, GIVEN_UP)), Outcome.MISSED),
        (CallFacts((AWAY, UNSEEN), ended_by=EndedBy.SYSTEM), Outcome.UNREACHABLE),
        (CallFacts((FAILED, UNSEEN_RINGING), ended_by=EndedBy.CALLER), Outcome.MISSED),
        (CallFacts((UNSEEN, AWAY), ended_by=EndedBy.CALLER), Outcome.UNREACHABLE),
        (CallFacts((UNSEEN_RINGING,), ended_by=EndedBy.CALLER), Outcome.MISSED),
        (CallFacts((FAILED, ANSWERED)), Outcome.ANSWERED),
        (CallFacts((ANSWERED, FAILED)), Outcome.ANSWERED),
        (CallFacts((UNSEEN,), answered=True), Outcome.ANSWERED),
        (CallFacts((UNSEEN,), answered=True, node_died=True), Outcome.ANSWERED),
        (CallFacts((UNSEEN_RINGING,), node_died=True), Outcome.FAILED),
        (CallFacts(node_died=True, refusal=RefusalReason.BLOCKED), Outcome.FAILED),
        (CallFacts((FAILED,), refusal=RefusalReason.NO_CONTROLLER), Outcome.FAILED),
        # Apps: what does not answer us is not there, and what had to be woken should have rung.
        (CallFacts((IN_VAIN,)), Outcome.UNREACHABLE),
        (CallFacts((IN_VAIN,), ended_by=EndedBy.SYSTEM), Outcome.UNREACHABLE),
        (CallFacts((IN_VAIN,), ended_by=EndedBy.CALLER), Outcome.MISSED),
        (CallFacts((replace(IN_VAIN, status=DialStatus.CANCEL),)), Outcome.MISSED),
        (CallFacts((IN_VAIN, GIVEN_UP)), Outcome.MISSED),
        (CallFacts((IN_VAIN, FAILED)), Outcome.UNREACHABLE),
        (CallFacts((IN_VAIN, RANG_OUT)), Outcome.MISSED),
        (CallFacts((IN_VAIN, BUSY)), Outcome.BUSY),
        (CallFacts((IN_VAIN, ANSWERED)), Outcome.ANSWERED),
        (CallFacts((replace(GIVEN_UP, channel=Channel.APP, woken=True),)), Outcome.CANCELLED),
        (CallFacts((replace(FAILED, channel=Channel.APP),)), Outcome.UNREACHABLE),
        (CallFacts((replace(FAILED, channel=Channel.APP), GIVEN_UP)), Outcome.MISSED),
        (CallFacts((replace(RANG_OUT, channel=Channel.APP), AWAY)), Outcome.MISSED),
        (CallFacts((replace(RANG_OUT, channel=Channel.APP), FAILED)), Outcome.MISSED),
        (CallFacts((replace(RANG_OUT, channel=Channel.APP), BUSY)), Outcome.BUSY),
    ],
)
def test_the_last_attempt_that_says_anything_decides(call: CallFacts, outcome: Outcome) -> None:
    assert classify(call) is outcome


BLOCKING = {
    RefusalReason.BLOCKED,
    RefusalReason.IN_APP_OFF,
    RefusalReason.QUIET_HOURS,
    RefusalReason.UNANSWERED_IN_ROW,
    RefusalReason.PAIR_AN_HOUR,
    RefusalReason.CALLER_AN_HOUR,
}


@pytest.mark.parametrize("reason", RefusalReason)
def test_a_refused_call_is_recorded_by_its_reason(reason: RefusalReason) -> None:
    expected = {RefusalReason.CALLEE_UNREACHABLE: Outcome.UNREACHABLE}.get(
        reason, Outcome.BLOCKED if reason in BLOCKING else Outcome.FAILED
    )

    for ended_by in (None, *EndedBy):
        assert classify(CallFacts(refusal=reason, ended_by=ended_by)) is expected


def test_the_callee_missed_what_rang_or_should_have() -> None:
    assert {one for one in Outcome if is_missed(one)} == {Outcome.MISSED, Outcome.UNREACHABLE}


def test_a_status_that_is_none_of_asterisks_is_none() -> None:
    assert DialStatus.of("") is None
    assert DialStatus.of("answer") is None
    assert DialStatus.of("ANSWER") is DialStatus.ANSWER


ms = st.none() | st.integers(0, 60_000)
attempts = st.builds(
    AttemptFacts,
    status=st.none() | st.sampled_from(DialStatus),
    sip=st.none() | st.integers(-1, 999),
    cause=st.none() | st.integers(-1, 300),
    dial_ms=ms,
    progress_ms=ms,
    ring_ms=ms,
    channel=st.sampled_from(Channel),
    woken=st.none() | st.booleans(),
)
facts = st.builds(
    CallFacts,
    attempts=st.lists(attempts, max_size=6).map(tuple),
    refusal=st.none() | st.sampled_from(RefusalReason),
    answered=st.booleans(),
    ended_by=st.none() | st.sampled_from(EndedBy),
    node_died=st.booleans(),
)


@given(facts)
def test_every_call_has_an_outcome_that_its_facts_bear_out(call: CallFacts) -> None:
    outcome = classify(call)

    talked = call.answered or any(one.status is DialStatus.ANSWER for one in call.attempts)
    assert (outcome is Outcome.ANSWERED) is talked
    if outcome is Outcome.CANCELLED:
        assert not any(one.alerted or one.in_vain for one in call.attempts)
    if outcome is Outcome.MISSED:
        assert any(one.heard or is_missed(verdict(one)) for one in call.attempts)
    if outcome is Outcome.BLOCKED:
        assert call.refusal in BLOCKING


@given(attempts)
def test_an_attempt_that_ends_says_something_of_the_callee(attempt: AttemptFacts) -> None:
    if ends_attempt(attempt):
        assert verdict(attempt) is not Outcome.FAILED
