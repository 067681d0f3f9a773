"""Attempts, legs and what else a record has many of, as the JSON of its row, and back.

What was written once is read for ever: keys may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cdr.model import (
    Attempt,
    Handover,
    HandoverResult,
    HandoverWhy,
    Leg,
    Prompt,
    Quality,
    Recording,
    Step,
    Stream,
    Wake,
    WakeResult,
)
from masking.outcome import DialStatus, EndedBy
from masking.plan import Channel, Went
from masking.quality_course import read
from masking.recording import NotRecorded
from masking.rules import RecordingMode
from storage.columns import from_ms, to_ms

Json = dict[str, Any]


def attempts_json(attempts: Iterable[Attempt]) -> list[Json]:
    """Attempts in the order tried; times in milliseconds since 1970."""
    return [
        {
            "channel": attempt.channel.value,
            "steps": [_step_json(step) for step in attempt.steps],
        }
        for attempt in attempts
    ]


def _step_json(step: Step) -> Json:
    kept: Json = {
        "n": step.n,
        "trunk": step.trunk,
        "status": step.status,
        "cause": step.cause,
        "sip": step.sip,
        "started_ms": to_ms(step.started_at),
        "rang_ms": None if step.rang_at is None else to_ms(step.rang_at),
        "ended_ms": to_ms(step.ended_at),
        "talk_ms": step.talk_ms,
    }
    if step.wake is not None:
        kept["wake"] = {"result": step.wake.result, "after_ms": step.wake.after_ms}
    if step.devices is not None:
        kept["devices"] = step.devices
    return kept


def attempts_from(kept: Iterable[Mapping[str, Any]]) -> tuple[Attempt, ...]:
    """What `attempts_json` was given."""
    return tuple(
        Attempt(Channel(attempt["channel"]), tuple(_step(step) for step in attempt["steps"]))
        for attempt in kept
    )


def _step(kept: Mapping[str, Any]) -> Step:
    wake = kept.get("wake")
    return Step(
        n=kept["n"],
        trunk=kept["trunk"],
        status=None if kept["status"] is None else DialStatus(kept["status"]),
        cause=kept["cause"],
        sip=kept["sip"],
        started_at=from_ms(kept["started_ms"]),
        rang_at=_moment(kept["rang_ms"]),
        ended_at=from_ms(kept["ended_ms"]),
        talk_ms=kept["talk_ms"],
        wake=None if wake is None else _wake(wake),
        devices=kept.get("devices"),
    )


def _wake(kept: Mapping[str, Any]) -> Wake:
    result = kept["result"]
    return Wake(None if result is None else WakeResult(result), kept["after_ms"])


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def legs_json(legs: Iterable[Leg]) -> list[Json]:
    """Legs in the record's order."""
    return [_leg_json(leg) for leg in legs]


def _leg_json(leg: Leg) -> Json:
    kept: Json = {
        "side": leg.side.value,
        "trunk": leg.trunk,
        "codec": leg.codec,
        "rtt_ms": leg.rtt_ms,
        "received": _stream_json(leg.received),
        "sent": _stream_json(leg.sent),
    }
    if leg.channel is Channel.APP:
        kept |= {"channel": leg.channel.value, "device": leg.device}
    return kept


def _stream_json(stream: Stream) -> Json:
    return {
        "packets": stream.packets,
        "lost": stream.lost,
        "jitter_ms": stream.jitter_ms,
        "mes": stream.mes,
        "mos": stream.mos,
    }


def legs_from(kept: Iterable[Mapping[str, Any]]) -> tuple[Leg, ...]:
    """What `legs_json` was given."""
    return tuple(
        Leg(
            side=EndedBy(leg["side"]),
            trunk=leg["trunk"],
            codec=leg["codec"],
            rtt_ms=leg["rtt_ms"],
            received=_stream(leg["received"]),
            sent=_stream(leg["sent"]),
            channel=_channel(leg),
            device=leg.get("device"),
        )
        for leg in kept
    )


def _channel(kept: Mapping[str, Any]) -> Channel | None:
    """A leg through a trunk says no more than that."""
    named = kept.get("channel")
    if named is not None:
        return Channel(named)
    return Channel.GSM if kept["trunk"] is not None else None


