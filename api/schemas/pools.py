"""Pools: a named set of proxy numbers and its rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.common import WHOLE, In, Out
from masking.model import Language

CoolDown = Annotated[
    int,
    Field(
        ge=0,
        le=7_776_000,
        description="How long a lease stays reserved after its session; 0 to 90 days",
    ),
    WHOLE,
    WHOLE,
]
Ring = Annotated[int, Field(ge=5, le=180, description="How long a callee's phone rings"), WHOLE]
MaxCall = Annotated[int, Field(ge=60, le=86_400, description="Hard limit of a call"), WHOLE]


class PoolIn(In):
    """The rules of a pool; what is left out gets its default."""

    cool_down_s: CoolDown = 604_800
    language: Language = Field(default=Language.RU, description="Of the announcements")
    ring_s: Ring = 40
    max_call_s: MaxCall = 7200


class PoolOut(Out):
    """A pool."""

    name: str
    cool_down_s: int
    language: Language
    ring_s: int
    max_call_s: int
    numbers_active: int = Field(description="Numbers that new leases may get")
    numbers_draining: int


class PoolPage(Out):
    """Pools, by name."""

    items: list[PoolOut]
    next_cursor: str | None
