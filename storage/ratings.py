"""What participants said of their calls: stars, and what was wrong. One rating a call and user."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, select, update

from storage.dialect import insert_for
from storage.schema import call_ratings, calls


class Issue(StrEnum):
    """What can be wrong with a call, as a participant hears it."""

    ECHO = "echo"  # one's own voice comes back
    NOISE = "noise"
    CHOPPY = "choppy"  # words or parts of them are missing
    DISTORTED = "distorted"  # like a robot
    DELAY = "delay"
    QUIET = "quiet"  # hardly to be heard
    ONE_WAY = "one_way"  # only one of the two was heard
    SILENCE = "silence"  # neither was
    DROPPED = "dropped"  # it broke off
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Rating:
    """A user's rating of a call."""

    user_id: str
    stars: int  # 1 to 5
    issues: tuple[Issue, ...]
    at: datetime


def put(conn: Connection, call_id: str, rating: Rating) -> bool:
    """Keep the rating instead of an earlier one of the same user.

    False, and nothing is kept, if there is no such call or the user took no part in it.
    """
    sides = select(calls.c.caller_user_id, calls.c.callee_user_id).where(calls.c.call_id == call_id)
    call = conn.execute(sides).first()
    if call is None or rating.user_id not in (call.caller_user_id, call.callee_user_id):
        return False
    said = {
        "stars": rating.stars,
        "issues": [one.value for one in rating.issues],
        "at": rating.at,
    }
    new = insert_for(conn, call_ratings).values(call_id=call_id, user_id=rating.user_id, **said)
    conn.execute(
        new.on_conflict_do_update(
            index_elements=[call_ratings.c.call_id, call_ratings.c.user_id], set_=said
        )
    )
    worst = select(func.min(call_ratings.c.stars)).where(call_ratings.c.call_id == call_id)
    conn.execute(
        update(calls).where(calls.c.call_id == call_id).values(stars=worst.scalar_subquery())
    )
    return True


def of_calls(conn: Connection, call_ids: Collection[str]) -> dict[str, tuple[Rating, ...]]:
    """The ratings of these calls, by call; those that nobody rated are left out."""
    found: dict[str, tuple[Rating, ...]] = {}
    if not call_ids:
        return found
    query = select(call_ratings).where(call_ratings.c.call_id.in_(sorted(call_ids)))
    for row in conn.execute(query.order_by(call_ratings.c.call_id, call_ratings.c.user_id)):
        issues = tuple(Issue(one) for one in row.issues)
        one = Rating(row.user_id, row.stars, issues, row.at)
        found[row.call_id] = (*found.get(row.call_id, ()), one)
    return found
