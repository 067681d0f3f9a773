"""Alarms: from readings to what somebody has to be told, by one table of conditions. Pure.

An alarm never flaps. A reading has to stay beyond one threshold for a while before the alarm is
raised, and beyond another, safer one for a while before it is over; between the two nothing
changes. One that comes back soon is the same alarm, and takes longer to be over each time.
Never reads a clock, and never says anything itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Condition(StrEnum):
    """What can be wrong."""

    PART_UNWELL = "part_unwell"  # Asterisk, the controller, the database …
    NODE_AWAY = "node_away"  # nothing is heard of who reads its events
    TRUNK_SILENT = "trunk_silent"  # it does not answer OPTIONS
    TRUNK_FAILING = "trunk_failing"  # of its last calls most came to nothing
    TRUNK_ASR = "trunk_asr"  # far below what is usual for the trunk
    POOL_LOW = "pool_low"
    DISK_LOW = "disk_low"
    INGEST_LAG = "ingest_lag"
    DELIVERY_LAG = "delivery_lag"
    RECORDINGS_FAILING = "recordings_failing"


class Weight(StrEnum):
    """How bad it is."""

    GRAVE = "grave"  # calls are lost, or will be soon
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alarm is raised, and when it is over. Readings rise as things get worse."""

    condition: Condition
    weight: Weight
    raise_at: float  # so much or more is wrong …
    raise_after_s: float  # … once it has lasted
    clear_at: float  # so much or less is well, below `raise_at` …
    clear_after_s: float  # … once it has lasted; twice as long with each return


RULES: Final = {
    rule.condition: rule
    for rule in (
        # 1: it says so itself.
        Rule(Condition.PART_UNWELL, Weight.GRAVE, 1, 5, 0, 30),
        # Seconds since the node's reader was heard of; it says something every ten.
        Rule(Condition.NODE_AWAY, Weight.GRAVE, 45, 5, 25, 30),
        # The share of its latest seizures that surely failed by no user's doing.
        Rule(Condition.TRUNK_FAILING, Weight.GRAVE, 0.5, 10, 0.2, 60),
        # 1: its last OPTIONS were not answered.
        Rule(Condition.TRUNK_SILENT, Weight.GRAVE, 1, 10, 0, 60),
        # By how much of all seizures it is surely below the usual (see `asr_reading`).
        Rule(Condition.TRUNK_ASR, Weight.GRAVE, 0.10, 30, 0.03, 120),
        # Percent of the pool by which its head-room lies below what the pool calls low.
        Rule(Condition.POOL_LOW, Weight.WARNING, 0, 10, -10, 60),
        # Percent of what is worth a warning that is missing.
        Rule(Condition.DISK_LOW, Weight.GRAVE, 0, 5, -25, 60),
        # Seconds.
        Rule(Condition.INGEST_LAG, Weight.WARNING, 30, 10, 5, 60),
        Rule(Condition.DELIVERY_LAG, Weight.WARNING, 120, 10, 30, 60),
        # Recordings that came to nothing within a quarter of an hour.
        Rule(Condition.RECORDINGS_FAILING, Weight.WARNING, 1, 0, 0, 60),
    )
}

Rules = Mapping[Condition, Rule]


def rules_with(changes: Mapping[str, float]) -> Rules:
    """The rules with `changes` by ``condition.field``: trunk_failing.raise_after_s. ValueError."""
    found = dict(RULES)
    for name, value in changes.items():
        condition, _, field_name = name.partition(".")
        if condition not in set(Condition) or field_name not in _CHANGES:
            raise ValueError(f"{name} is nothing that alarms have")
        if not math.isfinite(value) or (field_name.endswith("_s") and not 0 <= value <= _DAY_S):
            raise ValueError(f"{name} must be finite, and a time 0 to {_DAY_S:.0f} seconds")
        key = Condition(condition)
        found[key] = _CHANGES[field_name](found[key], value)
    for rule in found.values():
        if rule.clear_at >= rule.raise_at:
            raise ValueError(f"{rule.condition.value}.clear_at must be less than its raise_at")
    return found


