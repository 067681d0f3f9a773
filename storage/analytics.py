"""Counters of what is shown, called and heard: added to, rolled up, let go of. Never set.

Whoever adds does it in the transaction of what is counted, so each thing counts once. Rows are
locked in one order by everybody, and last of all that a transaction does: who waits for them holds
up nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, func, select

from masking.funnel import Contact
from storage.columns import to_ms
from storage.dialect import Insert, insert_for, one_of
from storage.prepared import Prepared, PreparedInsert
from storage.schema import (
    funnel_calls,
    funnel_categories,
    funnel_contacts,
    traffic,
    traffic_spread,
)

HOUR_MS: Final = 3_600_000
HOURS_A_DAY: Final = 24
CATEGORIES_A_DAY: Final = 200  # that are counted by name
OTHER: Final = "other"
"""What all further categories of a day are counted as."""

Key = tuple[Any, ...]
Cells = dict[Key, list[int]]


@dataclass(slots=True)
class Tally:
    """What is to be added, gathered in memory first: many calls make few rows."""

    contacts: Cells = field(default_factory=dict)
    calls: Cells = field(default_factory=dict)
    traffic: Cells = field(default_factory=dict)
    spread: Cells = field(default_factory=dict)
    reached: dict[str, Contact] = field(default_factory=dict)  # by session

    def reach(self, session_id: str, contact: Contact) -> None:
        """Note what a call of the session came to."""
        known = self.reached.get(session_id)
        self.reached[session_id] = contact if known is None else known.joined(contact)


def cell(cells: Cells, key: Key, width: int) -> list[int]:
    """The counters of `key`, so many of them, to be added to."""
    found = cells.get(key)
    if found is None:
        found = cells[key] = [0] * width
    return found


def put(cells: Cells, key: Key, amounts: Iterable[int], sign: int = 1) -> None:
    """Add `amounts`, times `sign`, to the cell of `key`."""
    cell = cells.get(key)
    if cell is None:
        cells[key] = [sign * amount for amount in amounts]
        return
    for place, amount in enumerate(amounts):
        cell[place] += sign * amount


def hour_of(at: datetime) -> int:
    """The hour that `at` lies in, counted from 1970."""
    return to_ms(at) // HOUR_MS


def add(conn: Connection, tally: Tally, contacts: Cells | None = None) -> int:
    """Add `tally`, and `contacts` as `storage.contacts` found them.

    Says how many of its categories are counted as others. The tally is left as it is.
    """
    given = dict(tally.contacts)
    for key, amounts in (contacts or {}).items():
        given[key] = (
            [a + b for a, b in zip(given[key], amounts, strict=True)] if key in given else amounts
        )
    names = _names(conn, _pairs(given) | _pairs(tally.calls))
    add_cells(conn, funnel_contacts, _named(given, names))
    add_cells(conn, funnel_calls, _named(tally.calls, names))
    add_cells(conn, traffic, tally.traffic)
    add_cells(conn, traffic_spread, tally.spread)
    return sum(name != category for (_, category), name in names.items())


def named(conn: Connection, cells: Cells, *, admit: bool = True) -> Cells:
    """The cells of a funnel under the categories that they are counted by.

    Without `admit` no further category is counted by name: nothing is written.
    """
    return _named(cells, _names(conn, _pairs(cells), admit=admit))


def add_cells(conn: Connection, table: Table, cells: Cells) -> None:
    """Add the cells, each by its primary key, to those of one of the four tables of counters."""
    into = _INTO[table.name]
    rows = [
        dict(zip(into.columns, (*key, *cells[key]), strict=True))
        for key in sorted(cells)
        if any(cells[key])
    ]
    if rows:
        into.insert(conn, rows)


class _Counters(PreparedInsert):
    """An INSERT that adds to the row that is there already."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.keys: Final = [column.name for column in table.primary_key]
        self.columns: Final = [column.name for column in table.c]
        self._counts = [name for name in self.columns if name not in self.keys]
        self._own = table

    def statement(self, conn: Connection) -> Insert:
        insert = insert_for(conn, self._own)
        return insert.on_conflict_do_update(
            index_elements=self.keys,
            set_={name: self._own.c[name] + insert.excluded[name] for name in self._counts},
        )


_INTO: Final = {
    table.name: _Counters(table)
    for table in (funnel_contacts, funnel_calls, traffic, traffic_spread)
}


def _pairs(cells: Cells) -> set[tuple[int, str]]:
    """Hour and category, which stand first and last in the keys of a funnel."""
    return {(key[0], key[-1]) for key in cells}


def _named(cells: Cells, names: Mapping[tuple[int, str], str]) -> Cells:
    """The same cells under the categories that they are counted by."""
    if all(name == category for (_, category), name in names.items()):
        return cells
    found: Cells = {}
    for key, amounts in cells.items():
        put(found, (*key[:-1], names[key[0], key[-1]]), amounts)
    return found


_day: Final = funnel_categories.c.day
_KNOWN: Final = Prepared(
    select(_day, funnel_categories.c.category).where(
        _day >= bindparam("first"),
        _day <= bindparam("last"),
        one_of(funnel_categories.c.category, "categories"),
    )
)
_HOW_MANY: Final = Prepared(
    select(func.count().label("named"))
    .where(_day == bindparam("wanted"))
    .select_from(funnel_categories)
)


def _names(
    conn: Connection, wanted: set[tuple[int, str]], *, admit: bool = True
) -> dict[tuple[int, str], str]:
    """Under which name each (hour, category) counts: its own, or that of all others.

    A name, once given on a day, is kept for that day; a day that is full stays so. So whatever is
    subtracted later is subtracted from where it was added.
    """
    pairs = {(hour // HOURS_A_DAY, category) for hour, category in wanted if category}
    known: set[tuple[int, str]] = set()
    if pairs:
        known = _known(conn, pairs)
        for day in sorted({day for day, _ in pairs - known}) if admit else ():
            known |= _admit(conn, day, {category for on, category in pairs if on == day})
    return {
        (hour, category): category
        if not category or (hour // HOURS_A_DAY, category) in known
        else OTHER
        for hour, category in wanted
    }


def _known(conn: Connection, pairs: set[tuple[int, str]]) -> set[tuple[int, str]]:
    days = [day for day, _ in pairs]
    asked = {
        "first": min(days),
        "last": max(days),
        "categories": sorted({category for _, category in pairs}),
    }
    return {(row.day, row.category) for row in _KNOWN.rows(conn, asked)}


def _admit(conn: Connection, day: int, categories: set[str]) -> set[tuple[int, str]]:
    """Let the day count these by name as far as there is room; those that it does now."""
    [row] = _HOW_MANY.rows(conn, {"wanted": day})
    if row.named < CATEGORIES_A_DAY:
        if conn.dialect.name == "postgresql":  # one after the other: else two might fill the day
            conn.execute(select(func.pg_advisory_xact_lock(_LOCKS + day)))
            [row] = _HOW_MANY.rows(conn, {"wanted": day})
        known = _known(conn, {(day, category) for category in categories})
        room = max(0, CATEGORIES_A_DAY - row.named)
        new = sorted(categories - {category for _, category in known})[:room]
        if new:
            rows = [{"day": day, "category": category} for category in new]
            conn.execute(insert_for(conn, funnel_categories).on_conflict_do_nothing(), rows)
    return _known(conn, {(day, category) for category in categories})


_LOCKS: Final = 0x6D61_736B_0000_0000  # of days; nobody else takes numbers from here on
