"""What a call that is not over shows, from the rows that came so far."""

from __future__ import annotations

import random

import pytest

from cdr import live
from cdr.events import EventRow, parse
from tests.unit.cdr.scenario import NODE, START, scenarios

BY_NAME = {one.name: one for one in scenarios()}
SHOWN = ("state", "trunk_in", "trunk_out")


def rows_of(name: str) -> list[EventRow]:
    return sorted(parse(BY_NAME[name].lines, NODE).rows)


def states(name: str) -> list[str]:
    """The states that a call goes through, each once."""
    rows = rows_of(name)
    seen = [live.shown(rows[:n])["state"] for n in range(1, len(rows) + 1)]
    return list(dict.fromkeys(one for one in seen if one is not None))


def test_an_answered_call_is_offered_then_rings_then_is_up() -> None:
    assert states("answered_callee_ends") == ["offered", "ringing", "up"]
    shown = live.shown(rows_of("answered_callee_ends"))
    assert shown["offered_at"] == START
    assert (shown["session_id"], shown["caller_role"], shown["callee_role"]) == (
        *("ses_1", "buyer", "seller"),
    )
    assert (shown["trunk_in"], shown["trunk_out"]) == ("carrier-a", "carrier-b")


def test_it_says_no_way_out_before_somebody_has_answered_there() -> None:
    rows = [row for row in rows_of("answered_callee_ends") if row.kind != "ANSWER"]
    assert live.shown(rows)["state"] == "ringing"
    assert live.shown(rows)["trunk_out"] is None


def test_the_trunk_that_was_answered_is_the_one_that_was_tried_last() -> None:
    assert live.shown(rows_of("failover_then_answered"))["trunk_out"] == "carrier-c"


def test_an_answer_of_ours_before_an_announcement_is_nobodys() -> None:
    assert "up" not in states("unknown_caller")
    assert "up" not in states("prompts_in_vain")


def test_a_side_that_was_handed_over_goes_another_way() -> None:
    shown = live.shown(rows_of("handover_callee"))
    assert (shown["state"], shown["trunk_out"]) == ("up", "carrier-b")


def test_a_call_that_we_began_is_offered_when_it_was_asked_for() -> None:
    assert states("click_answered")[0] == "offered"
    assert states("click_answered")[-1] == "up"


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_order_of_rows_of_one_moment_makes_no_difference(name: str) -> None:
    rows = rows_of(name)
    mixed = sorted(random.Random(7).sample(rows, len(rows)), key=lambda row: row.at_us)
    assert live.shown(mixed) == live.shown(rows)


def test_channels_that_nobody_offered_as_a_call_show_nothing() -> None:
    assert set(live.shown(rows_of("no_call")).values()) == {None}
