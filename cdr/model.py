"""What is kept of a call, as frozen values. No phone of anyone is among them, except sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from masking.model import Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Announcement, Channel


@dataclass(frozen=True, slots=True)
class Step:
    """One trunk that was tried within an attempt."""

    n: int  # counts the call's steps from 1
    trunk: str | None
    status: DialStatus | None  # None: its end was not seen
    cause: int | None  # ITU-T Q.850
    sip: int | None  # the last SIP status, where there was one
    started_at: datetime
    rang_at: datetime | None  # the first 180, or ringing played in-band
    ended_at: datetime
    talk_ms: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to reach the callee through one channel."""

    channel: Channel
    steps: tuple[Step, ...]  # at least one


@dataclass(frozen=True, slots=True)
class Stream:
    """One direction of a leg's audio, as RTCP told of it."""

    packets: int | None
    lost: int | None
    jitter_ms: float | None
    mes: float | None  # Asterisk's media experience score, an R factor of ITU-T G.107, as given
    mos: float | None  # the same as a mean opinion score, 1.0 to 4.5


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel of the call and how it sounded."""

    side: EndedBy  # caller or callee
    trunk: str | None
    codec: str | None
    rtt_ms: float | None
    received: Stream  # what the leg's far end sent us
    sent: Stream  # what we sent, as the far end reported it


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is kept of a call."""

    call_id: str
    node: str
    linked_id: str
    session_id: str | None
    caller_role: Role | None
    callee_role: Role | None
    number_in: str | None  # the proxy number that was dialled
    number_out: str | None  # the proxy number that the callee saw
    trunk_in: str | None
    trunk_out: str | None
    channel: Channel | None  # the one that was answered, else the last one tried
    outcome: Outcome
    reason: str | None  # of a refusal, or why the record had to be closed without its end
    announcement: Announcement | None  # what a refused caller heard
    ended_by: EndedBy | None
    cause: int | None  # ITU-T Q.850
    offered_at: datetime
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime
    ring_ms: int  # how long it rang at the callee's, over all steps
    talk_ms: int
    attempts: tuple[Attempt, ...]
    legs: tuple[Leg, ...]
    caller_sealed: bytes | None = field(default=None, repr=False)  # of callers without a session
    caller_index: bytes | None = field(default=None, repr=False)
    # Who they are: from the session, when the call is recorded.
    conversation_id: str | None = None
    listing_id: str | None = None
    listing_title: str | None = None
    caller_user_id: str | None = None
    callee_user_id: str | None = None
    recorded_at: datetime | None = None
    version: int = 1  # rises with every correction of the record

    @property
    def ring_s(self) -> float:
        """How long it rang, in seconds."""
        return self.ring_ms / 1000

    @property
    def talk_s(self) -> float:
        """How long they talked, in seconds."""
        return self.talk_ms / 1000

    @property
    def sip_status(self) -> int | None:
        """The SIP status of the last step that had one."""
        return next(
            (
                s.sip
                for a in reversed(self.attempts)
                for s in reversed(a.steps)
                if s.sip is not None
            ),
            None,
        )


def mos(r: float) -> float:
    """The mean opinion score of an R factor of 0 to 100, in hundredths (ITU-T G.107, Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return round(max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6), 2)
