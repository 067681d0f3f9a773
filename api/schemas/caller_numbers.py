"""Caller numbers: other phones from which a participant may call.

A phone comes in here and never goes out: `CallerNumberOut` has no field for it.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from api.schemas.common import WHOLE, IdField, In, Moment, Out, PhoneField
from masking.model import Role

MIN_TTL_S: Final = 30
MAX_TTL_S: Final = 86_400


class CallerNumberIn(In):
    """“I will call from this phone”: good for one call."""

    user_id: IdField = Field(description="Who will call", examples=["u-1"])
    phone: PhoneField = Field(description="From which phone. Never sent out again")
    ttl_s: Annotated[
        int, Field(ge=MIN_TTL_S, le=MAX_TTL_S, description="How long it waits for the call"), WHOLE
    ] = 900


class CallerNumberOut(Out):
    """A phone from which a participant may call, without the phone."""

    id: str = Field(examples=["0-1"])
    user_id: str
    role: Role
    number: str = Field(description="The proxy number to dial", examples=["+74951110001"])
    extension: str | None = Field(description="Digits to be typed after it")
    once: bool = Field(description="Declared, and good for one call; else enrolled")
    since: Moment
    expires_at: Moment


class CallerNumberList(Out):
    """All of a session's, by participant."""

    items: list[CallerNumberOut]
    next_cursor: None = None
