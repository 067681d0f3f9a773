"""Sessions: what a platform asks for, and what it gets.

A participant's phone comes in here and never goes out: `ParticipantOut` has no field for it.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import (
    WHOLE,
    CategoryField,
    FactsField,
    IdField,
    In,
    LongText,
    Moment,
    MomentIn,
    NameField,
    Out,
    PageQuery,
    PhoneField,
    RatingField,
    ShortText,
)
from api.schemas.texts import refuse_phones
from masking.funnel import Variant
from masking.lifecycle import MAX_TTL, MIN_TTL
from masking.model import ChannelPolicy, Role, SessionState, TtlFrom

MIN_TTL_S = int(MIN_TTL.total_seconds())
MAX_TTL_S = int(MAX_TTL.total_seconds())


class ListingIn(In):
    """What the conversation is about, as the platform names it."""

    id: IdField
    title: LongText | None = None
    category: CategoryField | None = None


class ParticipantIn(In):
    """One side of a session, with the card that the other side sees."""

    role: Role
    user_id: IdField
    phone: PhoneField | None = Field(
        default=None, description="Never sent out again. Without one: reachable in the app only"
    )
    number: PhoneField | None = Field(
        default=None,
        description="The proxy number that this participant is to dial: of the pool, active or "
        "reserved, and not held by them. Without it, the pool's rules choose",
        examples=["+74951110001"],
    )
    name: ShortText | None = Field(default=None, description="Shown to the other side")
    rating: RatingField | None = Field(default=None, description="Shown to the other side")
    facts: FactsField = Field(
        default_factory=dict, description="Trust facts shown to the other side"
    )
    recording_consent: bool = Field(
        default=False,
        description="Their calls of this session may be recorded, where the pool asks for consent",
    )


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
    pool: NameField = Field(default="default", description="Instead of `pools`")
    pools: Annotated[list[NameField], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="Tried in this order, each by its own rules, until one has numbers",
        examples=[["moscow", "any"]],
    )
    same_number_as: Annotated[str, Field(pattern=r"^ses_[0-9a-z]{26}$")] | None = Field(
        default=None,
        description="A session with one of the two participants: they keep, toward the other one "
        "of this session, the number by which they are known in that one",
        examples=["ses_01jd8n2k9hq3v6tbx4w7ymzcfe"],
    )
    ttl_s: Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S), WHOLE] = 86_400
    ttl_from: TtlFrom = Field(
        default=TtlFrom.CREATION,
        description="`last_call`: the end of every answered call begins `ttl_s` anew",
    )
    hard_ttl_s: Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S), WHOLE] | None = Field(
        default=None,
        description="From creation; neither calls nor changes let it live longer. At least `ttl_s`",
    )
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM
    variant: Variant | None = Field(
        default=None,
        description="What its people had before them to call with, for analytics. Without it: as "
        "its first call came, an app or the platform being a Call button, all others a number",
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.pools is not None and "pool" in self.model_fields_set:
            raise PydanticCustomError("one_of", "give either pool or pools")
        if self.hard_ttl_s is not None and self.hard_ttl_s < self.ttl_s:
            raise PydanticCustomError("hard_ttl", "hard_ttl_s must be at least ttl_s")
        return self

    @model_validator(mode="after")
    def _no_phone_in_texts(self) -> Self:
        refuse_phones(self._texts(), [one.phone for one in self.participants])
        return self

    def _texts(self) -> list[tuple[str, str]]:
        texts = [("conversation_id", self.conversation_id)]
        if self.listing is not None:
            texts += [("listing.id", self.listing.id), ("listing.title", self.listing.title or "")]
            texts.append(("listing.category", self.listing.category or ""))
        for index, one in enumerate(self.participants):
            at = f"participants[{index}]"
            texts += [(f"{at}.user_id", one.user_id), (f"{at}.name", one.name or "")]
            if one.facts:
                texts += [(f"{at}.facts", f"{key} {value}") for key, value in one.facts.items()]
        return texts


class SessionPatch(In):
    """What is to be different; what is left out stays."""

    ttl_s: Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S), WHOLE] | None = Field(
        default=None,
        description="It ends so long from now; with `ttl_from` `last_call`, so long after a call",
    )
    expires_at: MomentIn | None = Field(default=None, description="Instead of `ttl_s`")
    ttl_from: TtlFrom | None = None
    conversation_id: IdField | None = Field(
        default=None, description="The name of a conversation that is held; given once"
    )
    recording_consent: (
        Annotated[
            dict[IdField, bool],
            Field(
                min_length=1,
                max_length=2,
                description="By `user_id`: given, or withdrawn for the calls to come",
                json_schema_extra={"additionalProperties": False},
                examples=[{"u-1": True}],
            ),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.ttl_s is not None and self.expires_at is not None:
            raise PydanticCustomError("one_of", "give either ttl_s or expires_at")
        if not self.ends and self.conversation_id is None and self.recording_consent is None:
            raise PydanticCustomError(
                "one_of",
                "give one or more of ttl_s, expires_at, ttl_from, conversation_id, "
                "recording_consent",
            )
        return self

    @property
    def ends(self) -> bool:
        """Whether it says when the session ends."""
        return any(one is not None for one in (self.ttl_s, self.expires_at, self.ttl_from))


class SessionsQuery(PageQuery):
    """Which sessions."""

    conversation_id: IdField | None = None
    user_id: IdField | None = None
    state: SessionState | None = None


class DialOut(Out):
    """What this participant dials to reach the other."""

    gsm: str | None = Field(description="The proxy number, E.164", examples=["+74951110001"])
    extension: str | None = Field(
        description="Digits to be typed when asked for, where the number is shared out"
    )
    tel: str | None = Field(
        description="Both in one, for a link or a contact: commas are pauses",
        examples=["+74951110001,,12"],
    )
    pin: str | None = Field(
        description="By which the participant may call from another phone, where the pool works "
        "with PINs. For keys that may open sessions, null for others"
    )
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
    recording_consent: bool
    dial: DialOut
    why: dict[str, str] | None = Field(
        description="How the number was chosen. For operator and admin keys, null for others",
        examples=[{"by": "area", "area": "+7495", "of": "callee"}],
    )


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
    ttl_from: TtlFrom
    ttl_s: int
    hard_expires_at: Moment | None = Field(description="Nothing lets it live longer")
    last_call_at: Moment | None = Field(
        description="When its last call ended; where the pool recycles, also when one began"
    )
    closed_at: Moment | None
    closed_why: str | None = Field(
        description="`recycled`: a participant's new session took its place; null: it was asked for"
    )
    listing_number_id: str | None = Field(description="The listing number by which the caller came")
    conversation_held: bool = Field(
        description="The conversation has no name yet: `conversation_id` is the session's id"
    )


class SessionPage(Out):
    """Sessions, newest first."""

    items: list[SessionOut]
    next_cursor: str | None
