"""What was let go by time, over HTTP: figures by kind and day, nobody's."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoBody, Out, Query, digits
from storage import retention
from storage.keys import KeyRole

_FIRST: Final = date(1970, 1, 1)


class RetentionQuery(Query):
    """How far back."""

    days: Annotated[int, Field(ge=1, le=3660), BeforeValidator(digits)] = 31


class LetGoOut(Out):
    """What was let go of one kind on one day."""

    kind: str = Field(examples=["call_log"])
    day: date = Field(description="UTC")
    removed: int


class RetentionOut(Out):
    """Figures, the newest day first."""

    items: list[LetGoOut]


async def get_retention(request: Request[NoBody, RetentionQuery]) -> Answer:
    """Figures of the last days."""
    days, now = request.query.days, request.now
    found = await request.services.db.read(lambda conn: retention.figures(conn, days=days, now=now))
    items = [
        LetGoOut(kind=kind, day=_FIRST + timedelta(days=day), removed=removed)
        for kind, day, removed in found
    ]
    return answer(RetentionOut(items=items))


ROUTES: Final = (
    Route(
        "get_retention",
        "GET",
        "/v1/retention",
        "What was let go by time",
        Tag.PERSONAL,
        get_retention,
        roles=frozenset({KeyRole.STAFF, KeyRole.OPERATOR}),
        query=RetentionQuery,
        answers=RetentionOut,
        description="By kind and day, in figures. The terms are settings: `keep_…_days`.",
    ),
)
