"""Holds what an exported record shows to the content that its link in the ledger vouches for.

The ledger proves the content. A column beside it could be changed by anyone, and it is what people
read: so each that follows from the content must say the same. Who the people were and what it was
about is not in the content, and ratings came later: of those nothing is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from cdr.bands import worst_mos
from cdr.codec import legs_from, quality_from
from cdr.export import text_of, time_text
from cdr.export_rows import Value
from storage.columns import from_ms

Content = Mapping[str, Any]


def differing(said: Mapping[str, object], content: str) -> str | None:
    """The first column of the record that says otherwise than its content; None: none does.

    `said`: by column, the texts of a CSV or the values of a JSON line. Raises ValueError for a
    content that is none.
    """
    kept: Content = orjson.loads(content)
    for name, value_of in _SHOWN:
        if name in said and _text(said[name]) != value_of(kept):
            return name
    return None


def _text(value: object) -> str:
    match value:
        case str():
            return value.removeprefix("'")
        case None | bool() | int():
            return text_of(value)
        case _:
            return repr(value)  # no column holds such a thing


def _plain(name: str) -> Callable[[Content], str]:
    return lambda kept: _text(kept.get(name))


def _time(name: str) -> Callable[[Content], str]:
    def text(kept: Content) -> str:
        at = kept.get(name)
        return "" if at is None else time_text(from_ms(at))

    return text


def _count(name: str) -> Callable[[Content], str]:
    return lambda kept: str(len(kept.get(name) or ()))


def _sip_status(kept: Content) -> str:
    steps = [step for attempt in kept.get("attempts") or () for step in attempt["steps"]]
    return text_of(next((one["sip"] for one in reversed(steps) if one["sip"] is not None), None))


def _recorded(kept: Content) -> str:
    recording = kept.get("recording")
    value: Value = recording is not None and recording["started_ms"] is not None
    return text_of(value)


def _mos(kept: Content) -> str:
    return text_of(worst_mos(quality_from(kept.get("quality")), legs_from(kept.get("legs") or ())))


_SHOWN: Final[tuple[tuple[str, Callable[[Content], str]], ...]] = (
    *(
        (name, _plain(name))
        for name in (
            *("call_id", "node", "session_id", "category", "caller_role", "callee_role"),
            *("outcome", "reason", "announcement", "ended_by", "cause", "channel"),
            *("number_in", "number_out", "trunk_in", "trunk_out", "ring_ms", "talk_ms", "version"),
        )
    ),
    ("came_by", _plain("channel_in")),
    *(
        (name, _time(name))
        for name in ("offered_at", "rang_at", "answered_at", "ended_at", "recorded_at")
    ),
    ("sip_status", _sip_status),
    ("attempts_count", _count("attempts")),
    ("handovers_count", _count("handovers")),
    ("recorded", _recorded),
    ("mos_hundredths", _mos),
)
