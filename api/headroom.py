"""Head-room over HTTP: whose pool will be empty, and when. No phones: users go by their ids."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from api import errors
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody
from api.schemas.headroom import ForecastOut, HeadRoomOut, HeadRoomQuery, HighWaterOut, RoomOut
from api.schemas.patterns import NAME
from masking.forecast import sentence
from masking.headroom import left
from storage import headroom
from storage.headroom import HeadRoom, Room
from storage.keys import KeyRole


async def get_headroom(request: Request[NoBody, HeadRoomQuery]) -> Answer:
    """One pool's."""
    name, now, limit = request.path["name"], request.now, request.query.limit
    found = await request.services.db.read(
        lambda conn: headroom.of_pool(conn, name, now, at_most=limit)
    )
    if found is None:
        raise errors.PoolNotFound
    return answer(_out(found, now))


def _out(found: HeadRoom, now: datetime) -> HeadRoomOut:
    held = max((room.held for room in found.rooms), default=0)
    high = found.high
    return HeadRoomOut(
        pool=found.pool.name,
        size=found.size,
        held=held,
        left=left(held, found.size),
        low_percent=found.pool.rules.numbers.low_percent,
        high_water=None
        if high is None
        else HighWaterOut(user_id=high.user_id, held=high.high, at=high.high_at),
        participants=[_room(found, room, now) for room in found.rooms],
    )


def _room(found: HeadRoom, room: Room, now: datetime) -> RoomOut:
    return RoomOut(
        user_id=room.user_id,
        held=room.held,
        left=left(room.held, found.size),
        low=room.low,
        high=room.high,
        high_at=room.high_at,
        taken_a_day=round(room.pace.a_day, 2),
        forecast=ForecastOut(
            at=room.forecast.at,
            level=round(room.forecast.level, 1),
            sentence=sentence(found.pool.name, room.user_id, found.size, room.forecast, now),
        ),
    )


_NAME: Final = PathParameter("name", NAME, "The pool's name", "default")

ROUTES: Final = (
    Route(
        "get_headroom",
        "GET",
        "/v1/pools/{name}/headroom",
        "See how much of a pool is left",
        Tag.POOLS,
        get_headroom,
        roles=frozenset({KeyRole.OPERATOR, KeyRole.PLATFORM}),
        query=HeadRoomQuery,
        answers=HeadRoomOut,
        parameters=(_NAME,),
        missing=errors.PoolNotFound,
        description=(
            "A pool is never empty as such: it is empty for a participant who holds all of it. "
            "Shown are those who hold at least half of the pool, and those who held most when all "
            "leases were last looked through, hourly. What they hold is counted at this moment; "
            "the forecast takes the pace of their last seven days, and knows when each number "
            "that they hold is free again."
        ),
    ),
)