def _stream(kept: Mapping[str, Any]) -> Stream:
    return Stream(
        packets=kept["packets"],
        lost=kept["lost"],
        jitter_ms=kept["jitter_ms"],
        mes=kept["mes"],
        mos=kept["mos"],
    )


def prompts_json(prompts: Iterable[Prompt]) -> list[Json] | None:
    """Questions in their order; None: none, as in nearly every call."""
    kept = [
        {"kind": one.kind, "n": one.n, "at_ms": to_ms(one.at), "went": one.went} for one in prompts
    ]
    return kept or None


def prompts_from(kept: Iterable[Mapping[str, Any]] | None) -> tuple[Prompt, ...]:
    """What `prompts_json` was given."""
    return tuple(
        Prompt(
            kind=one["kind"],
            n=one["n"],
            at=from_ms(one["at_ms"]),
            went=None if one["went"] is None else Went(one["went"]),
        )
        for one in kept or ()
    )


def handovers_json(handovers: Iterable[Handover]) -> list[Json] | None:
    """Handovers in their order; None: none."""
    kept = [
        {
            "side": one.side.value,
            "from": one.source.value,
            "to": one.target.value,
            "why": one.why.value,
            "result": one.result.value,
            "at_ms": to_ms(one.at),
            "ms": one.ms,
            "trunk": one.trunk,
        }
        for one in handovers
    ]
    return kept or None


def handovers_from(kept: Iterable[Mapping[str, Any]] | None) -> tuple[Handover, ...]:
    """What `handovers_json` was given."""
    return tuple(
        Handover(
            side=EndedBy(one["side"]),
            source=Channel(one["from"]),
            target=Channel(one["to"]),
            why=HandoverWhy(one["why"]),
            result=HandoverResult(one["result"]),
            at=from_ms(one["at_ms"]),
            ms=one["ms"],
            trunk=one["trunk"],
        )
        for one in kept or ()
    )


def quality_json(quality: Iterable[Quality]) -> list[Json] | None:
    """How the sides sounded; None: nothing was measured."""
    kept = [
        {
            "side": one.side.value,
            "mos_min": one.mos_min,
            "mos_avg": one.mos_avg,
            "below_ms": one.below_ms,
            "offered": one.offered,
            # What few calls have is left out of all others, as they were before there was such.
            **({"courses": [course.text() for course in one.courses]} if one.courses else {}),
        }
        for one in quality
    ]
    return kept or None


def quality_from(kept: Iterable[Mapping[str, Any]] | None) -> tuple[Quality, ...]:
    """What `quality_json` was given."""
    return tuple(
        Quality(
            side=EndedBy(one["side"]),
            mos_min=one["mos_min"],
            mos_avg=one["mos_avg"],
            below_ms=one["below_ms"],
            offered=one["offered"],
            courses=tuple(
                course for text in one.get("courses", ()) if (course := read(text)) is not None
            ),
        )
        for one in kept or ()
    )


def recording_json(recording: Recording | None) -> Json | None:
    """What became of recording the call; None: the pool asks for none."""
    if recording is None:
        return None
    started, ended, reason = recording.started_at, recording.ended_at, recording.reason
    return {
        "asked": recording.asked.value,
        "announced_caller_ms": recording.announced_caller_ms,
        "announced_callee_ms": recording.announced_callee_ms,
        "started_ms": None if started is None else to_ms(started),
        "ended_ms": None if ended is None else to_ms(ended),
        "ms": recording.ms,
        "reason": None if reason is None else reason.value,
    }


def recording_from(kept: Mapping[str, Any] | None) -> Recording | None:
    """What `recording_json` was given."""
    if kept is None:
        return None
    reason = kept["reason"]
    return Recording(
        asked=RecordingMode(kept["asked"]),
        announced_caller_ms=kept["announced_caller_ms"],
        announced_callee_ms=kept["announced_callee_ms"],
        started_at=_moment(kept["started_ms"]),
        ended_at=_moment(kept["ended_ms"]),
        ms=kept["ms"],
        reason=None if reason is None else NotRecorded(reason),
    )
