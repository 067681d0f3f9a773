"""The board in words: every alarm can be told in every language, every figure has its unit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.console import alarms, board_view, readings
from api.console.alarm_words import Words
from api.console.alarms import Alarm, Condition, Reading
from api.console.board_watch import Snapshot
from api.console.board_window import Sums
from api.console.render import texts_of
from api.services import Health
from cdr.ledger import public_name
from storage.headroom import Gauge

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def every_reading() -> dict[alarms.Key, Reading]:
    """One of each condition, as the readings themselves make them."""
    way = ("carrier-a", "out")
    found = readings.asr({way: Sums(seizures=50)}, {way: Sums(seizures=500, answered=300)})
    found |= readings.silence({"carrier-a": False})
    found |= readings.failing({way: Sums(seizures=12, effective=1)})
    found |= readings.away({"n1": 90.0})
    found |= readings.pools([Gauge("default", 10, 10)], {"default": 20})
    found |= readings.deliveries(300, 7)
    found |= readings.recordings(2)
    return found | readings.parts(
        {
            "asterisk": Health(ok=False),
            "ingest": Health(ok=True, gauges={"ingest_lag_seconds": 500.0}),
            "event_file": Health(ok=True, gauges={"room_bytes": 3_000_000.0}),
        }
    )


def snapshot(*raised: Alarm) -> Snapshot:
    return Snapshot(
        version=0,
        at=NOW,
        calls=None,
        calls_line=(None,) * 60,
        setups_a_s=0.5,
        setups_line=(1,) * 60,
        whole=Sums(),
        asr_line=(),
        mos_line=(),
        mos=None,
        trunks=(),
        nodes=(),
        pools=(),
        owed=None,
        parts={},
        alarms=raised,
        kept={},
        past=(),
        reading=False,
        stale=False,
    )


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_alarm_is_told_with_its_figures_in_every_language(language: str) -> None:
    known: dict[alarms.Key, Alarm] = {}
    for second in range(0, 100, 5):
        known = alarms.step(known, every_reading(), NOW + timedelta(seconds=second))
    raised = alarms.raised(known)
    assert {one.condition for one in raised} == set(Condition)

    texts = texts_of()[language]
    told = {
        one.alarm.condition: one.text for one in board_view.view(snapshot(*raised), texts)["alarms"]
    }
    assert "carrier-a" in told[Condition.TRUNK_ASR]
    assert "60" in told[Condition.TRUNK_ASR]
    assert "12" in told[Condition.TRUNK_FAILING]
    assert "11" in told[Condition.TRUNK_FAILING]
    assert public_name("n1") in told[Condition.NODE_AWAY]
    assert "5:00" in told[Condition.DELIVERY_LAG]
    assert "8:20" in told[Condition.INGEST_LAG]
    assert all("{" not in text for text in told.values())


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_is_not_known_is_a_dash_and_every_term_is_explained(language: str) -> None:
    texts = texts_of()[language]
    tiles = {one.key: one for one in board_view.view(snapshot(), texts)["tiles"]}

    assert tiles["calls"].value == tiles["asr"].value == tiles["mos"].value == "–"
    assert tiles["setups"].value in ("0.50", "0,50")
    for term in board_view.TERMS:
        assert texts(f"board.term.{term}")


def test_late_is_said_in_seconds_until_they_are_many() -> None:
    words = Words(texts_of()["en"])

    assert words.lag(31) == "31\u00a0s"
    assert words.lag(119.4) == "119\u00a0s"
    assert words.lag(3_700) == "1:01:40"
