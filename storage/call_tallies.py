"""What callers have had of what their pool's caps allow: counted in the transaction of the record.

A call counts once it is over and if somebody was to be rung; only in pools with a cap, from when it
has one. People are known here by a digest of their user ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import (
    Connection,
    ScalarSelect,
    bindparam,
    delete,
    select,
    tuple_,
)

from masking.caps import Taken, any_cap
from masking.rules import CapRules
from storage.dialect import insert_for, one_of
from storage.pool_rules import read_rules
from storage.prepared import Prepared
from storage.schema import call_tallies, pools, unanswered_runs

_FIRST_HOUR: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_PAIR: Final = "pair"
_CALLER: Final = "caller"
HOURS_KEPT: Final = 2  # this one and the one before count; one more for a clock that lags
RUNS_KEPT: Final = timedelta(days=90)  # after the last call of the run


@dataclass(frozen=True, slots=True)
class CountedCall:
    """A call that is over, as caps count it."""

    session_id: str
    position: int  # the caller's in the session, 0 or 1
    caller_user_id: str
    callee_user_id: str
    offered_at: datetime
    ended_at: datetime
    answered: bool
    tried: bool = True  # False: it failed before anybody could be rung, and is no part of a run


def caps_of(conn: Connection, names: Collection[str]) -> dict[str, CapRules]:
    """The caps of those of the pools that have any."""
    if not names:
        return {}
    found = _RULES.rows(conn, {"wanted": sorted(names)})
    caps = {row.name: read_rules(row.rules).caps for row in found}
    return {name: rules for name, rules in caps.items() if any_cap(rules)}


def count(conn: Connection, calls: Iterable[CountedCall]) -> None:
    """Count the calls; each may be given once only. Rows are locked in one order by everybody."""
    ordered = sorted(calls, key=lambda call: (call.ended_at, call.offered_at, call.session_id))
    if not ordered:
        return
    _count_hours(conn, ordered)
    _count_runs(conn, ordered)


def _count_hours(conn: Connection, calls: Iterable[CountedCall]) -> None:
    hours: Counter[tuple[str, bytes, int]] = Counter()
    for call in calls:
        hour = _hour(call.offered_at)
        hours[_CALLER, _caller(call.caller_user_id), hour] += 1
        hours[_PAIR, _pair(call.caller_user_id, call.callee_user_id), hour] += 1
    insert = insert_for(conn, call_tallies)
    conn.execute(
        insert.on_conflict_do_update(
            index_elements=["scope", "key", "hour"],
            set_={"calls": call_tallies.c.calls + insert.excluded.calls},
        ),
        [
            {"scope": scope, "key": key, "hour": hour, "calls": calls_then}
            for (scope, key, hour), calls_then in sorted(hours.items())
        ],
    )


def _count_runs(conn: Connection, calls: Iterable[CountedCall]) -> None:
    """An answered call, or one of the other side, ends a run."""
    ended: set[tuple[str, int]] = set()
    added: dict[tuple[str, int], tuple[int, datetime]] = {}
    for call in calls:
        mine, theirs = (call.session_id, call.position), (call.session_id, 1 - call.position)
        for side in (mine, theirs) if call.answered else (theirs,):
            ended.add(side)
            added.pop(side, None)
        if not call.answered and call.tried:
            added[mine] = added.get(mine, (0, call.ended_at))[0] + 1, call.ended_at
    conn.execute(
        _END_RUN, [{"of_session": session, "at_place": place} for session, place in sorted(ended)]
    )
    if added:
        insert = insert_for(conn, unanswered_runs)
        conn.execute(
            insert.on_conflict_do_update(
                index_elements=["session_id", "position"],
                set_={
                    "run": unanswered_runs.c.run + insert.excluded.run,
                    "last_at": insert.excluded.last_at,
                },
            ),
            [
                {"session_id": session, "position": place, "run": run, "last_at": last_at}
                for (session, place), (run, last_at) in sorted(added.items())
            ],
        )


def taken(
    conn: Connection,
    *,
    session_id: str,
    position: int,
    caller_user_id: str,
    callee_user_id: str,
    now: datetime,
) -> Taken:
    """What the caller, at `position` of the session, has had; one statement, by primary keys.

    The last hour slides: of the clock's hour before this one as much as still lies within it.
    """
    hour = _hour(now)
    [row] = _TAKEN.rows(
        conn,
        {
            "of_session": session_id,
            "at_place": position,
            "pair": _pair(caller_user_id, callee_user_id),
            "caller": _caller(caller_user_id),
            "this_hour": hour,
            "last_hour": hour - 1,
        },
    )
    gone = ((now - _FIRST_HOUR) % _HOUR) / _HOUR

    def sliding(in_this: int | None, in_last: int | None) -> int:
        return (in_this or 0) + int((in_last or 0) * (1 - gone) + 0.5)

    return Taken(
        unanswered_in_row=row.run or 0,
        pair_an_hour=sliding(row.pair_now, row.pair_before),
        caller_an_hour=sliding(row.caller_now, row.caller_before),
    )


def sweep_hours(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget hours that count no more, at most so many; says how many."""
    scope, key, hour = call_tallies.c.scope, call_tallies.c.key, call_tallies.c.hour
    old = select(scope, key, hour).where(hour < _hour(now) - HOURS_KEPT).limit(at_most)
    return conn.execute(delete(call_tallies).where(tuple_(scope, key, hour).in_(old))).rowcount


