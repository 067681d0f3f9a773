"""What the counters say: sums over hours or days, by whatever is asked for. Only reads.

Every query goes by the beginning of a primary key, the hour; older days are one hour each, so no
report reads more than the counters of five weeks and a row a day of what is older.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy import cast as sql_cast

from masking.funnel import Variant
from masking.lift import Arm
from masking.plan import Channel
from masking.spread import Measure
from storage.analytics import HOURS_A_DAY
from storage.prepared import Prepared
from storage.schema import funnel_calls, funnel_contacts, traffic, traffic_spread

MOST_ROWS: Final = 10_000
"""Of one report; nobody reads more."""


class TooManyRows(Exception):
    """The report would be longer than `MOST_ROWS`."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hours since 1970: from `first` up to, and without, `end`."""

    first: int
    end: int


class By(StrEnum):
    """What a funnel can be split by."""

    HOUR = "hour"
    DAY = "day"
    CHANNEL = "channel"
    CAME_BY = "came_by"
    CALLEE_CHANNEL = "callee_channel"
    CATEGORY = "category"
    VARIANT = "variant"


class TrafficBy(StrEnum):
    """What traffic can be split by, besides its direction."""

    HOUR = "hour"
    DAY = "day"
    NODE = "node"
    TRUNK = "trunk"


Hour = tuple[int, str, str, str]  # hour, node, trunk ("" for apps), direction
Counters = tuple[int, ...]  # as in `TrafficRow.sums`, in the order of the table
Key = tuple[Any, ...]  # a value for each thing asked for, in that order; "" where there is none


@dataclass(slots=True)
class FunnelRow:
    """One line of a funnel. What is unknown in such a split is None."""

    key: Key
    shown: int | None = None
    pressed: int | None = None
    contacts: tuple[int, int, int, int] | None = None  # called, rang, answered, talked
    calls: tuple[int, int, int, int] = (0, 0, 0, 0)
    talk_ms: int = 0


@dataclass(slots=True)
class TrafficRow:
    """One line of traffic."""

    key: Key
    direction: str
    sums: dict[str, int]  # by the names of the columns
    spread: dict[Measure, dict[int, int]] = field(default_factory=dict)


def funnel(
    conn: Connection, span: Span, by: Sequence[By], category: str | None = None
) -> list[FunnelRow]:
    """The funnel of the span, split by `by`; of one category, "" for none. Raises TooManyRows."""
    rows: dict[Key, FunnelRow] = {}
    knows_contacts = not {By.CHANNEL, By.CAME_BY, By.CALLEE_CHANNEL} & set(by)
    knows_entries = not {By.CAME_BY, By.CALLEE_CHANNEL} & set(by)
    if knows_entries:
        rows = dict(_entries(conn, span, by, category))
    columns = {
        **_time(funnel_calls),
        "channel": case((funnel_calls.c.came_by == "gsm", "gsm"), else_="app"),
        "came_by": funnel_calls.c.came_by,
        "callee_channel": funnel_calls.c.channel,
        "category": funnel_calls.c.category,
        "variant": funnel_calls.c.variant,
    }
    names = ("called", "rang", "answered", "talked", "talk_ms")
    found = _sums(conn, funnel_calls, span, [columns[one.value] for one in by], names, category)
    for key, (called, rang, answered, talked, talk_ms) in found:
        if key not in rows:
            none = 0 if knows_entries else None
            rows[key] = FunnelRow(key, none, none, (0, 0, 0, 0) if knows_contacts else None)
        row = rows[key]
        row.calls, row.talk_ms = (called, rang, answered, talked), talk_ms
    if len(rows) > MOST_ROWS:
        raise TooManyRows
    return [rows[key] for key in sorted(rows)]


