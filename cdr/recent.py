"""Records as they are kept, followed by their places in the ledger: for live figures alone.

A reader remembers one place for each node and misses no record that is kept after it, at the cost
of what is new. Corrections are passed over: what they correct was counted. Only reads.

`after` reads whole records; `offers` only when calls came, for a twentieth of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Row, bindparam, select, type_coerce

from cdr.model import CallRecord
from cdr.records import record_of
from storage.columns import to_ms
from storage.prepared import Prepared
from storage.schema import calls, ledger_days

DAY_MS: Final = 86_400_000
BEHIND_DAYS: Final = 2  # so far a node's clock may be behind another's

Place = tuple[int, int]  # day, seq


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody has read."""

    day: int  # nothing that was kept before this day is of interest
    places: Mapping[str, Place]  # by node; of any other one, all is new


@dataclass(frozen=True, slots=True)
class Fresh:
    """What was kept since."""

    records: tuple[CallRecord, ...]
    mark: Mark  # from where to read on
    more: bool  # there is more already


@dataclass(frozen=True, slots=True)
class Offers:
    """When the calls came that were kept since."""

    calls: tuple[tuple[str, int], ...]  # id, milliseconds since 1970
    mark: Mark
    more: bool


_HEADS: Final = (
    select(ledger_days.c.node, ledger_days.c.day, ledger_days.c.calls)
    .where(ledger_days.c.day >= bindparam("first"))
    .order_by(ledger_days.c.node, ledger_days.c.day)
)
_AFTER: Final = Prepared(
    select(calls)
    .where(
        calls.c.node == bindparam("of_node"),
        calls.c.ledger_day == bindparam("of_day"),
        calls.c.ledger_seq > bindparam("after"),
    )
    .order_by(calls.c.ledger_seq)
    .limit(bindparam("at_most"))
)
_OFFERS_AFTER: Final = Prepared(
    select(
        *calls.c["ledger_seq", "version", "call_id"],
        type_coerce(calls.c.offered_at, BigInteger).label("offered_ms"),
    )
    .where(
        calls.c.node == bindparam("of_node"),
        calls.c.ledger_day == bindparam("of_day"),
        calls.c.ledger_seq > bindparam("after"),
    )
    .order_by(calls.c.ledger_seq)
    .limit(bindparam("at_most"))
)
_KEPT: Final = Prepared(
    select(calls.c.ledger_seq, calls.c.recorded_at)
    .where(
        calls.c.node == bindparam("of_node"),
        calls.c.ledger_day == bindparam("of_day"),
        calls.c.ledger_seq >= bindparam("from_seq"),
    )
    .order_by(calls.c.ledger_seq)
    .limit(1)
)


def since(conn: Connection, at: datetime) -> Mark:
    """The mark after which is what was kept since `at`. Looks at few rows of each node."""
    day = to_ms(at) // DAY_MS - 1  # a chain's day may be behind the clock's for a moment
    places: dict[str, Place] = {}
    done: set[str] = set()
    for head in conn.execute(_HEADS, {"first": day}):
        if head.node not in done:
            seq = _first(conn, head.node, head.day, head.calls, at)
            places[head.node] = (head.day, seq)
            if seq < head.calls:
                done.add(head.node)
    return Mark(day, places)


def end(conn: Connection, mark: Mark) -> Mark:
    """The mark after which is what is kept from now on, for who reads from `mark`."""
    heads = conn.execute(_HEADS, {"first": mark.day})
    places = {head.node: (head.day, head.calls) for head in heads}
    return Mark(mark.day, dict(mark.places) | places)


def after(conn: Connection, mark: Mark, *, at_most: int, until: Mark | None = None) -> Fresh:
    """What was kept after `mark`, so many records at most; and nothing after `until`."""
    rows, further, more = _walk(conn, mark, _AFTER, at_most, until)
    return Fresh(tuple(record_of(row) for row in rows), further, more)


def offers(conn: Connection, mark: Mark, *, at_most: int) -> Offers:
    """When the calls came that were kept after `mark`, so many at most."""
    rows, further, more = _walk(conn, mark, _OFFERS_AFTER, at_most, None)
    return Offers(tuple((row.call_id, row.offered_ms) for row in rows), further, more)


def _walk(
    conn: Connection, mark: Mark, query: Prepared, at_most: int, until: Mark | None
) -> tuple[list[Row[Any]], Mark, bool]:
    """First versions after `mark`; from where to read on; and whether there is more already."""
    found: list[Row[Any]] = []
    places, read = dict(mark.places), 0
    heads = conn.execute(_HEADS, {"first": mark.day}).all()
    first = max([mark.day, *(head.day - BEHIND_DAYS for head in heads)])
    for head in heads:
        last = (head.day, head.calls)
        if until is not None:
            last = min(last, until.places.get(head.node, (mark.day, 0)))
        place = places.get(head.node, (head.day, 0))
        if last[0] < head.day or last <= place or head.day < place[0]:
            continue
        if read >= at_most:
            return found, Mark(mark.day, places), True
        begun = place[1] if head.day == place[0] else 0
        asked = {"of_node": head.node, "of_day": head.day, "after": begun}
        rows = query.rows(conn, asked | {"at_most": at_most - read})
        rows = [row for row in rows if row.ledger_seq <= last[1]]
        found.extend(row for row in rows if row.version == 1)
        read += len(rows)
        places[head.node] = (head.day, rows[-1].ledger_seq if read >= at_most else last[1])
    more = read >= at_most
    return found, Mark(mark.day if more else first, places), more


def _first(conn: Connection, node: str, day: int, calls_of_day: int, at: datetime) -> int:
    """The seq after which the day's records were kept since `at`: by halving."""
    low, high = 0, calls_of_day
    while low < high:
        middle = (low + high + 1) // 2
        if _kept(conn, node, day, middle, at):
            low = middle
        else:
            high = middle - 1
    return low


def _kept(conn: Connection, node: str, day: int, seq: int, at: datetime) -> bool:
    """Whether the record at `seq`, or the next that there is, was kept before `at`."""
    rows = _KEPT.rows(conn, {"of_node": node, "of_day": day, "from_seq": seq})
    return bool(rows) and rows[0].recorded_at < at
