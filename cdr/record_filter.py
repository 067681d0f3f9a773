"""Which records are asked for, and the conditions in SQL that this comes to.

Every filter is a `Term`: branches that an index finds in the order of time, and a condition that
tells of a single row whether it is meant. No statement is run here but the look-up of a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from cdr.bands import DURATION_EDGES_MS, MOS_EDGES, Range, bands, is_whole
from cdr.ledger import public_name
from cdr.model import CameBy
from masking.outcome import Outcome
from masking.plan import Channel
from storage.schema import call_tags, calls, leases, participants

Columns = ReadOnlyColumnCollection[str, Any]
Branch = tuple[str, Any]
"""A column with an index in the order of time, and the value that is wanted in it.

Of `calls`, or `TAG`: a call has several, so they are rows of their own with the time beside them.
"""
TAG: Final = "tag"

ANY: Final = Range()
DIRECTIONS: Final = MappingProxyType(
    {CameBy.GSM: "pstn_in", CameBy.APP: "app_in", CameBy.CLICK: "click"}
)
MOST_USERS: Final = 8  # that one phone is known to belong to
_MOST_LEASES: Final = 2_000  # that are looked at for that


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are asked for: those that meet all that is given."""

    session_id: str | None = None
    conversation_id: str | None = None
    listing_id: str | None = None
    user_id: str | None = None  # on either side
    phone_index: bytes | None = field(default=None, repr=False)  # of either side's phone
    outcomes: tuple[Outcome, ...] = ()  # any of them; empty: all
    channels: tuple[Channel, ...] = ()
    came_by: tuple[CameBy, ...] = ()  # not seen counts as gsm
    number: str | None = None  # a proxy number: dialled, or seen by the callee
    trunk: str | None = None  # on either side
    node: str | None = None  # by its own name or its public one (`ledger.public_name`)
    causes: tuple[int, ...] = ()  # ITU-T Q.850
    ring_ms: Range = ANY
    talk_ms: Range = ANY
    mos: Range = ANY  # the worst score of the call, in hundredths
    recorded: bool | None = None
    rated: bool | None = None
    stars: Range = ANY  # the worst rating of the call
    tag: str | None = None  # that staff gave the call
    since: datetime | None = None  # offered at or after it
    until: datetime | None = None  # offered before it

    @property
    def nothing(self) -> bool:
        """Whether no call can meet it."""
        ranges = (self.ring_ms, self.talk_ms, self.mos, self.stars)
        rated = [one for one in range(1, 6) if self.stars.holds(one)]
        unrated = self.rated is False and bool(self.stars)
        return any(one.is_empty for one in ranges) or not rated or unrated


def told(wanted: Filter, person_ref: Callable[[str], str]) -> dict[str, str]:
    """The filter in words that name nobody, for the audit log.

    `person_ref`: of a user id, what stands for it.
    """
    said: dict[str, str] = {}
    for one in fields(wanted):
        value = getattr(wanted, one.name)
        if value in (one.default, None):
            continue
        match value:
            case str() if one.name == "user_id":
                said[one.name] = person_ref(value)
            case _ if one.name in _ABOUT_SOMEBODY:
                said[one.name] = "given"
            case tuple():
                said[one.name] = ",".join(map(str, value))
            case Range(least, most):
                ends = ("" if end is None else str(end) for end in (least, most))
                said[one.name] = "..".join(ends)
            case datetime():
                said[one.name] = value.isoformat(timespec="milliseconds")
            case _:
                said[one.name] = str(value).lower() if isinstance(value, bool) else str(value)
    return said


_ABOUT_SOMEBODY: Final = frozenset(
    ("session_id", "conversation_id", "listing_id", "phone_index", "tag")
)


@dataclass(frozen=True, slots=True)
class Term:
    """One filter. Without branches it can only be checked row by row."""

    condition: Callable[[Columns], ColumnElement[bool]]
    branches: tuple[Branch, ...] = ()
    exact: bool = True  # the branches hold nothing else


def terms_of(conn: Connection, wanted: Filter) -> list[Term]:
    """What is asked for beside the time; those that as a rule say most come first."""
    return list(_terms(conn, wanted))


def _terms(conn: Connection, wanted: Filter) -> Iterator[Term]:
    if wanted.phone_index is not None:
        yield _phone(conn, wanted.phone_index)
    yield from _of_one(wanted)
    if wanted.stars or wanted.rated is not None:
        yield _stars(wanted)
    if wanted.recorded is not None:
        yield _flag("recorded", wanted=wanted.recorded)
    yield from _of_several(wanted)
    if wanted.node is not None:
        yield _any_of(("node",), (_own_name(conn, wanted.node),))
    for wished, column, banded, edges in (
        (wanted.mos, "mos_min", "mos_band", MOS_EDGES),
        (wanted.talk_ms, "talk_ms", "talk_band", DURATION_EDGES_MS),
        (wanted.ring_ms, "ring_ms", "ring_band", DURATION_EDGES_MS),
    ):
        if wished:
            yield _range(wished, column, banded, edges)