def _entries(
    conn: Connection, span: Span, by: Sequence[By], category: str | None
) -> list[tuple[Key, FunnelRow]]:
    """What was shown and pressed, and the contacts. By channel: a number is gsm, a button app."""
    columns = {
        **_time(funnel_contacts),
        "category": funnel_contacts.c.category,
        "variant": funnel_contacts.c.variant,
    }
    names = ("shown", "pressed", "called", "rang", "answered", "talked")
    split = [one for one in by if one is not By.CHANNEL]
    found = _sums(
        conn, funnel_contacts, span, [columns[one.value] for one in split], names, category
    )
    rows: list[tuple[Key, FunnelRow]] = []
    for key, (shown, pressed, *levels) in found:
        if By.CHANNEL not in by:
            contacts = (levels[0], levels[1], levels[2], levels[3])
            rows.append((key, FunnelRow(key, shown, pressed, contacts)))
            continue
        place = list(by).index(By.CHANNEL)
        for channel, told in ((Channel.GSM, (shown, 0)), (Channel.APP, (0, pressed))):
            if any(told):
                whole = (*key[:place], channel.value, *key[place:])
                rows.append((whole, FunnelRow(whole, *told)))
    return rows


def arms(conn: Connection, span: Span, category: str | None = None) -> dict[Variant, Arm]:
    """What each variant came to: impressions are numbers shown and Call pressed together."""
    names = ("shown", "pressed", "called", "rang", "answered", "talked")
    found = _sums(conn, funnel_contacts, span, [funnel_contacts.c.variant], names, category)
    return {
        Variant(key[0]): Arm(shown + pressed, *levels) for key, (shown, pressed, *levels) in found
    }


def traffic_of(conn: Connection, span: Span, by: Sequence[TrafficBy]) -> list[TrafficRow]:
    """What went over trunks in the span, split by `by` and by direction. Raises TooManyRows."""
    names = (
        *("seizures", "answered", "effective", "talk_ms"),
        *("delays", "delay_ms", "scores", "score_sum"),
    )
    split = _traffic_columns(traffic, by)
    found = {
        key: TrafficRow(key[:-1], key[-1], dict(zip(names, sums, strict=True)))
        for key, sums in _sums(conn, traffic, span, split, names, None)
    }
    wanted = [*_traffic_columns(traffic_spread, by), *traffic_spread.c["measure", "bucket"]]
    for key, (count,) in _sums(conn, traffic_spread, span, wanted, ("count",), None, bounded=False):
        *place, measure, bucket = key
        row = found.get(tuple(place))
        if row is not None:
            row.spread.setdefault(Measure(measure), {})[bucket] = count
    return [found[key] for key in sorted(found)]


def counters_since(conn: Connection, first: int) -> dict[Hour, Counters]:
    """The counters of traffic from the hour `first` on, as they are kept: for who looks often."""
    rows = _TRAFFIC_SINCE.rows(conn, {"first": first})
    return {(row.hour, row.node, row.trunk, row.direction): tuple(row)[4:] for row in rows}


_TRAFFIC_SINCE: Final = Prepared(select(traffic).where(traffic.c.hour >= bindparam("first")))


def _traffic_columns(table: Table, by: Sequence[TrafficBy]) -> list[ColumnElement[Any]]:
    columns = {**_time(table), "node": table.c.node, "trunk": table.c.trunk}
    return [*(columns[one.value] for one in by), table.c.direction]


def _time(table: Table) -> dict[str, ColumnElement[Any]]:
    return {"hour": table.c.hour, "day": table.c.hour // HOURS_A_DAY}


def _sums(
    conn: Connection,
    table: Table,
    span: Span,
    split: Sequence[ColumnElement[Any]],
    names: Sequence[str],
    category: str | None,
    *,
    bounded: bool = True,
) -> list[tuple[Key, list[int]]]:
    """The sums of the columns `names` for each different `split`; lines of nothing are left out."""
    keys = [column.label(f"k{n}") for n, column in enumerate(split)]
    sums = [sql_cast(func.sum(table.c[name]), BigInteger).label(name) for name in names]
    query = select(*keys, *sums).where(table.c.hour >= span.first, table.c.hour < span.end)
    if category is not None:
        query = query.where(table.c.category == category)
    if bounded:
        query = query.limit(MOST_ROWS + 1)
    # By their names: an expression with a parameter would be another one to PostgreSQL.
    query = query.group_by(*(literal_column(key.name) for key in keys)) if keys else query
    rows = conn.execute(query).all()
    if bounded and len(rows) > MOST_ROWS:
        raise TooManyRows
    found = [(tuple(row[: len(keys)]), [value or 0 for value in row[len(keys) :]]) for row in rows]
    return [(key, values) for key, values in found if any(values)]
