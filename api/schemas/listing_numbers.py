"""Listing numbers: what a platform shows on a listing, and who is called by it.

The seller's phone comes in here and never goes out: `SellerOut` has no field for it.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import (
    WHOLE,
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
from api.schemas.sessions import MAX_TTL_S, MIN_TTL_S, ListingIn, ListingOut
from api.schemas.texts import refuse_phones
from masking.listing import ListingState
from masking.model import ChannelPolicy, Role

_MONTH_S = 2_592_000


class SellerIn(In):
    """Who is called, with the card that callers see."""

    role: Role = Role.SELLER
    user_id: IdField
    phone: PhoneField = Field(description="Never sent out again")
    name: ShortText | None = Field(default=None, description="Shown to callers")
    rating: RatingField | None = Field(default=None, description="Shown to callers")
    facts: FactsField = Field(default_factory=dict, description="Trust facts shown to callers")


class RotationIn(In):
    """When the listing shows another number; `{}`: never by itself."""

    after_s: (
        Annotated[int, Field(ge=60, le=MAX_TTL_S, description="Shown so long"), WHOLE] | None
    ) = None
    after_callers: (
        Annotated[int, Field(ge=1, le=1_000_000, description="Brought so many new callers"), WHOLE]
        | None
    ) = None


class ListingNumberIn(In):
    """A listing that people we do not know may call."""

    listing: ListingIn
    seller: SellerIn
    pool: NameField = "default"
    ttl_s: Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S), WHOLE] = _MONTH_S
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM
    rotate: RotationIn | None = Field(
        default=None, description="Without it: as the pool's rules have it"
    )

    @model_validator(mode="after")
    def _no_phone_in_texts(self) -> Self:
        seller = self.seller
        texts = [
            ("listing.id", self.listing.id),
            ("listing.title", self.listing.title or ""),
            ("seller.user_id", seller.user_id),
            ("seller.name", seller.name or ""),
            *(("seller.facts", f"{key} {value}") for key, value in seller.facts.items()),
        ]
        refuse_phones(texts, [seller.phone])
        return self


class ListingNumberPatch(In):
    """What is to be different. At most one of `ttl_s` and `expires_at`."""

    ttl_s: (
        Annotated[int, Field(ge=MIN_TTL_S, le=MAX_TTL_S, description="Counted from now"), WHOLE]
        | None
    ) = None
    expires_at: MomentIn | None = None
    title: LongText | None = Field(default=None, description="The listing's, for new callers")
    rotate: RotationIn | None = None
    rotate_now: bool = Field(default=False, description="Show another number at once")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.ttl_s is not None and self.expires_at is not None:
            raise PydanticCustomError("one_of", "give either ttl_s or expires_at")
        wanted = (self.ttl_s, self.expires_at, self.title, self.rotate)
        if not self.rotate_now and all(one is None for one in wanted):
            raise PydanticCustomError("nothing", "say what is to be different")
        return self


class ListingNumbersQuery(PageQuery):
    """Which listing numbers."""

    listing_id: IdField | None = None
    user_id: IdField | None = Field(default=None, description="The seller's")


class SellerOut(Out):
    """Who is called, without the phone."""

    role: Role
    user_id: str
    name: str | None
    rating: float | None
    facts: dict[str, str]


class RotationOut(Out):
    """When the listing shows another number."""

    after_s: int | None
    after_callers: int | None


class ListingNumberOut(Out):
    """A listing number."""

    id: str = Field(examples=["lst_01jd8n2k9hq3v6tbx4w7ymzcfe"])
    state: ListingState
    number: str | None = Field(
        description="What the listing is to show, E.164; null once it is over",
        examples=["+74951110001"],
    )
    extension: str | None = Field(
        description="Digits to be typed after the number; null where none are", examples=["40217"]
    )
    listing: ListingOut
    seller: SellerOut
    pool: str
    channel_policy: ChannelPolicy
    created_at: Moment
    expires_at: Moment
    closed_at: Moment | None
    shown_at: Moment | None = Field(description="Since when this number is shown")
    callers: int = Field(description="New callers that this number brought since")
    rotate: RotationOut
    rotates_at: Moment | None = Field(description="When another number is due; null: not by time")


class ListingNumberPage(Out):
    """Listing numbers, newest first."""

    items: list[ListingNumberOut]
    next_cursor: str | None
