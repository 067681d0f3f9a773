"""Caps: how often somebody may call who is not answered, or at all. Pure.

What was taken is counted when a call is over, by whoever keeps its record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from masking.plan import RefusalReason
from masking.rules import CapRules


@dataclass(frozen=True, slots=True)
class Taken:
    """What a caller has had already of what caps allow."""

    unanswered_in_row: int = 0  # of this side of the session
    pair_an_hour: int = 0  # to this callee, in the last hour
    caller_an_hour: int = 0  # to anybody, in the last hour


NOTHING_TAKEN: Final = Taken()


def any_cap(rules: CapRules) -> bool:
    """Whether there is anything to hold a caller to."""
    return bool(rules.unanswered_in_row or rules.pair_an_hour or rules.caller_an_hour)


def capped(rules: CapRules, taken: Taken) -> RefusalReason | None:
    """Why one more call would be one too many; None if it would not."""
    if 0 < rules.unanswered_in_row <= taken.unanswered_in_row:
        return RefusalReason.UNANSWERED_IN_ROW
    if 0 < rules.pair_an_hour <= taken.pair_an_hour:
        return RefusalReason.PAIR_AN_HOUR
    if 0 < rules.caller_an_hour <= taken.caller_an_hour:
        return RefusalReason.CALLER_AN_HOUR
    return None
