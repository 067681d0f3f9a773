"""What the board says: a snapshot in a person's language. Texts and lines, nothing of a person.

Made once for each snapshot, language and time zone, however many look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.console.alarm_words import Words, told
from api.console.alarms import Alarm, Key
from api.console.board_watch import LINE_STEP, Row, Snapshot
from api.console.board_window import MINUTE_MS, MINUTES, Sums
from api.console.sparkline import path
from api.console.texts import Texts
from masking.headroom import is_low, left
from storage.alarms import Kept
from storage.columns import to_ms

TERMS: Final = ("asr", "acd", "pdd", "mos", "seizures", "head_room")
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at a glance, with its line."""

    key: str
    term: str | None  # what it means
    value: str
    note: str
    spark: str | None = None  # the line's name; None: it has none
    line: str = ""  # of an SVG path


@dataclass(frozen=True, slots=True)
class Traffic:
    """A row of the tables of trunks and nodes."""

    name: str
    link: str | None  # on to the calls
    direction: str
    seizures: str
    asr: str
    usual: str | None
    acd: str
    pdd: str
    mos: str
    line: str
    told: str  # the line in words
    options: str | None  # None: not shown
    tone: str


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A row of the table of pools."""

    name: str
    size: str
    held: str
    left: str
    warns: str
    low: bool


@dataclass(frozen=True, slots=True)
class Over:
    """An alarm that is over, as it is told."""

    kept: Kept
    text: str
    lasted: str


@dataclass(frozen=True, slots=True)
class Warn:
    """An alarm, as it is told."""

    alarm: Alarm
    text: str
    times: str | None
    kept: Kept | None  # None: not yet


def view(snapshot: Snapshot, texts: Texts) -> dict[str, Any]:
    """What the board's templates fill in."""
    words = Words(texts)
    return {
        "at": snapshot.at,
        "reading": snapshot.reading,
        "stale": snapshot.stale,
        "tiles": _tiles(snapshot, texts, words),
        "alarms": [_alarm(one, snapshot.kept, texts, words) for one in snapshot.alarms],
        "past": [_over(one, texts, words) for one in snapshot.past],
        "trunks": [_trunk(row, texts, words) for row in snapshot.trunks],
        "nodes": [_node(row, texts, words) for row in snapshot.nodes],
        "pools": None
        if snapshot.pools is None
        else [
            PoolRow(
                name=one.gauge.pool,
                size=words.number(one.gauge.size),
                held=words.number(one.gauge.held),
                left=words.number(left(one.gauge.held, one.gauge.size)),
                warns=words.share(one.low_percent / 100)
                if one.low_percent
                else texts("board.pool.never"),
                low=is_low(one.gauge.held, one.gauge.size, one.low_percent),
            )
            for one in snapshot.pools
        ],
        "parts": [(words.part(name), found.ok) for name, found in sorted(snapshot.parts.items())],
    }


def lines(snapshot: Snapshot) -> dict[str, Any]:
    """The lines of the tiles, for a script that draws them: begin and step in seconds, values."""
    first = to_ms(snapshot.at) // MINUTE_MS - MINUTES + 1
    return {
        "first": first * _MINUTE_S,
        "calls": {"step": _MINUTE_S, "values": snapshot.calls_line},
        "setups": {"step": _MINUTE_S, "values": snapshot.setups_line},
        "asr": {"step": LINE_STEP * _MINUTE_S, "values": _rounded(snapshot.asr_line, 100, 1)},
        "mos": {"step": LINE_STEP * _MINUTE_S, "values": _rounded(snapshot.mos_line, 1, 2)},
    }


def _rounded(
    values: tuple[float | None, ...], times: float, digits: int
) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(value * times, digits) for value in values)


def _tiles(snapshot: Snapshot, t: Texts, words: Words) -> list[Tile]:
    whole, calls = snapshot.whole, snapshot.calls
    split = dict.fromkeys(("offered", "ringing", "up"), 0) | dict(calls or {})
    owed = snapshot.owed
    waits: list[str] = []
    if owed is not None:
        waits.append(t("board.tile.waiting", n=owed.waiting))
        if owed.dead:
            waits.append(t("board.tile.dead", n=owed.dead))
    return [
        Tile(
            "calls",
            None,
            words.number(None if calls is None else sum(calls.values())),
            t("board.elsewhere") if calls is None else t("board.tile.calls_split", **split),
            "calls",
            path(snapshot.calls_line, low=0),
        ),
        Tile(
            "setups",
            None,
            words.number(snapshot.setups_a_s, 2 if snapshot.setups_a_s < 10 else 0),
            t("board.tile.setups_hour", n=sum(snapshot.setups_line)),
            "setups",
            path(snapshot.setups_line, low=0),
        ),
        Tile(
            "asr",
            "asr",
            words.share(whole.asr),
            t("board.tile.acd", value=words.seconds(whole.acd_s)),
            "asr",
            path(snapshot.asr_line, low=0, high=1),
        ),
        Tile(
            "mos",
            "mos",
            words.number(snapshot.mos, 2),
            t("board.tile.pdd", value=words.delay(whole.pdd_ms)),
            "mos",
            path(snapshot.mos_line, low=1, high=4.5),
        ),
        Tile(
            "delivery",
            None,
            words.number(None) if owed is None else words.lag(owed.oldest_s),
            ", ".join(waits) or t("board.unknown"),
        ),
    ]


def _trunk(row: Row, t: Texts, words: Words) -> Traffic:
    answers = {True: "board.answers", False: "board.silent", None: "board.not_asked"}[row.answers]
    return _traffic(
        row,
        t,
        words,
        name=row.name or t("board.apps"),
        link=f"/console/calls?trunk={row.name}&period=1h" if row.name else None,
        options=t(answers) if row.name else None,
    )


def _node(row: Row, t: Texts, words: Words) -> Traffic:
    link = f"/console/calls?node={row.name}&period=1h"
    return _traffic(row, t, words, name=row.name, link=link, options=None)


def _traffic(
    row: Row, t: Texts, words: Words, *, name: str, link: str | None, options: str | None
) -> Traffic:
    sums: Sums = row.sums
    usual = None if row.usual is None else t("board.usual", share=words.share(row.usual))
    told = ", ".join(words.share(value) for value in row.line)
    return Traffic(
        name=name,
        link=link,
        direction=t(f"board.{row.direction}"),
        seizures=words.number(sums.seizures),
        asr=words.share(sums.asr),
        usual=usual,
        acd=words.seconds(sums.acd_s),
        pdd=words.delay(sums.pdd_ms),
        mos=words.number(sums.mos, 2),
        line=path(row.line, low=0, high=1),
        told=t("board.line", values=told),
        options=options,
        tone={True: "ok", False: "bad", None: "calm"}[row.answers],
    )


def _alarm(alarm: Alarm, kept: Mapping[Key, Kept], t: Texts, words: Words) -> Warn:
    text = told(alarm.condition.value, alarm.subject, alarm.reading.facts, t, words)
    times = t("board.alarm.times", n=alarm.times) if alarm.times > 1 else None
    return Warn(alarm, text, times, kept.get((alarm.condition, alarm.subject)))


def _over(kept: Kept, t: Texts, words: Words) -> Over:
    assert kept.cleared_at is not None
    text = told(kept.condition, kept.subject, kept.facts, t, words)
    lasted = (kept.cleared_at - kept.since).total_seconds()
    return Over(kept, text, words.seconds(lasted))
