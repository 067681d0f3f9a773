"""The lift of the Call button: told where it can be, and refused where it cannot."""

from __future__ import annotations

import pytest

from masking.funnel import Level
from masking.lift import Arm, StepLift, Verdict, lift

BUTTON = Arm(1_000, called=600, rang=500, answered=400, talked=300)
NUMBER = Arm(1_000, called=500, rang=400, answered=300, talked=200)


def talked(button: Arm, number: Arm, confidence: float = 0.95) -> StepLift:
    found = {one.level: one for one in lift(button, number, confidence)}
    assert set(found) == {Level.RANG, Level.ANSWERED, Level.TALKED}
    return found[Level.TALKED]


def test_a_clear_lift_has_its_intervals() -> None:
    found = talked(BUTTON, NUMBER)
    assert found.verdict is Verdict.HIGHER
    assert not found.small_sample
    assert found.difference is not None
    assert found.relative is not None
    assert found.difference.value == pytest.approx(0.1)
    assert 0.06 < found.difference.low < found.difference.high < 0.14
    assert found.relative.value == pytest.approx(0.5)
    assert 0.2 < found.relative.low < found.relative.high < 0.8


def test_the_other_way_round_it_is_lower() -> None:
    assert talked(NUMBER, BUTTON).verdict is Verdict.LOWER


def test_what_chance_may_do_is_unclear() -> None:
    number = Arm(1_000, 600, 500, 400, 290)
    assert talked(BUTTON, number).verdict is Verdict.UNCLEAR


def test_a_higher_confidence_asks_for_more() -> None:
    number = Arm(1_000, 600, 500, 400, 260)
    assert talked(BUTTON, number, 0.9).verdict is Verdict.HIGHER
    assert talked(BUTTON, number, 0.99).verdict is Verdict.UNCLEAR


@pytest.mark.parametrize("few", [Arm(), Arm(99, 50, 40, 30, 20)])
def test_too_few_impressions_say_nothing(few: Arm) -> None:
    for one in (talked(BUTTON, few), talked(few, BUTTON)):
        assert one.verdict is Verdict.NOT_ENOUGH_DATA
        assert one.difference is None
        assert one.relative is None


def test_too_few_successes_say_nothing() -> None:
    assert talked(Arm(1_000, 9, 9, 9, 2), Arm(1_000, 9, 9, 9, 2)).verdict is Verdict.NOT_ENOUGH_DATA


def test_more_contacts_than_impressions_cannot_be_compared() -> None:
    found = talked(Arm(100, called=101, rang=50, answered=40, talked=30), NUMBER)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert found.difference is None


def test_a_small_sample_is_said_to_be_one() -> None:
    found = talked(BUTTON, Arm(1_000, called=20, rang=12, answered=9, talked=0))
    assert found.small_sample
    assert found.relative is not None
    assert found.relative.value is None
    assert found.relative.high == float("inf")
