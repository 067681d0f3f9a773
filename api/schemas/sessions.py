"""Sessions: what a platform asks for, and what it gets.

A participant's phone comes in here and never goes out: `ParticipantOut` has no field for it.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import (
    WHOLE,
    IdField,
    In,
    LongText,
    Moment,
    MomentIn,
    NameField,
    Out,
    PageQuery,
    PhoneField,
    ShortText,
)
from api.schemas.texts import refuse_phones
from masking.lifecycle import MAX_TTL, MIN_TTL
from masking.model import ChannelPolicy, Role, SessionState

MIN_TTL_S = int(MIN_TTL.total_seconds())
MAX_TTL_S = int(MAX_TTL.total_seconds())


class ListingIn(In):
    """What the conversation is about, as the platform names it."""

    id: IdField
    title: LongText | None = None


class ParticipantIn(In):
    """One side of a session, with the card that the other side sees."""

    role: Role
    user_id: IdField
    phone: PhoneField | None = Field(
        default=None, description="Never sent out again. Without one: reachable in the app only"
    )
    name: ShortText | None = Field(default=None, description="Shown to the other side")
    rating: Annotated[float, Field(ge=0, le=5)] | None = Field(
        default=None, description="Shown to the other side"
    )
    facts: Annotated[
        dict[ShortText, ShortText],
        Field(
            max_length=8,
            description="Trust facts shown to the other side",
            json_schema_extra={"additionalProperties": False},
        ),
    ] = Field(default_factory=dict)


def _participants(value: list[ParticipantIn]) -> list[ParticipantIn]:
    first, second = value
    if first.role is second.role:
        raise PydanticCustomError("same_role", "the two participants must have different roles")
    if first.user_id == second.user_id:
        raise PydanticCustomError("same_user", "the two participants must be different users")
    if first.phone is not None and first.phone == second.phone:
        raise PydanticCustomError("same_phone", "the two participants must have different phones")
    return value


class SessionIn(In):
    """A session to be opened."""

    conversation_id: IdField = Field(examples=["chat-81"])
    listing: ListingIn | None = None
    participants: Annotated[
        list[ParticipantIn],
        Field(min_length=2, max_length=2, description="Two, of different roles, users and phones"),
        AfterValidator(_participants),
    ]
    pool: NameField = "default"
    ttl_s: Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S), WHOLE] = 86_400
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM

    @model_validator(mode="after")
    def _no_phone_in_texts(self) -> Self:
        refuse_phones(self._texts(), [one.phone for one in self.participants])
        return self

    def _texts(self) -> list[tuple[str, str]]:
        texts = [("conversation_id", self.conversation_id)]
        if self.listing is not None:
            texts += [("listing.id", self.listing.id), ("listing.title", self.listing.title or "")]
        for index, one in enumerate(self.participants):
            at = f"participants[{index}]"
            texts += [(f"{at}.user_id", one.user_id), (f"{at}.name", one.name or "")]
            if one.facts:
                texts += [(f"{at}.facts", f"{key} {value}") for key, value in one.facts.items()]
        return texts


class SessionPatch(In):
    """When the session is to end instead: one of the two."""

    ttl_s: (
        Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S, description="Counted from now"), WHOLE]
        | None
    ) = None
    expires_at: MomentIn | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ttl_s is None) == (self.expires_at is None):
            raise PydanticCustomError("one_of", "give either ttl_s or expires_at")
        return self


class SessionsQuery(PageQuery):
    """Which sessions."""

    conversation_id: IdField | None = None
    user_id: IdField | None = None
    state: SessionState | None = None


class DialOut(Out):
    """What this participant dials to reach the other."""

    gsm: str | None = Field(description="The proxy number, E.164", examples=["+74951110001"])
    app: str = Field(
        description="The address for the app", examples=["sip:ses_0abc@sip.example.org"]
    )


class ParticipantOut(Out):
    """One side of a session, without the phone."""

    role: Role
    user_id: str
    name: str | None
    rating: float | None
    facts: dict[str, str]
    dial: DialOut


class ListingOut(Out):
    """What the conversation is about."""

    id: str
    title: str | None


class SessionOut(Out):
    """A session."""

    id: str = Field(examples=["ses_01jd8n2k9hq3v6tbx4w7ymzcfe"])
    state: SessionState
    conversation_id: str
    listing: ListingOut | None
    participants: list[ParticipantOut]
    pool: str
    channel_policy: ChannelPolicy
    created_at: Moment
    expires_at: Moment
    closed_at: Moment | None


class SessionPage(Out):
    """Sessions, newest first."""

    items: list[SessionOut]
    next_cursor: str | None
