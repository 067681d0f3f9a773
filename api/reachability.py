"""Users' switches over HTTP: in-app calls, listings a company opted in, quiet hours."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api import errors
from api.app_credentials import USER_ID
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.apps import QuietHoursOut, ReachabilityIn, ReachabilityOut
from api.schemas.common import NoBody, NoQuery
from masking.switches import QuietHours, Switches, check_quiet_hours, is_quiet
from storage import app_users
from storage.app_users import AppUser
from storage.keys import KeyRole


async def put_reachability(request: Request[ReachabilityIn, NoQuery]) -> Answer:
    """Keep what the user chose."""
    sent, now, user_id = request.body, request.now, request.path["id"]
    hours = tuple(QuietHours.of(one.from_, one.until, one.days) for one in sent.quiet_hours)
    check_quiet_hours(hours)
    chosen = Switches(sent.account, sent.in_app_calls, hours, sent.timezone)

    def work(conn: Connection) -> Answer:
        app_users.put(conn, user_id, chosen, sent.listings, now)
        return answer(_out(user_id, app_users.get(conn, user_id), now))

    return await request.commit(work)


async def get_reachability(request: Request[NoBody, NoQuery]) -> Answer:
    """What the user chose, or the defaults."""
    user_id, now = request.path["id"], request.now
    found = await request.services.db.read(lambda conn: app_users.get(conn, user_id))
    return answer(_out(user_id, found, now))


def quiet_now(switches: Switches, now: datetime) -> bool:
    """Whether it is one of the user's quiet hours."""
    if switches.timezone is None:
        return False
    return is_quiet(switches.quiet_hours, ZoneInfo(switches.timezone), now)


def _out(user_id: str, user: AppUser, now: datetime) -> ReachabilityOut:
    chosen = user.switches
    return ReachabilityOut(
        user_id=user_id,
        in_app_calls=chosen.in_app_calls,
        account=chosen.account,
        listings=list(user.listings),
        quiet_hours=[QuietHoursOut.model_validate(one.plain()) for one in chosen.quiet_hours],
        timezone=chosen.timezone,
        quiet_now=quiet_now(chosen, now),
        has_app=user.wakeable(now),
    )


ROUTES: Final = (
    Route(
        "put_reachability",
        "PUT",
        "/v1/users/{id}/reachability",
        "Choose how a user is reached",
        Tag.IN_APP,
        put_reachability,
        roles=frozenset({KeyRole.PLATFORM}),
        body=ReachabilityIn,
        answers=ReachabilityOut,
        parameters=(USER_ID,),
        missing=errors.NotFound,
        description="Replaces what was chosen before. In quiet hours nothing rings the user, "
        "neither app nor phone: callers are told so, and the user finds them in the call log.",
    ),
    Route(
        "get_reachability",
        "GET",
        "/v1/users/{id}/reachability",
        "Look at how a user is reached",
        Tag.IN_APP,
        get_reachability,
        roles=frozenset({KeyRole.PLATFORM, KeyRole.STAFF}),
        answers=ReachabilityOut,
        parameters=(USER_ID,),
        missing=errors.NotFound,
    ),
)
