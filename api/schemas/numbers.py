"""Proxy numbers: ours, so they may be shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import In, NameField, Out, PageQuery, PhoneField
from masking.model import NumberState


class NumbersIn(In):
    """Proxy numbers to be added to a pool, which is made if it is not there."""

    pool: NameField = "default"
    trunk: NameField = Field(
        description="Through which the numbers' calls come", examples=["carrier-a"]
    )
    numbers: Annotated[list[PhoneField], Field(min_length=1, max_length=10_000)]


class NumbersAdded(Out):
    """What became of them."""

    added: int
    already: int = Field(description="Those that this pool had before")
    pool: str
    trunk: str
    pool_created: bool


class NumberPatch(In):
    """What is to change."""

    state: NumberState = Field(description="`draining`: no new leases, the present ones stay")


class NumbersQuery(PageQuery):
    """Which numbers."""

    pool: NameField | None = None
    trunk: NameField | None = None
    state: NumberState | None = None


class NumberOut(Out):
    """A proxy number."""

    id: int
    number: str = Field(description="E.164", examples=["+74951110001"])
    pool: str
    trunk: str
    state: NumberState


class NumberPage(Out):
    """Proxy numbers, in the order of their adding."""

    items: list[NumberOut]
    next_cursor: str | None
