"""Which calls: the filters of the list, of the search and of exports. Only a body takes a phone."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from api.schemas.common import (
    WHOLE,
    IdField,
    In,
    MomentIn,
    NameField,
    PageQuery,
    PhoneField,
    Query,
    digits,
)
from cdr.export import Format
from cdr.model import CameBy
from masking.outcome import Outcome
from masking.plan import Channel

_MOST = 20  # values of one filter


def _listed(value: object) -> object:
    """In a query, values stand behind one another with commas between them."""
    return value.split(",") if isinstance(value, str) else value


def _listed_digits(value: object) -> object:
    found = _listed(value)
    return [digits(one) for one in found] if isinstance(found, list) else found


_LISTED = BeforeValidator(_listed)
_DIGITS = BeforeValidator(digits)

_Outcomes = Annotated[list[Outcome], Field(max_length=_MOST, description="Any of them")]
_Channels = Annotated[
    list[Channel], Field(max_length=_MOST, description="The one answered, else the last one tried")
]
_CameBy = Annotated[list[CameBy], Field(max_length=_MOST, description="How the call began")]
_Causes = Annotated[
    list[Annotated[int, Field(ge=0, le=127), WHOLE]],
    Field(max_length=_MOST, description="ITU-T Q.850; any of them"),
]
_Seconds = Annotated[int, Field(ge=0, le=86_400)]
_Mos = Annotated[
    float,
    Field(
        ge=1,
        le=4.5,
        description="The call's worst mean opinion score (ITU-T G.107), of either side",
    ),
]
_Stars = Annotated[int, Field(ge=1, le=5, description="The call's worst rating")]
_Number = Annotated[PhoneField, Field(description="A proxy number: dialled, or seen by the callee")]
_Trunk = Annotated[NameField, Field(description="On either side")]
_Node = Annotated[
    str,
    Field(
        pattern="^node_[0-9a-f]{16}$",
        description="As calls and the ledger name it",
        examples=["node_71c140d1e33d35a3"],
    ),
]
_Recorded = Annotated[bool, Field(description="Whether there was ever a recording of it")]
_Rated = Annotated[bool, Field(description="Whether a participant rated it")]
_From = Annotated[MomentIn, Field(description="Offered at or after it, RFC 3339")]
_Until = Annotated[MomentIn, Field(description="Offered before it, RFC 3339")]
_User = Annotated[IdField, Field(description="On either side")]


class CallsFilterQuery(Query):
    """Which calls, in the address. Lists are written with commas: ``outcome=missed,busy``."""

    session_id: IdField | None = None
    conversation_id: IdField | None = None
    listing_id: IdField | None = None
    user_id: _User | None = None
    outcome: Annotated[_Outcomes, _LISTED] = Field(default=[])
    channel: Annotated[_Channels, _LISTED] = Field(default=[])
    came_by: Annotated[_CameBy, _LISTED] = Field(default=[])
    number: _Number | None = None
    trunk: _Trunk | None = None
    node: _Node | None = None
    cause: Annotated[_Causes, BeforeValidator(_listed_digits)] = Field(default=[])
    ring_min_s: Annotated[_Seconds | None, _DIGITS] = None
    ring_max_s: Annotated[_Seconds | None, _DIGITS] = None
    talk_min_s: Annotated[_Seconds | None, _DIGITS] = None
    talk_max_s: Annotated[_Seconds | None, _DIGITS] = None
    mos_min: _Mos | None = None
    mos_max: _Mos | None = None
    recorded: _Recorded | None = None
    rated: _Rated | None = None
    stars_min: Annotated[_Stars | None, _DIGITS] = None
    stars_max: Annotated[_Stars | None, _DIGITS] = None
    from_: _From | None = Field(default=None, alias="from")
    until: _Until | None = None


class CallsQuery(PageQuery, CallsFilterQuery):
    """Which calls, and which page of them."""


class CallsFilterIn(In):
    """Which calls."""

    session_id: IdField | None = None
    conversation_id: IdField | None = None
    listing_id: IdField | None = None
    user_id: _User | None = None
    phone: PhoneField | None = Field(
        default=None,
        description="A participant's or another caller's, whole; found by its blind index",
    )
    outcome: _Outcomes = Field(default=[])
    channel: _Channels = Field(default=[])
    came_by: _CameBy = Field(default=[])
    number: _Number | None = None
    trunk: _Trunk | None = None
    node: _Node | None = None
    cause: _Causes = Field(default=[])
    ring_min_s: Annotated[_Seconds | None, WHOLE] = None
    ring_max_s: Annotated[_Seconds | None, WHOLE] = None
    talk_min_s: Annotated[_Seconds | None, WHOLE] = None
    talk_max_s: Annotated[_Seconds | None, WHOLE] = None
    mos_min: _Mos | None = None
    mos_max: _Mos | None = None
    recorded: _Recorded | None = None
    rated: _Rated | None = None
    stars_min: Annotated[_Stars | None, WHOLE] = None
    stars_max: Annotated[_Stars | None, WHOLE] = None
    from_: _From | None = Field(default=None, alias="from")
    until: _Until | None = None


class CallsSearchIn(CallsFilterIn):
    """Which calls, and which page of them."""

    limit: Annotated[int, Field(ge=1, le=200), WHOLE] = 50
    cursor: Annotated[
        str | None,
        Field(min_length=1, max_length=512, description="`next_cursor` of the page before"),
    ] = None


_FORMAT: Any = Field(default=Format.CSV, description="What the file is")
_BOM: Any = Field(
    default=False, description="CSV: begin with a byte order mark, for programs that need one"
)


class CallsExportQuery(CallsFilterQuery):
    """Which calls, and into what."""

    format: Format = _FORMAT
    bom: bool = _BOM


class CallsExportIn(CallsFilterIn):
    """Which calls, and into what."""

    format: Format = _FORMAT
    bom: bool = _BOM
