"""What the rows of a call's attempts and legs amount to. Pure; a part of the fold.

The row ATTEMPT opens a step (one Dial), ATTEMPT_END closes it; steps in a row through the same
channel are one attempt. A step with "wake=1" begins with waiting for an app, and its Dial with the
row WOKE; without that row nothing was dialled, whatever figures stand in its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, Protocol

from cdr.events import EventRow, figure, integer
from cdr.model import Attempt, Leg, Step, Stream, Wake, WakeResult, mos
from cdr.times import moment
from cdr.turns import member, side_of
from masking.outcome import AttemptFacts, DialStatus, EndedBy
from masking.plan import Channel


class Rows(Protocol):
    """The rows of a call that tell of its attempts, each kind by time."""

    @property
    def begun(self) -> Sequence[EventRow]:
        """ATTEMPT."""

    @property
    def ended(self) -> Sequence[EventRow]:
        """ATTEMPT_END."""

    @property
    def woke(self) -> Sequence[EventRow]:
        """WOKE."""

    @property
    def answers(self) -> Sequence[EventRow]:
        """ANSWER, of the callee's channels."""


@dataclass(frozen=True, slots=True)
class Tried:
    """All tries to reach the callee, and what they came to."""

    attempts: tuple[Attempt, ...] = ()
    channel: Channel | None = None  # of the step that was answered, else of the last one
    trunk: str | None = None  # likewise
    cause: int | None = None  # likewise
    rang_at: datetime | None = None  # the first time
    answered_at: datetime | None = None
    ring_ms: int = 0  # over all steps
    talk_ms: int = 0
    facts: tuple[AttemptFacts, ...] = ()  # of each step, as the outcome is judged by


@dataclass(frozen=True, slots=True)
class _Timed:
    """A step with what its times say."""

    channel: Channel
    step: Step
    facts: AttemptFacts
    rang_us: int | None
    ring_us: int  # for how long
    answered_us: int | None


class _Bounds(NamedTuple):
    """The times between which a step can have been."""

    offered_us: int  # the call
    limit_us: int  # the next step began, or the call was over
    over_us: int  # the call
    left: bool  # by the caller, while it lasted


class _Told(NamedTuple):
    """A row about a step."""

    at_us: int
    facts: dict[str, str]


def tries(
    found: Rows, offered_us: int, over_us: int, *, given_up: bool = False, handed_over: bool = False
) -> Tried:
    """What the steps came to. `over_us` ends what is open; with `given_up` the caller did.

    With `handed_over`, they talked to the end of the call: a leg that was replaced ends nothing.
    """
    starts, ends = _by_number(found.begun), _by_number(found.ended)
    woke = _by_number(found.woke)
    numbers = sorted(starts.keys() | ends.keys())
    if not numbers:
        return Tried()
    answered = sorted(row.at_us for row in found.answers)
    timed: list[_Timed] = []
    for position, n in enumerate(numbers):
        follower = starts.get(numbers[position + 1]) if position + 1 < len(numbers) else None
        limit_us = min(follower.at_us, over_us) if follower else over_us
        rows = (starts.get(n), ends.get(n), woke.get(n))
        left = given_up and n == numbers[-1]
        timed.append(_step(n, rows, answered, _Bounds(offered_us, limit_us, over_us, left)))
    if handed_over:
        timed = [_prolonged(one, over_us) for one in timed]
    talked = next((one for one in timed if one.answered_us is not None), None)
    answered_us = talked.answered_us if talked else None
    decisive = talked or timed[-1]
    # Steps are known by number; only odd rows tell of one that rang after the answer.
    rang = [
        one
        for one in timed
        if one.rang_us is not None and (answered_us is None or one.rang_us <= answered_us)
    ]
    return Tried(
        attempts=tuple(
            Attempt(channel, tuple(one.step for one in group))
            for channel, group in groupby(timed, key=lambda one: one.channel)
        ),
        channel=decisive.channel,
        trunk=decisive.step.trunk,
        cause=decisive.step.cause,
        rang_at=min((one.step.rang_at for one in rang if one.step.rang_at), default=None),
        answered_at=None if answered_us is None else moment(answered_us),
        ring_ms=sum(one.ring_us for one in rang) // 1000,
        talk_ms=talked.step.talk_ms if talked else 0,
        facts=tuple(one.facts for one in timed),
    )


