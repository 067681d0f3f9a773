"""Calls that are not over, as their staged rows tell: for processes that see no other node's.

What is shown of a call is kept beside its rows whenever they are staged, so that reading ten
thousand of them reads no event. Calls of a node of which nothing is heard are left out: whether
they are still up, nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Row,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
)

from cdr.events import EventKind, EventRow
from cdr.times import moment
from masking.model import Role
from storage.columns import UtcMillis
from storage.pages import Order
from storage.schema import open_calls, participants, vault_readers

HEARD: Final = timedelta(seconds=45)
"""A node of whose reader nothing was heard for so long is away; it says something every ten."""
OFFERED: Final = "offered"
RINGING: Final = "ringing"
UP: Final = "up"


@dataclass(frozen=True, slots=True)
class StagedCall:
    """A call that is on some node now."""

    call_id: str
    state: str  # offered, ringing, up
    since: datetime  # when it was offered
    session_id: str | None
    caller: Role | None
    callee: Role | None
    trunk_in: str | None
    trunk_out: str | None


def shown(rows: Sequence[EventRow]) -> dict[str, Any]:
    """What a call shows, as columns of its staging row; `rows` in order of time."""
    found: dict[str, Any] = dict.fromkeys(_COLUMNS)
    tried = answered = False
    for row in rows:  # rows of one moment are in no order
        match row.kind:
            case EventKind.OFFER | EventKind.CLICK:
                facts = row.values()
                found["offered_at"] = found["offered_at"] or moment(row.at_us)
                found["trunk_in"] = facts.get("trunk") or found["trunk_in"]
                _decided(found, facts)
            case EventKind.PLAN:
                _decided(found, row.values())
            case EventKind.ATTEMPT:
                tried = True
                found["trunk_out"] = row.values().get("trunk") or None
            case EventKind.ANSWER:
                answered = answered or row.unique_id != row.linked_id
            case EventKind.HANDOVER:
                facts = row.values()
                if facts.get("result") == "done":
                    side = "trunk_in" if facts.get("side") == "caller" else "trunk_out"
                    found[side] = facts.get("trunk") or None
            case _:
                pass
    if found["offered_at"] is not None:
        found["state"] = (UP if answered else RINGING) if tried else OFFERED
    if found["state"] != UP:
        found["trunk_out"] = None  # it may be another yet
    return found


def _decided(found: dict[str, Any], facts: Mapping[str, str]) -> None:
    for name, key in _DECIDED:
        if facts.get(key):
            found[name] = facts[key]


_DECIDED: Final = (("session_id", "session"), ("caller_role", "caller"), ("callee_role", "callee"))
_COLUMNS: Final = (
    *("offered_at", "state", "session_id", "caller_role", "callee_role", "trunk_in", "trunk_out"),
)


# -- read ----------------------------------------------------------------------------------------

_row: Final = open_calls.c
_OF: Final = (
    _row.offered_at.is_not(None),
    # Not by the index of nodes, which knows no times: what it finds would all be read and sorted.
    _row.node.concat("").in_(bindparam("nodes", expanding=True)),
)
_NODES: Final = (
    select(vault_readers.c.node)
    .where(
        vault_readers.c.node.is_not(None),
        vault_readers.c.seen_at > bindparam("since", type_=UtcMillis()),
    )
    .distinct()
)
COUNTS: Final = select(_row.state, func.count()).where(*_OF).group_by(_row.state)
TRUNKS: Final = (
    select(_row.trunk_in, _row.trunk_out, func.count())
    .where(*_OF)
    .group_by(_row.trunk_in, _row.trunk_out)
)
_OFFERS: Final = select(
    _row.call_id, type_coerce(_row.offered_at, BigInteger).label("at_ms")
).where(*_OF, _row.offered_at >= bindparam("since", type_=UtcMillis()))
CALLS: Final = select(*_row["call_id", *_COLUMNS]).where(*_OF)
NEWEST: Final = CALLS.order_by(_row.offered_at.desc(), _row.call_id.desc()).limit(
    bindparam("at_most", type_=Integer())
)
OLDEST_FIRST: Final = Order(
    "live-calls", (_row.offered_at, _row.call_id), (datetime, str), newest_first=False
)
OF_USER: Final = CALLS.join(participants, participants.c.session_id == _row.session_id).where(
    participants.c.user_id == bindparam("user")
)
_NODE: Final = select(_row.node).where(
    _row.call_id == bindparam("wanted"), _row.offered_at.is_not(None)
)


def nodes(conn: Connection, now: datetime) -> frozenset[str]:
    """Those of which somebody is heard who reads their events."""
    return frozenset(conn.scalars(_NODES, {"since": now - HEARD}))


def counts(conn: Connection, of: Collection[str]) -> dict[str, int]:
    """How many calls are on these nodes, by state."""
    return {row[0]: row[1] for row in conn.execute(COUNTS, {"nodes": sorted(of)})}


def on_trunks(conn: Connection, of: Collection[str]) -> Counter[str]:
    """How many calls of these nodes each trunk carries; in and out by it is twice."""
    found: Counter[str] = Counter()
    for *ways, count in conn.execute(TRUNKS, {"nodes": sorted(of)}):
        for name in filter(None, ways):
            found[name] += count
    return found


def offers(conn: Connection, of: Collection[str], since: datetime) -> list[tuple[str, int]]:
    """Those that were offered since then: ids, and milliseconds since 1970."""
    asked = {"nodes": sorted(of), "since": since}
    return [(row.call_id, row.at_ms) for row in conn.execute(_OFFERS, asked)]


def newest(
    conn: Connection,
    of: Collection[str],
    *,
    at_most: int,
    session_id: str | None = None,
    trunk: str | None = None,
) -> tuple[StagedCall, ...]:
    """The newest on these nodes that are of that session and use that trunk, where one is given."""
    query = NEWEST
    if session_id is not None:
        query = query.where(_row.session_id == session_id)
    if trunk is not None:
        query = query.where(or_(_row.trunk_in == trunk, _row.trunk_out == trunk))
    return _calls(conn.execute(query, {"nodes": sorted(of), "at_most": at_most}))


def oldest(
    conn: Connection, of: Collection[str], *, limit: int, cursor: str | None
) -> tuple[StagedCall, ...]:
    """A page of those on these nodes and one more, in OLDEST_FIRST. Raises BadCursor."""
    query = OLDEST_FIRST.apply(CALLS, limit=limit, cursor=cursor)
    return _calls(conn.execute(query, {"nodes": sorted(of)}))


def of_user(conn: Connection, of: Collection[str], user_id: str) -> tuple[StagedCall, ...]:
    """Those on these nodes in whose sessions the user takes part."""
    return _calls(conn.execute(OF_USER, {"nodes": sorted(of), "user": user_id}))


def is_up(conn: Connection, call_id: str) -> bool:
    """Whether the call is not over yet, as far as is known."""
    return node_of(conn, call_id) is not None


def node_of(conn: Connection, call_id: str) -> str | None:
    """The node that the call is on; None: it is over, or nothing is known of it yet."""
    return conn.execute(_NODE, {"wanted": call_id}).scalar()


def _calls(rows: Iterable[Row[Any]]) -> tuple[StagedCall, ...]:
    return tuple(
        StagedCall(
            call_id=row.call_id,
            state=row.state,
            since=row.offered_at,
            session_id=row.session_id,
            caller=_role(row.caller_role),
            callee=_role(row.callee_role),
            trunk_in=row.trunk_in,
            trunk_out=row.trunk_out,
        )
        for row in rows
    )


def _role(name: str | None) -> Role | None:
    return Role(name) if name in _ROLES else None


_ROLES: Final = frozenset(Role)
