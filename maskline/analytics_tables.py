"""Analytics as people read them: rows of a table from the API's answers, and a chart of a funnel.

Only shows: whatever is reckoned, is reckoned by the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from maskline.chart import Group, bars

Answer = Mapping[str, Any]
Rows = list[tuple[str, ...]]
_STEPS: Final = ("called", "rang", "answered", "talked")
_SERIES: Final = ("shown or pressed", "called", "rang", "answered", "talked over 10 s")
_MOST_GROUPS: Final = 40  # of a chart; nobody reads more bars
_WORDS: Final = {
    "higher": "the Call button brings more",
    "lower": "the Call button brings less",
    "unclear": "no difference that chance could not make",
    "not_enough_data": "not enough data",
    "not_comparable": "more contacts than impressions: not all of these were reported",
}


def funnel_rows(found: Answer) -> tuple[tuple[str, ...], Rows]:
    """Head and rows."""
    by = found["group_by"]
    head = (*by, "shown", "pressed", "contacts", "reached", "calls", *_STEPS[1:], "talk_s")
    rows = []
    for item in found["items"]:
        contacts = item["contacts"] or dict.fromkeys(_STEPS)
        told = (item["number_shown"], item["call_pressed"], contacts["called"], contacts["talked"])
        calls = tuple(item["calls"][step] for step in _STEPS)
        rows.append(
            tuple(map(_cell, (*(item[name] for name in by), *told, *calls, item["talk_s"])))
        )
    return _capitals(head), rows


def traffic_rows(found: Answer) -> tuple[tuple[str, ...], Rows]:
    """Head and rows."""
    by = found["group_by"]
    figures = ("seizures", "answered", "asr", "ner", "acd_s")
    head = (*by, "direction", *figures, "pdd_p50_ms", "pdd_p95_ms", "mos", "mos_p5")
    rows = []
    for item in found["items"]:
        pdd, mos = item["pdd"] or {}, item["mos"] or {}
        keys = (
            "app" if name == "trunk" and item["channel"] == "app" else item[name] for name in by
        )
        heard = (pdd.get("p50_ms"), pdd.get("p95_ms"), mos.get("mean"), mos.get("p5"))
        values = (*keys, item["direction"], *(item[name] for name in figures), *heard)
        rows.append(tuple(map(_cell, values)))
    return _capitals(head), rows


def lift_text(found: Answer) -> str:
    """The lift in lines."""
    lines = []
    for arm in found["arms"]:
        contacts = arm["contacts"]
        counts = ", ".join(f"{contacts[step]} {step}" for step in _STEPS)
        lines.append(f"{arm['variant']:13} {arm['impressions']} impressions: {counts}")
    share = round(found["confidence"] * 100)
    lines.append("")
    for step in found["steps"]:
        lines.append(f"{step['step']:9} {_WORDS[step['verdict']]}{_small(step)}")
        if step["difference"] is not None:
            points = _between(step["difference"], "points")
            times = _between(step["relative"], "%")
            lines.append(f"{'':9} {points}; relative {times} ({share} % confidence)")
    return "\n".join([*lines, "", found["caveat"]])


def funnel_chart(found: Answer) -> str:
    """The funnel as an SVG: of contacts where the split knows them, else of calls."""
    groups = []
    for item in found["items"][:_MOST_GROUPS]:
        label = " ".join(_cell(item[name]) or "-" for name in found["group_by"])
        steps = item["contacts"] or item["calls"]
        told = None
        if item["number_shown"] is not None:
            told = float(item["number_shown"] + item["call_pressed"])
        groups.append(Group(label, (told, *(float(steps[step]) for step in _STEPS))))
    contacts = all(item["contacts"] is not None for item in found["items"])
    title = f"From shown to talked, {found['from'][:10]} to {found['until'][:10]}"
    return bars(title, "contacts" if contacts else "calls", _SERIES, groups)


def _between(one: Mapping[str, float | None], unit: str) -> str:
    value, low, high = (_hundreds(one[name]) for name in ("value", "low", "high"))
    return f"{value} {unit}, between {low} and {high}"


def _hundreds(value: float | None) -> str:
    return "any" if value is None else f"{value * 100:+.1f}"


def _small(step: Answer) -> str:
    return " (a small sample: wait before building on it)" if step["small_sample"] else ""


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _capitals(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.upper() for name in names)
