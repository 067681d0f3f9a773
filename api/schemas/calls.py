"""Call records, as they go out: who, through what, how it ended, how it sounded. Never a phone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import Moment, Out
from api.schemas.ratings import RatingOut
from api.schemas.sessions import ListingOut
from cdr.missed import Why
from cdr.model import CameBy, HandoverResult, HandoverWhy, WakeResult
from masking.model import Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Announcement, Channel, Went
from masking.recording import NotRecorded
from masking.recording_states import RecordingState
from masking.rules import RecordingMode

CallId = Annotated[str, Field(examples=["cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"])]


class PersonOut(Out):
    """Who stood on a side of a call, as far as it is known."""

    role: Role | None
    user_id: str | None


class WakeOut(Out):
    """An app that had to be woken before it could be rung."""

    result: WakeResult | None = Field(description="null: not seen")
    after_ms: int = Field(description="Until it came, or was not waited for any longer")


class StepOut(Out):
    """One trunk that was tried within an attempt, or the callee's devices all at once."""

    trunk: str | None
    status: DialStatus | None = Field(description="Asterisk's DIALSTATUS")
    cause: int | None = Field(description="ITU-T Q.850")
    sip_status: int | None
    started_at: Moment
    rang_at: Moment | None
    ended_at: Moment
    talk_ms: int
    wake: WakeOut | None
    devices: int | None = Field(description="How many apps were rung at once")


class AttemptOut(Out):
    """One try to reach the callee."""

    channel: Channel
    steps: list[StepOut]


class StreamOut(Out):
    """One direction of a leg's audio, from RTCP."""

    packets: int | None
    lost: int | None
    jitter_ms: float | None
    mos: float | None = Field(description="Mean opinion score, 1.0 to 4.5 (ITU-T G.107)")


class LegOut(Out):
    """One channel of the call and how it sounded."""

    side: EndedBy
    channel: Channel | None
    trunk: str | None
    device: str | None = Field(description="The app's username")
    codec: str | None
    rtt_ms: float | None
    received: StreamOut = Field(description="What came from this side")
    sent: StreamOut = Field(description="What went to this side, as it reported it")


class PromptOut(Out):
    """A question that was put to the caller. What was typed is nowhere."""

    kind: str = Field(examples=["pin"])
    n: int = Field(description="The n-th time in this call")
    at: Moment
    went: Went | None = Field(description="null: the caller left")


class HandoverOut(Out):
    """One try to move a side of the call to another channel."""

    side: EndedBy
    source: Channel
    target: Channel
    why: HandoverWhy
    result: HandoverResult
    at: Moment
    ms: int | None = Field(description="From the wish to its end")
    trunk: str | None


class QualityOut(Out):
    """How a side sounded while they talked (ITU-T G.107, over a sliding window)."""

    side: EndedBy
    mos_min: float | None
    mos_avg: float | None
    below_ms: int | None = Field(description="How long it was too bad")
    offered: int | None = Field(description="How often a handover was offered")


class CallRecordingOut(Out):
    """What became of recording a call, where its pool asks for that."""

    state: RecordingState | None = Field(
        description="What can be done with it now; null: there never was one"
    )
    asked: RecordingMode = Field(description="`consent` or `always`, as the pool said then")
    announced_caller_ms: int | None = Field(
        description="How much of the announcement the caller was played; null: it never came to it"
    )
    announced_callee_ms: int | None
    started_at: Moment | None = Field(description="Null: nothing was recorded")
    ended_at: Moment | None
    ms: int | None = Field(description="How long it was recorded")
    reason: NotRecorded | None = Field(description="Why there is none, or why it is not whole")


class CallOut(Out):
    """A call that is over."""

    call_id: CallId
    session_id: str | None
    conversation_id: str | None
    listing: ListingOut | None
    caller: PersonOut
    callee: PersonOut
    outcome: Outcome
    reason: str | None = Field(description="Why it was refused or cut off, where it was")
    why: Why | None = Field(description="Why the callee did not talk, as their call log says it")
    announcement: Announcement | None = Field(description="What a refused caller heard")
    ended_by: EndedBy | None
    cause: int | None = Field(description="ITU-T Q.850")
    sip_status: int | None = Field(description="The last one from a callee's trunk")
    came_by: CameBy | None = Field(description="How it began; null: not seen")
    channel: Channel | None = Field(description="The one answered, else the last one tried")
    node: str = Field(
        description="Which node carried it, as the ledger names it",
        examples=["node_71c140d1e33d35a3"],
    )
    number_in: str | None = Field(description="The proxy number that was dialled")
    number_out: str | None = Field(description="The proxy number that the callee saw")
    trunk_in: str | None
    trunk_out: str | None
    offered_at: Moment
    rang_at: Moment | None
    answered_at: Moment | None
    ended_at: Moment
    ring_s: float
    talk_s: float
    attempts: list[AttemptOut]
    legs: list[LegOut]
    prompts: list[PromptOut]
    handovers: list[HandoverOut] = Field(description="All tries, those in vain included")
    quality: list[QualityOut]
    recording: CallRecordingOut | None = Field(description="Null: the pool asked for none")
    ratings: list[RatingOut]
    version: int = Field(description="Rises with every correction of the record")


class CallPage(Out):
    """Calls, newest first."""

    items: list[CallOut]
    next_cursor: str | None


class LiveCallOut(Out):
    """A call that is on a node now."""

    call_id: CallId
    session_id: str | None
    caller: Role | None
    callee: Role | None
    trunk_in: str | None
    trunk_out: str | None
    state: str = Field(description="`offered`, `ringing` or `up`", examples=["up"])
    since: Moment


class LiveCallPage(Out):
    """Live calls, oldest first."""

    items: list[LiveCallOut]
    next_cursor: str | None
