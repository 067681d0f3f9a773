"""What the rows beside offers and attempts say: prompts, clicks, handovers, how a call sounded.

Pure; a part of the fold. A row whose facts are not of the vocabulary says nothing. What a caller
typed is in no row, and nothing here would keep it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar, cast

from cdr.events import EventKind, EventRow, figure, integer
from cdr.model import Handover, HandoverResult, HandoverWhy, Prompt, Quality
from cdr.times import moment
from masking.outcome import EndedBy
from masking.plan import Channel, Went
from masking.quality_course import read

_E = TypeVar("_E", bound=StrEnum)
_KIND = re.compile(r"[a-z]{1,16}")
_MILLISECONDS = re.compile(r"[0-9]{13}")  # since 1970
_LONGEST_MS = 600_000
_MOST_COURSES = 12  # as many of a side are drawn
_COURSES = ("course", "came", "went")  # the first: of both directions, as it was kept once
_SIDES = (EndedBy.CALLER, EndedBy.CALLEE)


def member(kind: type[_E], text: str | None) -> _E | None:
    """The member of the vocabulary; None for a word it does not have."""
    return cast("_E | None", _member(kind, text)) if text else None


@lru_cache(maxsize=512)  # the same few words in every call
def _member(kind: type[StrEnum], text: str) -> StrEnum | None:
    try:
        return kind(text)
    except ValueError:
        return None


def side_of(facts: Mapping[str, str]) -> EndedBy | None:
    """The side that the row speaks of, if it is one of the two."""
    side = member(EndedBy, facts.get("side"))
    return side if side in _SIDES else None


def prompts(ordered: Sequence[EventRow]) -> tuple[Prompt, ...]:
    """What the caller was asked, and how it went. `ordered`: all rows of the call, by time.

    How a question went stands in the row of whatever followed it.
    """
    found: list[Prompt] = []
    asked: list[tuple[EventRow, str, int]] = []
    for row in ordered:
        if row.kind is EventKind.PROMPT:
            facts = row.values()
            kind, n = facts.get("kind", ""), integer(facts, "n", most=99)
            if _KIND.fullmatch(kind) and n is not None:
                asked.append((row, kind, n))
    if not asked:
        return ()
    telling = [
        (row.at_us, facts.get("asked"), integer(facts, "try", most=99), went)
        for row in ordered
        if row.kind in (EventKind.PROMPT, EventKind.PLAN, EventKind.REFUSE)
        and (went := member(Went, (facts := row.values()).get("went"))) is not None
    ]
    for place, (row, kind, n) in enumerate(asked):
        until = asked[place + 1][0].at_us if place + 1 < len(asked) else None
        went = next(
            (
                said
                for at_us, told, of, said in telling
                if (told, of) == (kind, n)
                and at_us > row.at_us
                and (until is None or at_us <= until)
            ),
            None,
        )
        found.append(Prompt(kind, n, moment(row.at_us), went))
    return tuple(found)


def handovers(rows: Iterable[EventRow]) -> tuple[tuple[EventRow, Handover], ...]:
    """The tries to hand a side over, in order of time, each with the row that decided it.

    For one handover several legs may be rung. A leg says beforehand that it takes its place, and
    again if that came to nothing: what it said last counts, and of the legs the one that did it.
    """
    tries: dict[str, dict[str, tuple[EventRow, Handover]]] = {}
    for row in rows:
        facts = row.values()
        one = _handover(row, facts)
        if one is not None:
            legs = tries.setdefault(facts.get("id") or row.unique_id, {})
            legs.pop(row.unique_id, None)
            legs[row.unique_id] = row, one
    decided = [_decisive(list(legs.values())) for legs in tries.values()]
    return tuple(sorted(decided, key=lambda pair: pair[0]))


def _decisive(legs: list[tuple[EventRow, Handover]]) -> tuple[EventRow, Handover]:
    done = [leg for leg in legs if leg[1].result is HandoverResult.DONE]
    return done[0] if done else legs[-1]


def _handover(row: EventRow, facts: Mapping[str, str]) -> Handover | None:
    side, result = side_of(facts), member(HandoverResult, facts.get("result"))
    source, target = member(Channel, facts.get("from")), member(Channel, facts.get("to"))
    if side is None or result is None or source is None or target is None:
        return None
    return Handover(
        side=side,
        source=source,
        target=target,
        why=member(HandoverWhy, facts.get("why")) or HandoverWhy.REQUEST,
        result=result,
        at=moment(row.at_us),
        ms=_took_ms(row, facts),
        trunk=facts.get("trunk") or None,
    )


def _took_ms(row: EventRow, facts: Mapping[str, str]) -> int | None:
    """From the wish until now, by the time of the wish; None if it is not told or lies ahead."""
    asked_ms = facts.get("asked_ms", "")
    if not _MILLISECONDS.fullmatch(asked_ms):
        return integer(facts, "ms")
    took_ms = row.at_us // 1000 - int(asked_ms)
    return took_ms if 0 <= took_ms <= _LONGEST_MS else None


def sounded(rows: Iterable[EventRow]) -> tuple[Quality, ...]:
    """How each side sounded, over all legs that stood for it. The caller comes first.

    Every leg tells of itself once; what it says again replaces that.
    """
    legs: dict[tuple[EndedBy, str], Mapping[str, str]] = {}
    for row in rows:
        facts = row.values()
        side = side_of(facts)
        if side is not None:
            legs[side, row.unique_id] = facts
    return tuple(
        _quality(side, told)
        for side in _SIDES
        if (told := [facts for (of, _), facts in legs.items() if of is side])
    )


def _quality(side: EndedBy, legs: Sequence[Mapping[str, str]]) -> Quality:
    worst = [score for facts in legs if (score := _score(facts, "mos_min")) is not None]
    means = [score for facts in legs if (score := _score(facts, "mos_avg")) is not None]
    poor = [ms for facts in legs if (ms := integer(facts, "poor_ms")) is not None]
    offered = [n for facts in legs if (n := integer(facts, "offered", most=999)) is not None]
    courses = [
        course
        for facts in legs
        for name in _COURSES
        if (course := read(facts.get(name, ""))) is not None
    ]
    courses.sort(key=lambda course: course.began_ms)
    return Quality(
        side=side,
        mos_min=min(worst, default=None),
        mos_avg=round(sum(means) / len(means), 2) if means else None,
        below_ms=sum(poor) if poor else None,
        offered=sum(offered) if offered else None,
        courses=tuple(courses[:_MOST_COURSES]),
    )


def _score(facts: Mapping[str, str], key: str) -> float | None:
    score = figure(facts, key)
    return score if score is not None and 1.0 <= score <= 4.5 else None