def _of_one(wanted: Filter) -> Iterator[Term]:
    for value, columns in (
        (wanted.session_id, ("session_id",)),
        (wanted.conversation_id, ("conversation_id",)),
        (wanted.user_id, ("caller_user_id", "callee_user_id")),
        (wanted.listing_id, ("listing_id",)),
        (wanted.number, ("number_in", "number_out")),
        (wanted.trunk, ("trunk_in", "trunk_out")),
    ):
        if value is not None:
            yield _any_of(columns, (value,))
    if wanted.tag is not None:
        yield _tagged(wanted.tag)


def _of_several(wanted: Filter) -> Iterator[Term]:
    directions = tuple(DIRECTIONS[one] for one in wanted.came_by)
    several: tuple[tuple[tuple[Any, ...], str], ...] = (
        (wanted.causes, "cause"),
        (tuple(one.value for one in wanted.outcomes), "outcome"),
        (directions, "direction"),
        (tuple(one.value for one in wanted.channels), "channel"),
    )
    for values, column in several:
        if values:
            yield _any_of((column,), values)


_NEXT_NODE: Final = select(func.min(calls.c.node)).where(calls.c.node > bindparam("before"))


def _own_name(conn: Connection, node: str) -> str:
    """What the node calls itself: they are few, and the index is asked for one after the other."""
    if public_name(node) != node:
        return node
    own = conn.scalar(_NEXT_NODE, {"before": ""})
    while own is not None and public_name(own) != node:
        own = conn.scalar(_NEXT_NODE, {"before": own})
    return node if own is None else str(own)


def _any_of(columns: tuple[str, ...], values: tuple[Any, ...]) -> Term:
    unique = tuple(dict.fromkeys(values))

    def condition(c: Columns) -> ColumnElement[bool]:
        return or_(
            *(c[one] == unique[0] if len(unique) == 1 else c[one].in_(unique) for one in columns)
        )

    return Term(condition, tuple((one, value) for one in columns for value in unique))


def _tagged(tag: str) -> Term:
    def condition(c: Columns) -> ColumnElement[bool]:
        has = select(call_tags.c.call_id).where(
            call_tags.c.call_id == c.call_id, call_tags.c.tag == tag
        )
        return has.exists()

    return Term(condition, ((TAG, tag),))


def _flag(name: str, *, wanted: bool) -> Term:
    """A column that says true or nothing: what has it is found by index."""
    if wanted:
        return Term(lambda c: c[name].is_not(None), ((name, True),))
    return Term(lambda c: c[name].is_(None))


def _stars(wanted: Filter) -> Term:
    if wanted.rated is False:
        return Term(lambda c: c.stars.is_(None))
    values = [one for one in range(1, 6) if wanted.stars.holds(one)]
    return Term(lambda c: c.stars.in_(values), tuple(("stars", value) for value in values))


def _range(wanted: Range, column: str, banded: str, edges: tuple[int, ...]) -> Term:
    return Term(
        lambda c: _within(c[column], wanted),
        tuple((banded, one) for one in bands(wanted, edges)),
        exact=is_whole(wanted, edges),
    )


def _within(column: ColumnElement[Any], wanted: Range) -> ColumnElement[bool]:
    least = [] if wanted.least is None else [column >= wanted.least]
    most = [] if wanted.most is None else [column <= wanted.most]
    return and_(*least, *most)


_OF_PHONE: Final = tuple(
    select(leases.c.session_id, leases.c.position)
    .where(leases.c.phone_index == bindparam("wanted"), state)
    .limit(_MOST_LEASES)
    .subquery()
    for state in (leases.c.active, ~leases.c.active)
)
_USERS: Final = tuple(
    select(participants.c.user_id)
    .join(
        of,
        (of.c.session_id == participants.c.session_id) & (of.c.position == participants.c.position),
    )
    .distinct()
    .order_by(participants.c.user_id)
    .limit(MOST_USERS)
    for of in _OF_PHONE
)


def _phone(conn: Connection, index: bytes) -> Term:
    """Calls of sessions in which the phone takes part, and those it made without a session.

    Found through the users it belongs to: a dealer's phone has sessions by the thousand.
    """
    found = {user: None for query in _USERS for user in conn.scalars(query, {"wanted": index})}
    sides = ("caller_user_id", "callee_user_id")

    def condition(c: Columns) -> ColumnElement[bool]:
        with_it = select(leases.c.session_id).where(
            leases.c.session_id == c.session_id, leases.c.phone_index == index
        )
        return or_(c.caller_index == index, with_it.exists())

    branches = (("caller_index", index), *((side, user) for user in found for side in sides))
    return Term(condition, branches, exact=not found)
