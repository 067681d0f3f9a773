"""Why nobody talked, as the callee's call log says it. Pure.

*Missed*: the phone rang, or should have rung and could not, and nobody talked; also when the caller
gave up while it rang. Quiet hours are the callee's own wish: they still want to know who called.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from cdr.model import CallRecord
from masking.outcome import EndedBy, Outcome
from masking.plan import RefusalReason


class Why(StrEnum):
    """Why the callee did not talk. Stands in the call log and in `call.missed` as the reason."""

    NO_ANSWER = "no_answer"  # it rang until our time or the carrier's was up
    OFFLINE = "offline"  # it should have rung and could not, also while the app was being woken
    GAVE_UP_WHILE_RINGING = "gave_up_while_ringing"  # the caller did
    BUSY = "busy"
    DECLINED = "declined"
    QUIET_HOURS = "quiet_hours"  # nobody was rung
    CUT_OFF = "cut_off"  # it rang, and we or a carrier failed


def why(record: CallRecord) -> Why | None:
    """Why the callee did not talk; None: they did, or the call is none of the callee's concern."""
    match record.outcome:
        case Outcome.BUSY:
            return Why.BUSY
        case Outcome.DECLINED:
            return Why.DECLINED
        case Outcome.UNREACHABLE:
            return Why.OFFLINE
        case Outcome.MISSED:
            return _of_missed(record)
        case Outcome.FAILED:
            return None if record.rang_at is None else Why.CUT_OFF
        case Outcome.BLOCKED:
            quiet = record.reason == RefusalReason.QUIET_HOURS
            return Why.QUIET_HOURS if quiet else None
        case Outcome.ANSWERED | Outcome.CANCELLED:
            return None
        case never:
            assert_never(never)


def _of_missed(record: CallRecord) -> Why:
    if record.rang_at is None and _looked_for_in_vain(record):
        return Why.OFFLINE
    return Why.GAVE_UP_WHILE_RINGING if record.ended_by is EndedBy.CALLER else Why.NO_ANSWER


def _looked_for_in_vain(record: CallRecord) -> bool:
    """Whether an attempt was over, or an app waited for, before the caller gave up."""
    steps = [step for attempt in record.attempts for step in attempt.steps]
    return len(steps) > 1 or any(step.wake is not None for step in steps)
