"""What is kept of a call, as frozen values. No phone of anyone is among them, except sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from masking.funnel import Variant
from masking.model import Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Announcement, Channel, Went
from masking.quality_course import Course
from masking.recording import NotRecorded
from masking.rules import RecordingMode

CALLER_UNREACHED = "caller_unreached"
"""The reason of a call that the platform asked for and whose caller was not there."""


class CameBy(StrEnum):
    """How a call began."""

    GSM = "gsm"  # somebody dialled a proxy number
    APP = "app"  # somebody dialled their session
    CLICK = "click"  # the platform asked for it: the caller was rung first


class WakeResult(StrEnum):
    """What became of waking an app."""

    WOKEN = "woken"
    TIMEOUT = "timeout"  # it did not come in time
    REFUSED = "refused"  # the platform's hook did not take the push
    GIVEN_UP = "given_up"  # the caller left first


@dataclass(frozen=True, slots=True)
class Wake:
    """An app that had to be woken before it could be rung."""

    result: WakeResult | None  # None: not seen
    after_ms: int  # from the beginning of waiting until it came, or the waiting ended


@dataclass(frozen=True, slots=True)
class Step:
    """One Dial within an attempt: one trunk, or the callee's devices all at once."""

    n: int  # counts the call's steps from 1
    trunk: str | None
    status: DialStatus | None  # None: its end was not seen
    cause: int | None  # ITU-T Q.850
    sip: int | None  # the last SIP status, where there was one
    started_at: datetime
    rang_at: datetime | None  # the first 180, or ringing played in-band
    ended_at: datetime
    talk_ms: int
    wake: Wake | None = None  # apps only: had to be woken first
    devices: int | None = None  # apps only: how many were rung


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
    channel: Channel | None = None
    device: str | None = None  # apps only: the credential's username


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that was put to the caller. What was typed is nowhere."""

    kind: str  # pin, extension, which, listing
    n: int  # the n-th time in this call that this was asked
    at: datetime
    went: Went | None  # None: the caller left


class HandoverWhy(StrEnum):
    """Who wanted a handover."""

    REQUEST = "request"  # the person, or their platform
    QUALITY = "quality"  # it sounded too bad, and the pool's rules say so


class HandoverResult(StrEnum):
    """What became of a handover."""

    DONE = "done"
    GONE = "gone"  # the new leg was there, the other side no more
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    BUSY = "busy"
    DECLINED = "declined"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Handover:
    """One try to move a side of a call that is up to another channel."""

    side: EndedBy  # caller or callee
    source: Channel
    target: Channel
    why: HandoverWhy
    result: HandoverResult
    at: datetime  # when it was done, or given up
    ms: int | None  # how long that took from the wish
    trunk: str | None


@dataclass(frozen=True, slots=True)
class Quality:
    """How a side sounded while they talked, by the windowed score (ITU-T G.107)."""

    side: EndedBy  # caller or callee
    mos_min: float | None
    mos_avg: float | None
    below_ms: int | None  # how long it was too bad
    offered: int | None  # how often a handover was offered
    courses: tuple[Course, ...] = ()  # over time, of each leg that stood for the side


@dataclass(frozen=True, slots=True)
class Recording:
    """What became of recording the call, where its pool asks for that."""

    asked: RecordingMode
    announced_caller_ms: int | None = None  # how much of the announcement each side was played
    announced_callee_ms: int | None = None
    started_at: datetime | None = None  # None: there is no recording
    ended_at: datetime | None = None
    ms: int | None = None
    reason: NotRecorded | None = None  # why there is none, or why it is not whole

    @property
    def has_audio(self) -> bool:
        """Whether anything was recorded, whole or not."""
        return self.started_at is not None


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
    channel: Channel | None  # the callee's that was answered, else the last one tried
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
    corrected_why: str | None = None  # None: it never was
    corrected_by: str | None = None  # `system`, or the id of the API key
    came_by: CameBy | None = None  # None: not seen
    prompts: tuple[Prompt, ...] = ()
    handovers: tuple[Handover, ...] = ()  # all tries, those in vain included
    quality: tuple[Quality, ...] = ()
    recording: Recording | None = None  # None: the pool asks for none
    category: str | None = None  # of the listing
    variant: Variant | None = None  # what the call was made with; None: no session is known

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
