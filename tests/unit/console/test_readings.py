"""What alarms are judged by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.console import readings
from api.console.alarms import RULES, Condition
from api.console.board_window import Sums
from api.services import Health
from masking.headroom import is_low, is_relaxed
from storage.headroom import Gauge

ASR = RULES[Condition.TRUNK_ASR]
WEEK = Sums(seizures=10_000, answered=6_000)
WAY = ("carrier-a", "out")
SUBJECT = (Condition.TRUNK_ASR, "carrier-a out")


def asr(answered: int, seizures: int, week: Sums = WEEK) -> float | None:
    found = readings.asr({WAY: Sums(seizures=seizures, answered=answered)}, {WAY: week})
    return found[SUBJECT].value if found else None


def test_a_trunk_that_answers_as_usual_is_well_and_one_that_answers_nothing_is_not() -> None:
    usual, failing = asr(60, 100), asr(5, 100)

    assert usual is not None
    assert usual <= ASR.clear_at
    assert failing is not None
    assert failing >= ASR.raise_at


def test_few_calls_raise_no_alarm_by_chance() -> None:
    assert asr(0, readings.LEAST_SEIZURES - 1) is None
    few = asr(4, 10)  # of which six are usual
    assert few is not None
    assert few < ASR.raise_at


def test_a_trunk_is_compared_with_itself_alone() -> None:
    poor = Sums(seizures=1_000, answered=200)
    reading = asr(20, 100, poor)
    assert reading is not None
    assert reading < ASR.raise_at
    assert asr(5, 100, Sums(seizures=10, answered=9)) is None  # nothing is usual for it yet


def test_who_answers_in_an_app_is_no_matter_of_trunks() -> None:
    of_apps = {("", "out"): Sums(seizures=100)}
    assert readings.asr(of_apps, {("", "out"): WEEK}) == {}


@given(st.integers(1, 2_000), st.integers(0, 2_000), st.integers(1, 100))
def test_a_pool_is_low_and_well_again_where_the_warnings_say_so(
    size: int, held: int, low: int
) -> None:
    rule = RULES[Condition.POOL_LOW]
    found = readings.pools([Gauge("p", size, held)], {"p": low})
    value = found[Condition.POOL_LOW, "p"].value

    if is_relaxed(held, size, low):
        assert value <= rule.clear_at
    else:
        assert (value >= rule.raise_at) == is_low(held, size, low)


def test_a_pool_that_does_not_warn_gives_no_reading() -> None:
    assert readings.pools([Gauge("p", 10, 10)], {"p": 0}) == {}
    assert readings.pools([Gauge("p", 0, 0)], {"p": 20}) == {}


def test_parts_say_whether_they_are_well_and_how_they_keep_up() -> None:
    found = readings.parts(
        {
            "asterisk": Health(ok=False),
            "ingest": Health(ok=True, gauges={"ingest_lag_seconds": 31.0}),
            "event_file": Health(ok=True, gauges={"room_bytes": 100.0}),
        }
    )

    assert found[Condition.PART_UNWELL, "asterisk"].value == 1
    assert found[Condition.PART_UNWELL, "ingest"].value == 0
    assert found[Condition.INGEST_LAG, ""].value >= RULES[Condition.INGEST_LAG].raise_at
    assert found[Condition.DISK_LOW, ""].value >= RULES[Condition.DISK_LOW].raise_at


def test_plenty_of_disk_is_no_alarm() -> None:
    room = Health(ok=True, gauges={"room_bytes": 2.0 * readings.DISK_WARNING_BYTES})
    found = readings.parts({"event_file": room})

    assert found[Condition.DISK_LOW, ""].value <= RULES[Condition.DISK_LOW].clear_at


FAILING = RULES[Condition.TRUNK_FAILING]


def failing(worked: int, seizures: int, direction: str = "out", trunk: str = "c") -> float | None:
    found = readings.failing({(trunk, direction): Sums(seizures=seizures, effective=worked)})
    return found[Condition.TRUNK_FAILING, trunk].value if found else None


def test_a_trunk_through_which_nothing_gets_fails_whatever_is_usual_for_it() -> None:
    for calls in range(readings.LEAST_LATEST, 500):
        assert (failing(0, calls) or 0) >= FAILING.raise_at
    assert failing(0, readings.LEAST_LATEST - 1) is None


def test_a_trunk_of_which_a_third_cannot_be_reached_does_not_fail() -> None:
    value = failing(7, 10)
    assert value is not None
    assert value <= FAILING.clear_at
    assert (failing(400, 600) or 1) < FAILING.raise_at


def test_only_trunks_that_we_call_over_are_said_to_fail() -> None:
    assert failing(0, 50, direction="in") is None
    assert failing(0, 50, trunk="") is None


def test_a_trunk_that_leaves_options_unanswered_is_silent() -> None:
    found = readings.silence({"a": True, "b": False})

    assert found[Condition.TRUNK_SILENT, "a"].value == 0
    assert found[Condition.TRUNK_SILENT, "b"].value == 1
