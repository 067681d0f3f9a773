"""Impressions over HTTP: added to the counters and kept nowhere else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.errors import FieldError
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoQuery
from api.schemas.impressions import ImpressionsIn, ImpressionsOut
from masking.funnel import ImpressionKind
from storage import analytics
from storage.analytics import Tally, hour_of, put
from storage.keys import KeyRole

LATEST: Final = timedelta(days=7)
AHEAD: Final = timedelta(minutes=5)  # of clocks that are fast


async def count_impressions(request: Request[ImpressionsIn, NoQuery]) -> Answer:
    """Count what the platform saw."""
    tally = _tally(request.body, request.now)
    counted = sum(one.count for one in request.body.impressions)

    def work(conn: Connection) -> Answer:
        others = analytics.add(conn, tally)
        return answer(ImpressionsOut(counted=counted, categories_as_other=others))

    return await request.commit(work)


def _tally(sent: ImpressionsIn, now: datetime) -> Tally:
    """What is to be added. Raises ValidationFailed for what was too long ago, or is yet to come."""
    tally = Tally()
    for n, one in enumerate(sent.impressions):
        at = one.at or now
        if not now - LATEST <= at <= now + AHEAD:
            wrong = "give a time of the last 7 days; older ones are not counted"
            raise errors.ValidationFailed(errors=[FieldError(f"impressions[{n}].at", wrong)])
        shown = one.count if one.kind is ImpressionKind.NUMBER_SHOWN else 0
        key = (hour_of(at), one.variant_or_own().value, one.category or "")
        put(tally.contacts, key, (shown, one.count - shown, 0, 0, 0, 0))
    return tally


ROUTES: Final = (
    Route(
        "count_impressions",
        "POST",
        "/v1/impressions",
        "Count numbers shown and Call pressed",
        Tag.ANALYTICS,
        count_impressions,
        roles=frozenset({KeyRole.PLATFORM}),
        body=ImpressionsIn,
        answers=ImpressionsOut,
        description="The top of the funnel, which only the platform sees. Count each person and "
        "listing once a day, before the call: a preflight, a click to call and an app's call are "
        "what came of it, and are counted from the records. Gather some, and send an "
        "`Idempotency-Key`: the same request, repeated within 24 hours, counts once.",
    ),
)
