"""Analytics as people read them on the command line."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from maskline.analytics_tables import funnel_chart, funnel_rows, lift_text, traffic_rows

STEPS = {"called": 9, "rang": 7, "answered": 5, "talked": 3}
CONTACTS = {"called": 8, "rang": 6, "answered": 4, "talked": 2}
ITEM: dict[str, Any] = {
    "day": "2026-11-22",
    "category": None,
    "number_shown": 40,
    "call_pressed": 20,
    "contacts": CONTACTS,
    "calls": STEPS,
    "talk_s": 61.5,
}
FUNNEL: dict[str, Any] = {
    "from": "2026-11-15T00:00:00Z",
    "until": "2026-11-23T00:00:00Z",
    "group_by": ["day", "category"],
    "items": [ITEM, ITEM | {"number_shown": None, "call_pressed": None, "contacts": None}],
}


def test_a_funnel_is_a_table_with_gaps_where_nothing_is_known() -> None:
    head, (first, second) = funnel_rows(FUNNEL)
    assert head[:6] == ("DAY", "CATEGORY", "SHOWN", "PRESSED", "CONTACTS", "REACHED")
    assert first == ("2026-11-22", "", "40", "20", "8", "2", "9", "7", "5", "3", "61.5")
    assert second[2:6] == ("", "", "", "")


def test_a_funnel_is_drawn_with_a_bar_for_each_step() -> None:
    svg = funnel_chart(FUNNEL)
    texts = [text.text for text in ET.fromstring(svg).iter() if text.text and text.text.strip()]  # noqa: S314 (our own)
    assert "From shown to talked, 2026-11-15 to 2026-11-23" in texts
    assert {"60", "8", "6", "4", "2"} <= set(texts)
    assert "calls" in texts, "a line without contacts shows calls, and says so"


def test_traffic_names_apps_where_there_is_no_trunk() -> None:
    item = {
        "trunk": None,
        "channel": "app",
        "direction": "in",
        "seizures": 3,
        "answered": 1,
        "asr": 0.3333,
        "ner": 1.0,
        "acd_s": 12.5,
        "pdd": {"p50_ms": 900.0, "p95_ms": 2000.0},
        "mos": None,
    }
    head, (row,) = traffic_rows({"group_by": ["trunk"], "items": [item]})
    assert head[:2] == ("TRUNK", "DIRECTION")
    assert row == ("app", "in", "3", "1", "0.3333", "1.0", "12.5", "900.0", "2000.0", "", "")


def lift(**step: Any) -> str:  # noqa: ANN401 (JSON)
    told = {"step": "talked", "small_sample": False, "difference": None, "relative": None}
    arm = {"variant": "call_button", "impressions": 200, "contacts": STEPS}
    found = {"arms": [arm], "confidence": 0.95, "steps": [told | step], "caveat": "Mind this."}
    return lift_text(found)


def test_a_lift_says_what_it_says_and_what_it_does_not() -> None:
    text = lift(
        verdict="higher",
        small_sample=True,
        difference={"value": 0.1, "low": 0.034, "high": 0.166},
        relative={"value": None, "low": 0.2, "high": None},
    )
    assert "the Call button brings more (a small sample" in text
    assert "+10.0 points, between +3.4 and +16.6" in text
    assert "relative any %, between +20.0 and any (95 % confidence)" in text
    assert text.endswith("Mind this.")


def test_a_lift_without_data_gives_no_figures() -> None:
    text = lift(verdict="not_enough_data")
    assert "not enough data" in text
    assert "points" not in text
