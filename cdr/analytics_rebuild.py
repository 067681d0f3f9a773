"""Counts records anew, as repair: afterwards the counters of a span say what its records say.

What the platform told of itself (numbers shown, Call pressed) is in no record and stays as it is.
Other nodes go on recording meanwhile: what they keep is counted before or after, never twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Table,
    bindparam,
    delete,
    select,
    text,
    type_coerce,
    update,
)

from cdr import analytics as counting
from cdr import records
from masking.funnel import Contact
from storage import analytics, contacts
from storage.analytics import HOUR_MS, HOURS_A_DAY, Cells, Tally
from storage.analytics_reports import Span
from storage.columns import from_ms
from storage.schema import calls, funnel_calls, funnel_contacts, traffic, traffic_spread

_CHUNK: Final = 500
_COUNTED: Final = (funnel_calls, traffic, traffic_spread)  # all that is in them comes of records
_LEVELS: Final = ("called", "rang", "answered", "talked")
_LOCK: Final = text(
    "LOCK TABLE funnel_contacts, funnel_calls, traffic, traffic_spread IN SHARE ROW EXCLUSIVE MODE"
)


@dataclass(frozen=True, slots=True)
class Recount:
    """What counting anew came to."""

    calls: int
    wrong: int  # counters that said something else


def spans(first: int, end: int, hours_from: int) -> Iterator[Span]:
    """The hours `first` to `end` in pieces: single hours, and before `hours_from` whole days."""
    hour = first
    while hour < end:
        if hour >= hours_from:
            yield Span(hour, hour + 1)
            hour += 1
        else:
            day = hour - hour % HOURS_A_DAY
            yield Span(day, day + HOURS_A_DAY)
            hour = day + HOURS_A_DAY


def rebuild(conn: Connection, span: Span, *, mend: bool = True) -> Recount:
    """Count the records of one of `spans` anew; without `mend` only say what is wrong.

    Where there is no record at all nothing is mended: they may have been let go of since.
    """
    if mend and conn.dialect.name == "postgresql":
        conn.execute(_LOCK)  # whoever keeps records now is counted before, or waits
    tally, told = Tally(), 0
    for record in _records(conn, span):
        counting.count(tally, record, record.variant, record.category)
        told += 1
    mend = mend and told > 0
    found = _contacts(conn, tally.reached)
    first_calls: Cells = {}
    for category, contact in found.values():
        if span.first <= contact.at_ms // HOUR_MS < span.end:
            contacts.move(first_calls, category, None, contact)
    whole_day = span.end - span.first > 1
    wanted = {
        funnel_contacts.name: first_calls,
        funnel_calls.name: tally.calls,
        traffic.name: tally.traffic,
        traffic_spread.name: tally.spread,
    }
    wrong = 0
    for table in (funnel_contacts, *_COUNTED):
        cells = wanted[table.name]
        if whole_day:
            cells = _as_day(cells, span.first)
        if table in (funnel_contacts, funnel_calls):
            cells = analytics.named(conn, cells, admit=mend)
        wrong += _compare(conn, table, span, cells, whole_day=whole_day)
        if mend:
            _forget(conn, table, span)
            analytics.add_cells(conn, table, cells)
    if mend:
        contacts.note(conn, {session: contact for session, (_, contact) in found.items()})
    return Recount(told, wrong)


def _records(conn: Connection, span: Span) -> Iterator[Any]:
    since, until = (from_ms(hour * HOUR_MS) for hour in (span.first, span.end))
    query = (
        select(calls)
        .where(calls.c.offered_at >= since, calls.c.offered_at < until)
        .order_by(calls.c.offered_at, calls.c.call_id)
    )
    after: tuple[Any, str] | None = None
    while True:
        page = query.limit(_CHUNK)
        if after is not None:
            at, call_id = after
            page = page.where(
                calls.c.offered_at >= at,
                (calls.c.offered_at > at) | (calls.c.call_id > call_id),
            )
        rows = conn.execute(page).all()
        for row in rows:
            yield records.record_of(row)
        if len(rows) < _CHUNK:
            return
        after = rows[-1].offered_at, rows[-1].call_id


_OF_SESSIONS: Final = select(
    calls.c.session_id,
    type_coerce(calls.c.offered_at, BigInteger).label("at_ms"),
    *calls.c["variant", "category", "outcome", "rang_at", "talk_ms"],
).where(calls.c.session_id.in_(bindparam("wanted", expanding=True)), calls.c.variant.is_not(None))


def _contacts(conn: Connection, reached: dict[str, Contact]) -> dict[str, tuple[str, Contact]]:
    """All that the sessions came to, with calls outside of the span; and their category."""
    found: dict[str, tuple[str, Contact]] = {}
    wanted = sorted(reached)
    for begin in range(0, len(wanted), _CHUNK):
        asked = {"wanted": wanted[begin : begin + _CHUNK]}
        for row in conn.execute(_OF_SESSIONS, asked):
            contact, known = contacts.contact_of(row), found.get(row.session_id)
            whole = contact if known is None else known[1].joined(contact)
            found[row.session_id] = row.category or "", whole
    return found


def _as_day(cells: Cells, first: int) -> Cells:
    day: Cells = {}
    for (_, *rest), amounts in cells.items():
        analytics.put(day, (first, *rest), amounts)
    return day


def _compare(conn: Connection, table: Table, span: Span, cells: Cells, *, whole_day: bool) -> int:
    """How many counters say something else than `cells`."""
    key = len(table.primary_key.columns)
    skipped = 2 if table is funnel_contacts else 0  # what was shown and pressed
    kept: Cells = {}
    for row in conn.execute(
        select(table).where(table.c.hour >= span.first, table.c.hour < span.end)
    ):
        place = (span.first, *row[1:key]) if whole_day else tuple(row[:key])
        analytics.put(kept, place, row[key:])
    wrong = 0
    for place in kept.keys() | cells.keys():
        nothing = [0] * (len(table.c) - key)
        mine, theirs = (of.get(place, nothing)[skipped:] for of in (cells, kept))
        wrong += sum(a != b for a, b in zip(mine, theirs, strict=True))
    return wrong


def _forget(conn: Connection, table: Table, span: Span) -> None:
    within = (table.c.hour >= span.first, table.c.hour < span.end)
    if table is funnel_contacts:
        conn.execute(update(table).where(*within).values(dict.fromkeys(_LEVELS, 0)))
    else:
        conn.execute(delete(table).where(*within))
