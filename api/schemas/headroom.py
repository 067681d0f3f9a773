"""Head-room: how much of a pool its busiest participants have left."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from api.schemas.common import Moment, Out, Query, digits


class HeadRoomQuery(Query):
    """How many participants to show."""

    limit: Annotated[int, Field(ge=1, le=50), BeforeValidator(digits)] = 10


class ForecastOut(Out):
    """When the pool is empty for a participant who goes on as in the last seven days."""

    at: Moment | None = Field(description="Empty for them from then on; null: never")
    level: float = Field(description="Numbers that they hold in the long run")
    sentence: str = Field(
        description="The same in words",
        examples=["at this rate pool default is empty for u-7 on Tuesday, about 15:00 UTC"],
    )


class RoomOut(Out):
    """What one participant has left."""

    user_id: str
    held: int = Field(description="Numbers that they hold, live and cooling")
    left: int = Field(description="Numbers that they can still get")
    low: bool = Field(description="Whether that is little by the pool's `low_percent`")
    high: int = Field(description="The most that they held since they are watched")
    high_at: Moment
    taken_a_day: float = Field(description="Numbers taken in a day, of the last seven")
    forecast: ForecastOut


class HighWaterOut(Out):
    """The most that anybody held."""

    user_id: str
    held: int
    at: Moment


class HeadRoomOut(Out):
    """A pool's head-room. A number is taken only for the participant who holds it."""

    pool: str
    size: int = Field(description="Numbers that new leases may get")
    held: int = Field(description="By the participant who holds most of them")
    left: int = Field(description="What that participant can still get")
    low_percent: int = Field(description="Head-room from which `pool.low` is sent")
    high_water: HighWaterOut | None
    participants: list[RoomOut] = Field(description="Those who hold most, the most first")
