"""What the rows of a call's attempts and legs amount to. Pure; a part of the fold.

The row ATTEMPT opens a step (one Dial), ATTEMPT_END closes it; steps in a row through the same
channel are one attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from cdr.events import EventRow, figure, integer
from cdr.model import Attempt, Leg, Step, Stream, mos
from cdr.times import moment
from masking.outcome import AttemptFacts, DialStatus, EndedBy
from masking.plan import Channel


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


def tries(
    begun: Iterable[EventRow],
    ended: Iterable[EventRow],
    answers: Iterable[EventRow],
    offered_us: int,
    over_us: int,
) -> Tried:
    """What the steps came to. `answers`: of callee channels; `over_us` ends what is open."""
    starts = _by_number(begun)
    ends = _by_number(ended)
    numbers = sorted(starts.keys() | ends.keys())
    if not numbers:
        return Tried()
    answered = sorted(row.at_us for row in answers)
    timed: list[_Timed] = []
    for position, n in enumerate(numbers):
        follower = starts.get(numbers[position + 1]) if position + 1 < len(numbers) else None
        limit_us = min(follower[0], over_us) if follower else over_us
        timed.append(
            _step(n, starts.get(n), ends.get(n), answered, (offered_us, limit_us, over_us))
        )
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


def _by_number(rows: Iterable[EventRow]) -> dict[int, tuple[int, dict[str, str]]]:
    found: dict[int, tuple[int, dict[str, str]]] = {}
    for row in rows:
        facts = row.values()
        n = integer(facts, "n", most=99)
        if n is not None:
            found.setdefault(n, (row.at_us, facts))
    return found


def _step(
    n: int,
    start: tuple[int, dict[str, str]] | None,
    end: tuple[int, dict[str, str]] | None,
    answered: list[int],
    bounds_us: tuple[int, int, int],
) -> _Timed:
    """One step. A missing row is made up for from the other one and from what came after.

    `bounds_us`: when the call was offered, when the next step began, when the call was over.
    """
    offered_us, limit_us, over_us = bounds_us
    opening = start[1] if start else {}
    closing = end[1] if end else {}
    ended_us = min(max(end[0] if end else limit_us, offered_us), over_us)
    dial_us = (integer(closing, "dial_ms") or 0) * 1000
    started_us = start[0] if start else ended_us - dial_us
    started_us = min(max(started_us, offered_us), ended_us)
    facts = _facts(closing, (ended_us - started_us) // 1000)
    answered_us = None
    if facts.status in (DialStatus.ANSWER, None):
        answered_us = next((at for at in answered if started_us <= at <= ended_us), None)
    talk_ms = integer(closing, "talk_ms")
    if answered_us is None and facts.status is DialStatus.ANSWER:
        answered_us = max(started_us, ended_us - (talk_ms or 0) * 1000)
    if answered_us is None:
        talk_ms = 0
    else:  # Asterisk counts from its own answer to a caller who was asked for digits
        longest_ms = (ended_us - answered_us) // 1000
        talk_ms = longest_ms if talk_ms is None else min(talk_ms, longest_ms)
    until_us = ended_us if answered_us is None else answered_us
    rang_us = None
    if facts.alerted:  # by a 180, or by ringing played in-band
        after_ms = facts.ring_ms if facts.ring_ms is not None else facts.progress_ms
        rang_us = min(started_us + (after_ms or 0) * 1000, until_us)
    return _Timed(
        channel=Channel.APP if opening.get("channel") == Channel.APP.value else Channel.GSM,
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
        ),
        facts=facts,
        rang_us=rang_us,
        ring_us=0 if rang_us is None else until_us - rang_us,
        answered_us=answered_us,
    )


def _facts(closing: Mapping[str, str], lasted_ms: int) -> AttemptFacts:
    """What the outcome is judged by. Dial leaves its times out when the caller gives up."""
    dial_ms = integer(closing, "dial_ms")
    return AttemptFacts(
        status=DialStatus.of(closing.get("status", "")),
        sip=integer(closing, "sip", most=699) or None,
        cause=integer(closing, "cause", most=127),
        dial_ms=lasted_ms if dial_ms is None else dial_ms,
        progress_ms=integer(closing, "progress_ms"),
        ring_ms=integer(closing, "ring_ms"),
    )


def legs(rows: Iterable[EventRow]) -> tuple[Leg, ...]:
    """The call's legs: the caller's, then the callee's in the order in which they ended."""
    found: dict[str, Leg] = {}
    for row in rows:
        facts = row.values()
        side = facts.get("side")
        if side in (EndedBy.CALLER.value, EndedBy.CALLEE.value) and row.unique_id not in found:
            found[row.unique_id] = _leg(EndedBy(side), facts)
    return tuple(sorted(found.values(), key=lambda leg: leg.side is not EndedBy.CALLER))


def _leg(side: EndedBy, facts: Mapping[str, str]) -> Leg:
    return Leg(
        side=side,
        trunk=facts.get("trunk") or None,
        codec=facts.get("codec") or None,
        rtt_ms=_ms(facts, "rtt") or None,  # 0: no report came back
        received=_stream(facts, "rx", lost="lp"),
        sent=_stream(facts, "tx", lost="rlp"),
    )


def _stream(facts: Mapping[str, str], prefix: str, *, lost: str) -> Stream:
    """Asterisk's names: lp packets that did not reach us, rlp those the far end says it lost."""
    mes = figure(facts, prefix + "mes") or None  # 0: nothing was measured
    return Stream(
        packets=integer(facts, prefix + "count"),
        lost=integer(facts, lost),
        jitter_ms=_ms(facts, prefix + "jitter"),
        mes=mes,
        mos=None if mes is None else mos(mes),
    )


def _ms(facts: Mapping[str, str], key: str) -> float | None:
    """Seconds as Asterisk prints them, in milliseconds."""
    seconds = figure(facts, key)
    return None if seconds is None else round(seconds * 1000, 3)
