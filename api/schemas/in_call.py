"""Before and during a call: preflight, click to call, handover."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import IdField, In, Out
from masking.plan import Channel
from masking.quality import Codec

Millis = Annotated[float, Field(ge=0, le=60_000)]


class MeasuredIn(In):
    """What the app measured of its way to us."""

    rtt_ms: Millis = Field(description="There and back")
    jitter_ms: Millis = Field(description="Interarrival jitter, RFC 3550")
    loss: Annotated[float, Field(ge=0, le=1, description="Share of packets")]
    codec: Codec = Codec.OPUS


class PreflightIn(MeasuredIn):
    """What a participant's app measured."""

    user_id: IdField = Field(description="Who is about to call")


class PreflightOut(Out):
    """How the call had better be made."""

    channel: Channel
    mos: float = Field(description="The score to be expected in the app, 1 to 4.5 (ITU-T G.107)")
    reason: str = Field(
        description="`good`; `loss`, `delay` or `jitter`, whichever is to blame; `only_way`: poor, "
        "but the caller has no number to dial",
        examples=["loss"],
    )
    reason_text: str = Field(description="In the language of `Accept-Language`, ru or en")
    dial: str | None = Field(
        description="What to dial: the session's address in the app, or the number",
        examples=["+74951110001"],
    )
    tel: str | None = Field(description="The number in any case, with commas as pauses")
    callable: bool = Field(description="Whether the other side can be called now at all")
    callable_reason: str | None = Field(
        description="Why not: `session_closed`, `session_expired`, a cap such as `pair_an_hour`, "
        "`quiet_hours`, `blocked`; to the app, `not_now` for the last two",
        examples=["quiet_hours"],
    )


class ClickIn(In):
    """Who is to call; their phone rings first."""

    from_: IdField = Field(alias="from", examples=["u-1"])


class ClickOut(Out):
    """The call that begins."""

    call_id: str = Field(examples=["cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"])


class HandoverIn(In):
    """Whose side of the call moves, and whereto."""

    user_id: IdField
    to: Channel


class AppHandoverIn(In):
    """Whereto one's own side of the call moves."""

    to: Channel


class HandoverBegun(Out):
    """The handover that begins; its end is told by `call.handover`."""

    call_id: str
    to: Channel
