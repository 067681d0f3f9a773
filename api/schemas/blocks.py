"""Blocks: one user does not want calls from another."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import IdField, In, Moment, Out, PageQuery
from api.schemas.patterns import TEXT
from api.schemas.texts import refuse_any_phone


class BlockIn(In):
    """A block to be set. Setting it again changes its reason."""

    user_id: IdField = Field(description="Who blocks", examples=["u-2"])
    blocked_user_id: IdField = Field(description="Whose calls are refused", examples=["u-1"])
    reason: (
        Annotated[
            str,
            Field(min_length=1, max_length=200, pattern=TEXT),
            AfterValidator(refuse_any_phone),
        ]
        | None
    ) = Field(default=None, description="For people, and no phone")

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.user_id == self.blocked_user_id:
            raise PydanticCustomError(
                "same_user", "blocked_user_id must be another user than user_id"
            )
        return self


class BlocksQuery(PageQuery):
    """Whose blocks."""

    user_id: IdField | None = None


class BlockOut(Out):
    """A block."""

    user_id: str
    blocked_user_id: str
    reason: str | None
    created_at: Moment


class BlockPage(Out):
    """Blocks, newest first."""

    items: list[BlockOut]
    next_cursor: str | None
