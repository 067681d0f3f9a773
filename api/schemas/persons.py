"""People's data as it is asked for, exported and erased.

A phone comes in, and goes out to nobody but an admin who asks for it.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from api.schemas.common import IdField, In, Moment, Out, PhoneField
from storage.erasures import State


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class PersonIn(In):
    """Who: by user id or by phone, one of them."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["user_id"]}, {"required": ["phone"]}]}
    )

    user_id: IdField = Field(default="", json_schema_extra=_no_default)
    phone: PhoneField = Field(
        default="", description="Instead of a user id; E.164", json_schema_extra=_no_default
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len({"user_id", "phone"} & self.model_fields_set) != 1:
            raise ValueError("give either `user_id` or `phone`")
        return self


class ExportIn(PersonIn):
    """Whose data."""

    with_phones: bool = Field(default=False, description="Their own phones, in clear; audited")


class FoundOut(Out):
    """What there is of a person."""

    user_ids: list[str] = Field(description="Ids of the platform's")
    known_caller: bool = Field(description="A phone that called listings, named by us")
    found: dict[str, int] = Field(
        description="What an erasure would change, by kind, as far as indexes tell; empty: nothing",
        examples=[{"sessions": 3, "calls": 12}],
    )


class ErasureOut(Out):
    """An erasure, and its receipt."""

    id: str
    person: str | None = Field(
        description="Stands for the user, also in the audit log; null: not told here"
    )
    state: State = Field(
        description="`watching`: all that was there is gone; what comes in late is erased too"
    )
    counts: dict[str, int] = Field(
        description="What was erased, by kind; `left`: what indexes still found at the end"
    )
    requested_at: Moment
    finished_at: Moment | None = Field(description="When nothing was left")


class ErasureList(Out):
    """Erasures of a user, newest first."""

    items: list[ErasureOut]
