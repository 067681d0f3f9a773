"""Attempts and legs as the JSON of a record's row, and back.

What was written once is read for ever: keys may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cdr.model import Attempt, Leg, Step, Stream
from masking.outcome import DialStatus, EndedBy
from masking.plan import Channel
from storage.columns import from_ms, to_ms

Json = dict[str, Any]


def attempts_json(attempts: Iterable[Attempt]) -> list[Json]:
    """Attempts in the order tried; times in milliseconds since 1970."""
    return [
        {
            "channel": attempt.channel.value,
            "steps": [
                {
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
                for step in attempt.steps
            ],
        }
        for attempt in attempts
    ]


def attempts_from(kept: Iterable[Mapping[str, Any]]) -> tuple[Attempt, ...]:
    """What `attempts_json` was given."""
    return tuple(
        Attempt(Channel(attempt["channel"]), tuple(_step(step) for step in attempt["steps"]))
        for attempt in kept
    )


def _step(kept: Mapping[str, Any]) -> Step:
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
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def legs_json(legs: Iterable[Leg]) -> list[Json]:
    """Legs in the record's order."""
    return [
        {
            "side": leg.side.value,
            "trunk": leg.trunk,
            "codec": leg.codec,
            "rtt_ms": leg.rtt_ms,
            "received": _stream_json(leg.received),
            "sent": _stream_json(leg.sent),
        }
        for leg in legs
    ]


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
        )
        for leg in kept
    )


def _stream(kept: Mapping[str, Any]) -> Stream:
    return Stream(
        packets=kept["packets"],
        lost=kept["lost"],
        jitter_ms=kept["jitter_ms"],
        mes=kept["mes"],
        mos=kept["mos"],
    )