def _prolonged(one: _Timed, over_us: int) -> _Timed:
    """The step, if it was answered, as lasting to the end of the call."""
    if one.answered_us is None:
        return one
    talk_ms = (over_us - one.answered_us) // 1000
    return replace(one, step=replace(one.step, ended_at=moment(over_us), talk_ms=talk_ms))


def _by_number(rows: Iterable[EventRow]) -> dict[int, _Told]:
    found: dict[int, _Told] = {}
    for row in rows:
        facts = row.values()
        n = integer(facts, "n", most=99)
        if n is not None:
            found.setdefault(n, _Told(row.at_us, facts))
    return found


def _step(
    n: int,
    rows: tuple[_Told | None, _Told | None, _Told | None],
    answered: list[int],
    bounds: _Bounds,
) -> _Timed:
    """One step, by its beginning, its end and the waking between them.

    A missing row is made up for from the other ones and from what came after.
    """
    start, end, woke = rows
    opening = start.facts if start else {}
    closing = end.facts if end else {}
    ended_us = min(max(end.at_us if end else bounds.limit_us, bounds.offered_us), bounds.over_us)
    dial_us = (integer(closing, "dial_ms") or 0) * 1000
    started_us = start.at_us if start else ended_us - dial_us
    started_us = min(max(started_us, bounds.offered_us), ended_us)
    channel = Channel.APP if opening.get("channel") == Channel.APP.value else Channel.GSM
    dialled_us, wake = started_us, None
    if opening.get("wake") == "1" or woke:
        channel = Channel.APP
        talks = any(started_us <= at <= ended_us for at in answered)
        over = end is not None or bounds.limit_us < bounds.over_us
        wake = _wake(
            (started_us, ended_us), closing, woke, talks=talks, left=bounds.left, over=over
        )
        if wake.result is WakeResult.WOKEN:
            dialled_us = min(max(woke.at_us if woke else started_us, started_us), ended_us)
        else:
            closing = {}  # whatever stands there is of a Dial before
    facts = _facts(closing, (ended_us - dialled_us) // 1000, channel, wake)
    answered_us = None
    if facts.status in (DialStatus.ANSWER, None) and not facts.in_vain:
        answered_us = next((at for at in answered if dialled_us <= at <= ended_us), None)
    talk_ms = integer(closing, "talk_ms")
    if answered_us is None and facts.status is DialStatus.ANSWER:
        answered_us = max(dialled_us, ended_us - (talk_ms or 0) * 1000)
    if answered_us is None:
        talk_ms = 0
    else:  # Asterisk counts from its own answer to a caller who was asked for digits
        longest_ms = (ended_us - answered_us) // 1000
        talk_ms = longest_ms if talk_ms is None else min(talk_ms, longest_ms)
    until_us = ended_us if answered_us is None else answered_us
    rang_us = None
    if facts.alerted:  # by a 180, or by ringing played in-band
        after_ms = facts.ring_ms if facts.ring_ms is not None else facts.progress_ms
        rang_us = min(dialled_us + (after_ms or 0) * 1000, until_us)
    return _Timed(
        channel=channel,
        step=Step(
            n=n,
            trunk=opening.get("trunk") or None,
            status=facts.status,
            cause=facts.cause,
            sip=facts.sip,
            started_at=moment(started_us),
            rang_at=None if rang_us is None else moment(rang_us),
            ended_at=moment(ended_us),
            talk_ms=talk_ms,
            wake=wake,
            devices=_devices(woke.facts if woke else {}, opening),
        ),
        facts=facts,
        rang_us=rang_us,
        ring_us=0 if rang_us is None else until_us - rang_us,
        answered_us=answered_us,
    )


def _devices(woken: Mapping[str, str], opening: Mapping[str, str]) -> int | None:
    devices = integer(woken, "devices", most=99)
    return integer(opening, "devices", most=99) if devices is None else devices


def _wake(
    span_us: tuple[int, int],
    closing: Mapping[str, str],
    woke: _Told | None,
    *,
    talks: bool,
    left: bool,
    over: bool,
) -> Wake:
    started_us, ended_us = span_us
    if woke or talks:
        until_us = woke.at_us if woke else ended_us
        told_ms = integer(woke.facts, "after_ms") if woke else None
        waited_ms = max(0, min(until_us, ended_us) - started_us) // 1000
        return Wake(WakeResult.WOKEN, waited_ms if told_ms is None else told_ms)
    told = member(WakeResult, closing.get("wake"))
    if told is None or told is WakeResult.WOKEN:
        told = WakeResult.GIVEN_UP if left else WakeResult.TIMEOUT if over else None
    return Wake(told, (ended_us - started_us) // 1000)


def _facts(
    closing: Mapping[str, str], lasted_ms: int, channel: Channel, wake: Wake | None
) -> AttemptFacts:
    """What the outcome is judged by. Dial leaves its times out when the caller gives up."""
    dial_ms = integer(closing, "dial_ms")
    return AttemptFacts(
        status=DialStatus.of(closing.get("status", "")),
        sip=integer(closing, "sip", most=699) or None,
        cause=integer(closing, "cause", most=127),
        dial_ms=lasted_ms if dial_ms is None else dial_ms,
        progress_ms=integer(closing, "progress_ms"),
        ring_ms=integer(closing, "ring_ms"),
        channel=channel,
        woken=None if wake is None else wake.result is WakeResult.WOKEN,
    )


def legs(rows: Iterable[EventRow]) -> tuple[Leg, ...]:
    """The call's legs: the caller's, then the callee's in the order in which they ended."""
    found: dict[str, Leg] = {}
    for row in rows:
        facts = row.values()
        side = side_of(facts)
        if side is not None and row.unique_id not in found:
            found[row.unique_id] = _leg(side, facts)
    return tuple(sorted(found.values(), key=lambda leg: leg.side is not EndedBy.CALLER))


def _leg(side: EndedBy, facts: Mapping[str, str]) -> Leg:
    device = facts.get("app", "")
    trunk = facts.get("trunk") or None
    return Leg(
        side=side,
        trunk=trunk,
        codec=facts.get("codec") or None,
        rtt_ms=_ms(facts, "rtt") or None,  # 0: no report came back
        received=_stream(facts, count="rxcount", lost="lp", told="tx"),
        sent=_stream(facts, count="txcount", lost="rlp", told="rx"),
        channel=Channel.APP if device else Channel.GSM if trunk else None,
        device=device if _DEVICE.fullmatch(device) else None,
    )


_DEVICE = re.compile(r"[a-z0-9_]{1,64}")


def _stream(facts: Mapping[str, str], *, count: str, lost: str, told: str) -> Stream:
    """Asterisk's names: lp packets that did not reach us, rlp those the far end says it lost.

    But its txjitter and txmes are of what we receive, rxjitter and rxmes of what the far end
    reports: these it has the wrong way round, as a lossy line shows (`test_quality_of_phones`).
    """
    mes = figure(facts, told + "mes") or None  # 0: nothing was measured
    return Stream(
        packets=integer(facts, count),
        lost=integer(facts, lost),
        jitter_ms=_ms(facts, told + "jitter"),
        mes=mes,
        mos=None if mes is None else mos(mes),
    )


def _ms(facts: Mapping[str, str], key: str) -> float | None:
    """Seconds as Asterisk prints them, in milliseconds."""
    seconds = figure(facts, key)
    return None if seconds is None else round(seconds * 1000, 3) + 0.0  # never -0.0