_CHANGES: Final[Mapping[str, Callable[[Rule, float], Rule]]] = {
    "raise_at": lambda rule, value: replace(rule, raise_at=value),
    "raise_after_s": lambda rule, value: replace(rule, raise_after_s=value),
    "clear_at": lambda rule, value: replace(rule, clear_at=value),
    "clear_after_s": lambda rule, value: replace(rule, clear_after_s=value),
}
_DAY_S: Final = 86_400.0

FORGET_AFTER: Final = timedelta(minutes=15)
"""So long after an alarm is over its return is a new one; so long without a reading it is over."""
LONGEST_CLEAR_S: Final = 900.0
MOST: Final = 2000
"""Alarms that are followed at once; of more, the first by name."""

Fact = float | str
Key = tuple[Condition, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """How bad it is now, and what a person is told of it."""

    value: float
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One condition of one subject: raised, about to be, or over not long ago."""

    condition: Condition
    subject: str  # the trunk, pool or part; "" for the whole house
    reading: Reading
    seen_at: datetime  # when there was last a reading
    since: datetime | None = None  # raised, and wrong since then; None: it is not raised
    turning: datetime | None = None  # the readings have spoken against its state since then
    times: int = 0  # it was raised, counting returns
    over_at: datetime | None = None

    @property
    def raised(self) -> bool:
        """Whether somebody has to be told."""
        return self.since is not None

    @property
    def grave(self) -> bool:
        """Whether calls are lost, or will be soon."""
        return RULES[self.condition].weight is Weight.GRAVE


def step(
    known: Mapping[Key, Alarm],
    readings: Mapping[Key, Reading],
    now: datetime,
    rules: Rules = RULES,
) -> dict[Key, Alarm]:
    """What is known after these readings, which are all that there are now."""
    found: dict[Key, Alarm] = {}
    for key in sorted(known.keys() | readings.keys())[:MOST]:
        alarm = _next(key, known.get(key), readings.get(key), now, rules[key[0]])
        if alarm is not None:
            found[key] = alarm
    return found


def raised(known: Mapping[Key, Alarm]) -> tuple[Alarm, ...]:
    """What somebody has to be told: the grave first, of them the oldest."""
    return tuple(
        sorted(
            (alarm for alarm in known.values() if alarm.since is not None),
            key=lambda one: (not one.grave, one.since, one.condition, one.subject),
        )
    )


def clear_after_s(rule: Rule, times: int) -> float:
    """How long all has to be well before an alarm that was raised so often is over."""
    return min(rule.clear_after_s * 2.0 ** max(0, times - 1), LONGEST_CLEAR_S)


def _next(
    key: Key, alarm: Alarm | None, reading: Reading | None, now: datetime, rule: Rule
) -> Alarm | None:
    if reading is None:
        if alarm is None or now - alarm.seen_at >= FORGET_AFTER:
            return None
        # Nothing is known: what had begun to turn has to begin anew.
        return replace(alarm, turning=None)
    if alarm is None:
        alarm = Alarm(*key, reading, now)
    alarm = replace(alarm, reading=reading, seen_at=max(now, alarm.seen_at))
    turned = _raise(alarm, rule, now) if alarm.since is None else _clear(alarm, rule, now)
    if turned.since is None and turned.turning is None and _forgotten(turned, now):
        return None
    return turned


def _raise(alarm: Alarm, rule: Rule, now: datetime) -> Alarm:
    if alarm.reading.value < rule.raise_at:
        return replace(alarm, turning=None)
    turning = alarm.turning or now
    if (now - turning).total_seconds() < rule.raise_after_s:
        return replace(alarm, turning=turning)
    times = 1 if _forgotten(alarm, now) else alarm.times + 1
    return replace(alarm, since=turning, turning=None, times=times, over_at=None)


def _clear(alarm: Alarm, rule: Rule, now: datetime) -> Alarm:
    if alarm.reading.value > rule.clear_at:
        return replace(alarm, turning=None)
    turning = alarm.turning or now
    if (now - turning).total_seconds() < clear_after_s(rule, alarm.times):
        return replace(alarm, turning=turning)
    return replace(alarm, since=None, turning=None, over_at=now)


def _forgotten(alarm: Alarm, now: datetime) -> bool:
    return alarm.over_at is None or now - alarm.over_at >= FORGET_AFTER
