"""Webhooks: where the platform's notices go, and what came of each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import WHOLE, In, LongText, Moment, Out, PageQuery
from api.schemas.patterns import WEB_URL
from storage.deliveries import State

Event = Literal[
    "call.ended",
    "call.missed",
    "call.quality",
    "call.handover",
    "call.corrected",
    "recording.ready",
    "recording.failed",
    "call.late",
    "session.opened",
    "session.ending",
    "session.closed",
    "listing.rotated",
    "pool.low",
    "pin.locked",
    "phone.enrolled",
    "alarm.raised",
    "alarm.cleared",
]
UrlField = Annotated[
    str,
    Field(
        pattern=WEB_URL,
        max_length=2048,
        description="https, to a public address; others only where the operator allows them",
        examples=["https://shop.example/maskline"],
    ),
]
EventsField = Annotated[
    list[Event],
    Field(
        min_length=1,
        max_length=20,
        description="Without it: all events, those of later versions too",
        examples=[["call.ended", "call.missed"]],
    ),
]
OVERLAP_S = 86_400


class WebhookIn(In):
    """A webhook to be made."""

    url: UrlField
    events: EventsField | None = None
    description: LongText | None = Field(default=None, description="For people")


class WebhookPatch(In):
    """What is to be different; what is left out stays."""

    url: UrlField | None = None
    events: EventsField | None = None
    all_events: Literal[True] | None = Field(default=None, description="In the place of `events`")
    description: LongText | None = None
    enabled: bool | None = Field(
        default=None, description="`false`: nothing is sent, what is owed waits for up to 3 days"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        given = (self.url, self.events, self.all_events, self.description, self.enabled)
        if all(one is None for one in given):
            raise PydanticCustomError("nothing", "say what is to be different")
        if self.events is not None and self.all_events is not None:
            raise PydanticCustomError("one_of", "give either events or all_events")
        return self


class SecretIn(In):
    """How long the secret before is to go on signing beside the new one."""

    overlap_s: Annotated[int, Field(ge=0, le=7 * 86_400), WHOLE] = OVERLAP_S


class ResendIn(In):
    """Which dead deliveries are to be sent again: the oldest first."""

    at_most: Annotated[int, Field(ge=1, le=10_000), WHOLE] = 1000


class Receiver(Out):
    """How the receiver fares."""

    state: Literal["well", "failing", "circuit_open", "disabled"]
    failures: int = Field(description="In a row")
    failing_since: Moment | None
    next_try_at: Moment | None = Field(description="While its circuit is open")
    succeeded_at: Moment | None = Field(description="To about 10 seconds")


class WebhookOut(Out):
    """A webhook, without its secret."""

    id: str = Field(examples=["whk_01hx3m8w5c0000000000000000"])
    url: str
    events: list[str] | None = Field(description="null: all")
    description: str | None
    enabled: bool
    disabled_why: str | None = Field(
        description="null: you asked for it; `gone`: it answered 410", examples=[None]
    )
    receiver: Receiver
    previous_secret_until: Moment | None = Field(description="Until then two secrets sign")
    created_at: Moment
    updated_at: Moment


class WebhookMade(WebhookOut):
    """A webhook with a new secret: keep it, it is not shown again."""

    secret: str = Field(description="Standard Webhooks: `whsec_` and base64 of 32 bytes")


class WebhookPage(Out):
    """Webhooks, newest first."""

    items: list[WebhookOut]
    next_cursor: str | None


class TestSent(Out):
    """A test that is under way."""

    __test__ = False

    event_id: str = Field(description="`webhook-id` of the message", examples=["evt_5g8s1t2v3w"])


class TryOut(Out):
    """One try."""

    at: Moment
    status: int | None = Field(description="HTTP; null: there was no answer")
    error: str | None = Field(
        description="Why there was none: `timed_out`, `unreachable`, `tls_refused`, "
        "`address_refused`, `url_refused`, `internal`"
    )
    took_ms: int


class DeliveryOut(Out):
    """One event on its way to one webhook."""

    id: int
    event_id: str = Field(description="`webhook-id`: the same however often it is sent")
    type: str
    conversation_id: str | None
    state: State
    tries: int
    created_at: Moment
    next_try_at: Moment | None
    finished_at: Moment | None
    log: list[TryOut] = Field(description="The last 20 tries")


class DeliveryPage(Out):
    """Deliveries, newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    state: State | None = None


class Resent(Out):
    """How many deliveries are under way again."""

    resent: int