def sweep_runs(conn: Connection, now: datetime, *, at_most: int = 1000) -> int:
    """Forget runs of which the last call is long ago, at most so many; says how many."""
    key = (unanswered_runs.c.session_id, unanswered_runs.c.position)
    old = select(*key).where(unanswered_runs.c.last_at < now - RUNS_KEPT).limit(at_most)
    return conn.execute(delete(unanswered_runs).where(tuple_(*key).in_(old))).rowcount


def forget_caller(conn: Connection, user_id: str) -> int:
    """Forget what is counted of a caller; says how many hours."""
    which = (call_tallies.c.scope == _CALLER) & (call_tallies.c.key == _caller(user_id))
    return conn.execute(delete(call_tallies).where(which)).rowcount


def forget_pair(conn: Connection, one: str, other: str) -> int:
    """Forget what is counted of two, whoever of them called."""
    keys = (_pair(one, other), _pair(other, one))
    which = (call_tallies.c.scope == _PAIR) & call_tallies.c.key.in_(keys)
    return conn.execute(delete(call_tallies).where(which)).rowcount


def _hour(at: datetime) -> int:
    return (at - _FIRST_HOUR) // _HOUR


def _caller(user_id: str) -> bytes:
    return blake2b(user_id.encode(), digest_size=16, person=b"caller").digest()


def _pair(caller: str, callee: str) -> bytes:
    both = f"{len(caller)}:{caller}{callee}".encode()
    return blake2b(both, digest_size=16, person=b"pair").digest()


def _calls(scope: str, key: str, hour: str) -> ScalarSelect[Any]:
    return (
        select(call_tallies.c.calls)
        .where(
            call_tallies.c.scope == scope,
            call_tallies.c.key == bindparam(key),
            call_tallies.c.hour == bindparam(hour),
        )
        .scalar_subquery()
    )


_RULES: Final = Prepared(select(pools.c.name, pools.c.rules).where(one_of(pools.c.name, "wanted")))
_OF_PLACE: Final = (
    unanswered_runs.c.session_id == bindparam("of_session"),
    unanswered_runs.c.position == bindparam("at_place"),
)
_END_RUN: Final = delete(unanswered_runs).where(*_OF_PLACE)
_TAKEN: Final = Prepared(
    select(
        select(unanswered_runs.c.run).where(*_OF_PLACE).scalar_subquery().label("run"),
        _calls(_PAIR, "pair", "this_hour").label("pair_now"),
        _calls(_PAIR, "pair", "last_hour").label("pair_before"),
        _calls(_CALLER, "caller", "this_hour").label("caller_now"),
        _calls(_CALLER, "caller", "last_hour").label("caller_before"),
    )
)
