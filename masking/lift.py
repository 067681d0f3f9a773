"""The lift of the Call button over a shown number, or the plain statement that none can be told.

Pure. Trials are what was shown or pressed, successes are contacts: sessions that came so far. The
figures say how the two groups differ, not why: unless the platform drew by lot who sees what, the
groups may have differed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from masking.funnel import Level
from masking.proportions import Interval, Proportion, difference, ratio, wilson

FEWEST_TRIALS: Final = 100  # of each arm, before anything is said
FEWEST_SUCCESSES: Final = 5  # of both arms together
SMALL: Final = 10  # successes or failures of an arm, below which chance plays tricks
STEPS: Final = (Level.RANG, Level.ANSWERED, Level.TALKED)


class Verdict(StrEnum):
    """What can be said of a step."""

    HIGHER = "higher"  # of the button, and the interval leaves out nought
    LOWER = "lower"
    UNCLEAR = "unclear"  # chance alone might make such a difference
    NOT_ENOUGH_DATA = "not_enough_data"
    NOT_COMPARABLE = "not_comparable"  # more contacts than impressions: not all were reported


@dataclass(frozen=True, slots=True)
class Arm:
    """What was shown to one group, and what came of it."""

    impressions: int = 0
    called: int = 0
    rang: int = 0
    answered: int = 0
    talked: int = 0

    def reached(self, level: Level) -> int:
        """The contacts that came to `level`."""
        return (self.called, self.rang, self.answered, self.talked)[level - 1]


@dataclass(frozen=True, slots=True)
class StepLift:
    """How the two differ at one step. Without data there are no intervals."""

    level: Level
    verdict: Verdict
    small_sample: bool = False  # the intervals hold, but do not build on them yet
    button: Interval | None = None
    number: Interval | None = None
    difference: Interval | None = None  # of the shares: 0.05 is five points more
    relative: Interval | None = None  # 0.2 is a fifth more


def lift(button: Arm, number: Arm, confidence: float = 0.95) -> tuple[StepLift, ...]:
    """The button against the number at each step, with intervals of that `confidence`."""
    return tuple(_step(level, button, number, confidence) for level in STEPS)


def _step(level: Level, button: Arm, number: Arm, confidence: float) -> StepLift:
    arms = (button, number)
    if any(arm.impressions < FEWEST_TRIALS for arm in arms):
        return StepLift(level, Verdict.NOT_ENOUGH_DATA)
    if any(arm.called > arm.impressions for arm in arms):
        return StepLift(level, Verdict.NOT_COMPARABLE)
    one, other = (Proportion(arm.reached(level), arm.impressions) for arm in arms)
    if one.successes + other.successes < FEWEST_SUCCESSES:
        return StepLift(level, Verdict.NOT_ENOUGH_DATA)
    apart = difference(one, other, confidence)
    times = ratio(one, other, confidence)
    return StepLift(
        level,
        _verdict(apart),
        small_sample=any(min(p.successes, p.trials - p.successes) < SMALL for p in (one, other)),
        button=wilson(one, confidence),
        number=wilson(other, confidence),
        difference=apart,
        relative=Interval(
            None if times.value is None else times.value - 1, times.low - 1, times.high - 1
        ),
    )


def _verdict(apart: Interval) -> Verdict:
    if apart.low > 0:
        return Verdict.HIGHER
    return Verdict.LOWER if apart.high < 0 else Verdict.UNCLEAR
