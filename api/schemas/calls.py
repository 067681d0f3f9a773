"""Call records, as they go out: who, through what, how it ended, how it sounded. Never a phone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import IdField, Moment, MomentIn, Out, PageQuery
from api.schemas.sessions import ListingOut
from masking.model import Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Announcement, Channel

CallId = Annotated[str, Field(examples=["cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"])]


class CallsQuery(PageQuery):
    """Which calls."""

    session_id: IdField | None = None
    conversation_id: IdField | None = None
    user_id: IdField | None = Field(default=None, description="On either side")
    outcome: Outcome | None = None
    from_: MomentIn | None = Field(
        default=None, alias="from", description="Offered at or after it, RFC 3339"
    )
    until: MomentIn | None = Field(default=None, description="Offered before it, RFC 3339")


class PersonOut(Out):
    """Who stood on a side of a call, as far as it is known."""

    role: Role | None
    user_id: str | None


class StepOut(Out):
    """One trunk that was tried within an attempt."""

    trunk: str | None
    status: DialStatus | None = Field(description="Asterisk's DIALSTATUS")
    cause: int | None = Field(description="ITU-T Q.850")
    sip_status: int | None
    started_at: Moment
    rang_at: Moment | None
    ended_at: Moment
    talk_ms: int


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
    trunk: str | None
    codec: str | None
    rtt_ms: float | None
    received: StreamOut = Field(description="What came from this side")
    sent: StreamOut = Field(description="What went to this side, as it reported it")


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
    announcement: Announcement | None = Field(description="What a refused caller heard")
    ended_by: EndedBy | None
    cause: int | None = Field(description="ITU-T Q.850")
    sip_status: int | None = Field(description="The last one from a callee's trunk")
    channel: Channel | None
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
