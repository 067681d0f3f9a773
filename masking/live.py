"""What is asked of calls that are up, or to be begun for somebody: the ways it can be refused."""

from __future__ import annotations

from enum import StrEnum

from masking.errors import MaskingError


class CannotNow(StrEnum):
    """Why a handover or a click to call is not begun, or came to nothing."""

    ALREADY_THERE = "already_there"  # that side is on this channel
    IN_PROGRESS = "in_progress"  # one of this call's is under way
    NOT_UP = "not_up"  # the call was not answered yet, or is ending
    NO_PHONE = "no_phone"  # of the participant
    NO_NUMBER = "no_number"  # to show to them
    NO_TRUNK = "no_trunk"  # to reach them through
    NO_APP = "no_app"  # none of their devices is registered
    SWITCHED_OFF = "switched_off"  # by the pool, the session's policy or the user
    BLOCKED = "blocked"
    QUIET_HOURS = "quiet_hours"
    TOO_MANY_CALLS = "too_many_calls"  # a cap is reached
    SESSION_OVER = "session_over"
    UNREACHABLE = "unreachable"  # the other side, through anything the session permits


class LiveRefused(MaskingError):
    """The call cannot be handed over or begun now."""

    error_id = "live_refused"

    def __init__(self, reason: CannotNow) -> None:
        super().__init__(f"not now: {reason.value}")
        self.reason = reason
