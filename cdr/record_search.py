"""Finds the newest records that meet a filter, by index, in a bounded time however many there are.

Where several things are asked for, the one with the fewest calls around this time leads, and what
else is asked for is checked call by call, for at most so many calls: a search for what hardly ever
comes together ends early, says where it stopped, and goes on from there when asked again. So the
whole list is always found, none of it twice, and no question takes longer than another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    and_,
    func,
    select,
    tuple_,
    type_coerce,
    union,
)

from cdr.record_filter import TAG, Branch, Filter, Term, terms_of
from storage.columns import to_ms
from storage.schema import call_tags, calls

Key = tuple[int, str]
"""When a call was offered, in milliseconds since 1970, and its id: the order of the list."""

EXAMINED: Final = 300  # calls that are looked at in one round, at most
PATIENCE_S: Final = 0.03  # another round is begun until then
_LEAST_EXAMINED: Final = 60  # of each branch
_PROBED: Final = 200  # calls back is looked to see how often something comes
_NEVER_MS: Final = 2**62
_SEARCHED: Final = calls.c[
    *("call_id", "offered_at", "session_id", "conversation_id", "listing_id"),
    *("caller_user_id", "callee_user_id", "caller_index", "number_in", "number_out"),
    *("trunk_in", "trunk_out", "node", "outcome", "channel", "direction", "cause"),
    *("ring_ms", "ring_band", "talk_ms", "talk_band", "mos_min", "mos_band", "stars", "recorded"),
]


@dataclass(frozen=True, slots=True)
class Found:
    """Calls, newest first, and behind which to look for more (None: there are no more).

    Fewer than were asked for, and yet more to look for: the search stopped there.
    """

    keys: tuple[Key, ...]
    resume: Key | None = None


def search(
    conn: Connection,
    wanted: Filter,
    *,
    limit: int,
    after: Key | None = None,
    examined: int = EXAMINED,
) -> Found:
    """At most `limit` calls behind `after`."""
    if wanted.nothing:
        return Found(())
    span = _Span.of(wanted, after)
    terms = terms_of(conn, wanted)
    leader = _leader(conn, terms, span)
    branches: Sequence[Branch | None] = (None,) if leader is None else leader.branches
    checks = [term for term in terms if term is not leader or not term.exact]
    if not checks:
        found = _keys(conn, [_matches(span, branch, limit + 1) for branch in branches], limit + 1)
        keys = tuple(key for key in found if key[0] >= span.first_ms)
        more = len(keys) > limit
        return Found(keys[:limit], keys[limit - 1] if more else None)

    each = max(examined // len(branches), _LEAST_EXAMINED)
    parts = [_checked(span, branch, checks, each, limit + 1) for branch in branches]
    keys = _keys(conn, parts, limit + 1)
    if len(branches) > 1 or len(keys) <= limit:
        stop = _stop(conn, span, branches, each)
        if stop is not None and stop[0] >= span.first_ms:
            keys = tuple(key for key in keys if key >= stop)
            if len(keys) <= limit:
                return Found(keys, stop)
    more = len(keys) > limit
    return Found(keys[:limit], keys[limit - 1] if more else None)


def search_within(
    conn: Connection,
    wanted: Filter,
    *,
    limit: int,
    after: Key | None = None,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = perf_counter,
) -> Found:
    """At most `limit` calls behind `after`, in as many rounds as there is patience for.

    Calls that lie in memory are looked at by the thousand, those on a disk by the hundred.
    """
    until = clock() + patience_s
    found = search(conn, wanted, limit=limit, after=after)
    keys = found.keys
    while found.resume is not None and len(keys) < limit and clock() < until:
        found = search(conn, wanted, limit=limit - len(keys), after=found.resume)
        keys += found.keys
    return Found(keys, found.resume)


@dataclass(frozen=True, slots=True)
class _Span:
    """The time that is searched: both ends included, and what was seen already."""

    first_ms: int
    last_ms: int
    after: Key | None

    @classmethod
    def of(cls, wanted: Filter, after: Key | None) -> _Span:
        first_ms = 0 if wanted.since is None else to_ms(wanted.since)
        last_ms = _NEVER_MS if wanted.until is None else to_ms(wanted.until) - 1
        if after is not None:
            last_ms = min(last_ms, after[0])
        return cls(first_ms, last_ms, after)

    def of_branch(self, branch: Branch | None) -> ColumnElement[bool]:
        """The branch's calls up to the end of this time, spelt as a range over its index.

        Told that a column equals a value, PostgreSQL takes the order of time from an index by time
        alone and passes over all that is not wanted, however much that is. As a range over both
        columns there is one index only that has the order. But it does not stop where such a range
        begins: so there is no beginning here, only a limit, and what is too old is dropped after.
        """
        held = _table_of(branch).c
        offered = _offered(held)
        seen = [] if self.after is None else [tuple_(offered, held.call_id) < self.after]
        if branch is None:
            return and_(offered.between(self.first_ms, self.last_ms), *seen)
        column, value = held[branch[0]], branch[1]
        pair = tuple_(column, offered)
        there = [column.is_not(None)] if column.nullable else []  # as the partial indexes say
        return and_(pair >= (value, 0), pair <= (value, self.last_ms), *there, *seen)


def _table_of(branch: Branch | None) -> Table:
    """The table whose index finds the branch."""
    return call_tags if branch is not None and branch[0] == TAG else calls


def _offered(columns: Any) -> ColumnElement[int]:  # noqa: ANN401 (a table's or a subquery's)
    """In milliseconds since 1970."""
    return type_coerce(columns.offered_at, BigInteger)


def _newest_first(branch: Branch | None, columns: Any) -> list[ColumnElement[Any]]:  # noqa: ANN401 (as above)
    lead = [] if branch is None else [columns[branch[0]].desc()]
    return [*lead, columns.offered_at.desc(), columns.call_id.desc()]


def _matches(span: _Span, branch: Branch | None, limit: int) -> Select[Any]:
    """The newest of a branch."""
    held = _table_of(branch).c
    query = select(_offered(held).label("offered_ms"), held.call_id).where(span.of_branch(branch))
    return query.order_by(*_newest_first(branch, held)).limit(limit)


def _checked(
    span: _Span, branch: Branch | None, checks: Sequence[Term], examined: int, limit: int
) -> Select[Any]:
    """The newest of a branch that pass the checks, among so many that are examined."""
    held = _table_of(branch)
    newest = select(*_SEARCHED)
    if held is not calls:
        newest = newest.add_columns(held.c[TAG]).join(held, held.c.call_id == calls.c.call_id)
    some = (
        newest.where(span.of_branch(branch))
        .order_by(*_newest_first(branch, held.c))
        .limit(examined)
        .subquery()
    )
    query = select(_offered(some.c).label("offered_ms"), some.c.call_id)
    recent = _offered(some.c) >= span.first_ms
    query = query.where(recent, *(term.condition(some.c) for term in checks))
    return query.order_by(*_newest_first(branch, some.c)).limit(limit)


def _keys(conn: Connection, parts: Sequence[Select[Any]], limit: int) -> tuple[Key, ...]:
    """The newest of all parts; a call that is in several comes once."""
    query: Select[Any] | CompoundSelect[Any] = parts[0]
    if len(parts) > 1:
        both = union(*(select(part.subquery()) for part in parts)).subquery()
        query = select(both).order_by(both.c.offered_ms.desc(), both.c.call_id.desc()).limit(limit)
    return tuple((row.offered_ms, row.call_id) for row in conn.execute(query))


def _stop(
    conn: Connection, span: _Span, branches: Sequence[Branch | None], examined: int
) -> Key | None:
    """The newest of the calls at which the search of a branch stopped; None: all were searched."""
    last = [_matches(span, branch, 1).offset(examined - 1) for branch in branches]
    found = _keys(conn, last, 1)
    return found[0] if found else None


def _leader(conn: Connection, terms: Sequence[Term], span: _Span) -> Term | None:
    """The term whose branches hold the fewest calls in the newest part of the span."""
    able = [term for term in terms if term.branches]
    if len(able) < 2:
        return able[0] if able else None
    # How far back so many calls of each branch reach: all in one statement.
    probes = [
        select(_offered(_table_of(branch).c))
        .where(span.of_branch(branch))
        .order_by(*_newest_first(branch, _table_of(branch).c)[:2])
        .limit(1)
        .offset(_PROBED - 1)
        .scalar_subquery()
        for term in able
        for branch in term.branches
    ]
    newest = select(func.max(_offered(calls.c))).where(span.of_branch(None)).scalar_subquery()
    now_ms, *reached = conn.execute(select(newest, *probes)).one()
    if now_ms is None:
        return able[0]
    ends = iter(reached)
    rates: list[float] = []
    for term in able:
        # None: it has fewer than that, ever.
        told = [next(ends) for _ in term.branches]
        since_ms = [0 if end is None else end for end in told]
        rates.append(sum(1 / max(now_ms - one, 1) for one in since_ms))
    return able[rates.index(min(rates))]
