"""Impressions: what the platform saw people do before there was any call. Nobody is in them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import WHOLE, CategoryField, In, MomentIn, Out
from masking.funnel import ImpressionKind, Variant

_OTHERS = {
    ImpressionKind.NUMBER_SHOWN: Variant.CALL_BUTTON,
    ImpressionKind.CALL_PRESSED: Variant.SHOWN_NUMBER,
}


class ImpressionIn(In):
    """Numbers shown, or Call pressed, of one kind and time."""

    kind: ImpressionKind
    variant: Variant | None = Field(
        default=None,
        description="What people had before them. Without it: that which they used",
    )
    category: CategoryField | None = None
    at: MomentIn | None = Field(
        default=None, description="At most 7 days ago; counted in its hour, UTC. Without it: now"
    )
    count: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.variant is _OTHERS[self.kind]:
            raise PydanticCustomError(
                "variant",
                "of a number that is shown, or a button that is pressed, give that or both",
            )
        return self

    def variant_or_own(self) -> Variant:
        """The variant, where none is given that of the kind."""
        if self.variant is not None:
            return self.variant
        shown = self.kind is ImpressionKind.NUMBER_SHOWN
        return Variant.SHOWN_NUMBER if shown else Variant.CALL_BUTTON


class ImpressionsIn(In):
    """What is to be counted."""

    impressions: Annotated[list[ImpressionIn], Field(min_length=1, max_length=1_000)]


class ImpressionsOut(Out):
    """What was counted."""

    counted: int
    categories_as_other: int = Field(
        description="Categories of an hour beyond the 200 that a day counts by name"
    )
