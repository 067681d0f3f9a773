"""Fields and bases that the models share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.schemas.patterns import CATEGORY, IDENTIFIER, NAME, PHONE, TEXT
from masking import e164
from masking.errors import InvalidPhone
from masking.model import Phone


class In(BaseModel):
    """A document that is sent to us: nothing is coerced, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Out(BaseModel):
    """A document that we send."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, populate_by_name=True)


class Query(BaseModel):
    """The parameters of a query string. `from_` stands for ``from``."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=False)


def digits(value: object) -> object:
    """In a query only plain digits are a number: no sign, blank, point or underscore."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,18}", value):
        msg = "give a whole number in digits"
        raise ValueError(msg)
    return value


def _whole(value: object) -> object:
    """Whole numbers may be written with a point: to JSON Schema, 60.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _date_time(value: object) -> object:
    """RFC 3339 only: pydantic alone would take Unix times and dates as well."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        msg = "give a time as RFC 3339 has it, with its offset, for example 2026-11-22T10:00:00Z"
        raise ValueError(msg)
    return value


_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        msg = "give a time between the years 1 and 9999"
        raise ValueError(msg) from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _possible(value: str) -> Phone:
    try:
        return e164.parse(value)
    except InvalidPhone:
        raise PydanticCustomError(
            "phone", "is no possible phone number: check the country code and the length"
        ) from None


WHOLE = BeforeValidator(_whole)
PhoneField = Annotated[
    str,
    Field(
        pattern=PHONE,
        description="E.164 with the plus, possible in its country",
        examples=["+79000000000"],
    ),
    AfterValidator(_possible),
]
IdField = Annotated[str, Field(pattern=IDENTIFIER, examples=["u-1"])]
NameField = Annotated[str, Field(pattern=NAME, examples=["default"])]
CategoryField = Annotated[
    str,
    Field(
        pattern=CATEGORY,
        description="What analytics counts it under: one of few, and nothing of a person",
        examples=["cars"],
    ),
]
ShortText = Annotated[str, Field(min_length=1, max_length=80, pattern=TEXT)]
RatingField = Annotated[float, Field(ge=0, le=5)]
FactsField = Annotated[
    dict[ShortText, ShortText],
    Field(max_length=8, json_schema_extra={"additionalProperties": False}),
]
LongText = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]
Moment = Annotated[datetime, Field(description="RFC 3339, UTC", examples=["2026-11-22T10:00:00Z"])]
MomentIn = Annotated[
    datetime,
    Field(strict=False, description="RFC 3339", examples=["2026-11-22T10:00:00Z"]),
    BeforeValidator(_date_time),
    AfterValidator(_utc),
]


class NoQuery(Query):
    """No parameters."""


class NoBody(In):
    """No body."""


class PageQuery(Query):
    """Which page of a list, and how long."""

    limit: Annotated[int, Field(ge=1, le=200), BeforeValidator(digits)] = 50
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=512, description="`next_cursor` of the page before"),
    ] = None


class ErrorField(Out):
    """What is wrong with one field."""

    field: str = Field(examples=["participants[0].phone"])
    detail: str


class Problem(Out):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(default="about:blank", description="Where the reason is explained")
    title: str
    status: int
    detail: str = Field(description="What to do")
    error_id: str = Field(description="Stable; made for programs", examples=["validation_failed"])
    request_id: str = Field(description="For questions to the operator")
    reason: str | None = Field(
        default=None, description="A word for programs, where one `error_id` has several causes"
    )
    errors: tuple[ErrorField, ...] = Field(default=(), description="The fields that are wrong")
