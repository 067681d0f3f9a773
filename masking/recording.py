"""Whether a call is recorded: by the pool's rule, and by who has consented. Pure.

It fails closed: whoever is not known to have consented has not. That both sides must hear the
announcement in full is the dialplan's to see to; here it is only said which one it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from masking.model import Pool, Session
from masking.rules import RecordingMode, RecordingNotice

__all__ = ["NotRecorded", "Taping", "taping"]


class NotRecorded(StrEnum):
    """Why there is no recording though the pool asks for one, or why it is not whole."""

    NO_CONSENT = "no_consent"  # of both participants, known to the session
    NOT_ANSWERED = "not_answered"
    CALLER_LEFT = "caller_left"  # before they were joined
    CALLEE_LEFT = "callee_left"
    ANNOUNCEMENT_FAILED = "announcement_failed"  # it could not be played to one of them in full
    NOT_STARTED = "not_started"  # announced, and yet nothing was written
    NODE_DIED = "node_died"  # while it ran: what there is, is not all


@dataclass(frozen=True, slots=True)
class Taping:
    """What a plan says of recording, where the pool asks for it at all."""

    asked: RecordingMode  # never NEVER
    notice: RecordingNotice
    why_not: NotRecorded | None = None

    @property
    def record(self) -> bool:
        """Whether the call is to be recorded."""
        return self.why_not is None


def taping(pool: Pool, session: Session | None) -> Taping | None:
    """What `pool`, by whose rules the call is made, and `session` say; None: nothing is recorded.

    `always` speaks for the pool's own numbers alone: where the session, or a number of one of its
    sides, is of another pool, whose rule may be stricter, both must have consented. A call without
    a session has nobody who could have.
    """
    rules = pool.rules.recording
    match rules.mode:
        case RecordingMode.NEVER:
            return None
        case RecordingMode.CONSENT:
            allowed = _both_consent(session)
        case RecordingMode.ALWAYS:
            allowed = _all_of(pool, session) or _both_consent(session)
        case never:
            assert_never(never)
    return Taping(rules.mode, rules.announcement, None if allowed else NotRecorded.NO_CONSENT)


def _both_consent(session: Session | None) -> bool:
    return session is not None and all(one.recording_consent for one in session.participants)


def _all_of(pool: Pool, session: Session | None) -> bool:
    """Whether no other pool has a part in the call."""
    if session is None:
        return True
    return {pool.name} == {session.pool, *(lease.number.pool for lease in session.leases)}
