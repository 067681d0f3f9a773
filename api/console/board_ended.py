"""What calls that are over add to the board: of the hour before by record, then by counters.

The counters of analytics are kept with each record and are few rows, however many calls there are:
reading a record takes a hundred times what counting it by them takes. They do not say when within
their hour a call was over; so of the hour before the process began the records are read, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from api.console.board_latest import Latest
from api.console.board_window import MINUTE_MS, MINUTES, Place, Window
from api.console.readings import Way
from cdr import analytics as counting
from cdr import recent
from cdr.model import CallRecord
from cdr.recent import Mark
from storage import analytics_reports
from storage.analytics import Tally, hour_of
from storage.analytics_reports import Counters
from storage.columns import to_ms
from storage.database import Database

AT_ONCE: Final = 250  # records read in one go: some 60 ms, which calls must not wait for
OFFERS_AT_ONCE: Final = 2_000
LONGEST_HOURS: Final = 13  # a call counts in the hour of its offer, and may be over so much later
ALL_HOURS_EVERY_S: Final = 60.0
MOST_OF_A_CALL: Final = 40  # seizures; more were no calls but a repair of the counters


class Ended:
    """One board's. `follow` adds to its window what is new."""

    def __init__(
        self,
        db: Database,
        window: Window,
        latest: Latest[Way],
        offer: Callable[[str, int], None],
    ) -> None:
        """`offer`: takes each call's id and when it came, in milliseconds since 1970."""
        self._db = db
        self._window = window
        self._latest = latest
        self._offer = offer
        self._past: Mark | None = None  # how far the hour before is read; None: to its end
        self._begun: Mark | None = None  # where it ends and the counters begin
        self._mark: Mark | None = None
        self._counted: dict[analytics_reports.Hour, Counters] = {}
        self._all_hours_at: datetime | None = None

    @property
    def reading(self) -> bool:
        """Whether the hour before is still being read."""
        return self._past is not None or self._mark is None

    async def follow(self, now: datetime) -> None:
        """Count the calls that were kept since the last time. Raises StorageError."""
        if self._mark is None:
            began = now - timedelta(minutes=MINUTES)
            self._past, self._begun, self._counted = await self._db.read(
                partial(_begin, began=began, now=now)
            )
            self._mark, self._all_hours_at = self._begun, now
        else:
            await self._count(now, self._mark)
        if self._past is not None:
            await self._read_past(self._past)

    async def _read_past(self, past: Mark) -> None:
        found = await self._db.read(partial(_read, mark=past, until=self._begun))
        records, cells, mark, more = found
        for at_ms, place, amounts in cells:
            self._add(at_ms, place, amounts)
        for record in records:
            self._offer(record.call_id, to_ms(record.offered_at))
        self._past = mark if more else None

    async def _count(self, now: datetime, mark: Mark) -> None:
        assert self._all_hours_at is not None
        whole = (now - self._all_hours_at).total_seconds() >= ALL_HOURS_EVERY_S
        first = hour_of(now) - (LONGEST_HOURS if whole else 1)
        found = await self._db.read(partial(_newer, mark=mark, first=first))
        if found is None:
            return
        calls, counters = found
        for call_id, at_ms in calls.calls:
            self._offer(call_id, at_ms)
        added = self._added(counters)
        if sum(amounts[0] for _, amounts in added) <= MOST_OF_A_CALL * max(1, len(calls.calls)):
            for place, amounts in added:
                self._add(to_ms(now), place, amounts)
        self._counted |= counters
        self._mark = calls.mark
        if whole:
            self._all_hours_at = now
            oldest = first - 1
            self._counted = {key: one for key, one in self._counted.items() if key[0] >= oldest}

    def _added(
        self, counters: Mapping[analytics_reports.Hour, Counters]
    ) -> list[tuple[Place, list[int]]]:
        """What came to each counter since it was last read. One that went back was mended."""
        found = []
        for key, amounts in counters.items():
            before = self._counted.get(key)
            if amounts != before:
                old = before or (0,) * len(amounts)
                more = [max(0, b - a) for a, b in zip(old, amounts, strict=True)]
                found.append((Place(*key[1:]), more))
        return found

    def _add(self, at_ms: int, place: Place, amounts: list[int]) -> None:
        self._window.add(at_ms // MINUTE_MS, place, amounts)
        self._latest.add((place.trunk, place.direction), at_ms, amounts[0], amounts[2])


def _begin(
    conn: Connection, began: datetime, now: datetime
) -> tuple[Mark, Mark, dict[analytics_reports.Hour, Counters]]:
    past = recent.since(conn, began)
    counted = analytics_reports.counters_since(conn, hour_of(now) - LONGEST_HOURS)
    return past, recent.end(conn, past), counted


def _read(
    conn: Connection, mark: Mark, until: Mark | None
) -> tuple[tuple[CallRecord, ...], list[tuple[int, Place, list[int]]], Mark, bool]:
    """The next records after `mark`, and what they add."""
    found = recent.after(conn, mark, at_most=AT_ONCE, until=until)
    cells = [cell for record in found.records for cell in cells_of(record)]
    return found.records, cells, found.mark, found.more


def _newer(
    conn: Connection, mark: Mark, first: int
) -> tuple[recent.Offers, dict[analytics_reports.Hour, Counters]] | None:
    """The calls kept since and the counters as they are now; None where nothing is new."""
    calls = recent.offers(conn, mark, at_most=OFFERS_AT_ONCE)
    if calls.mark == mark:
        return None
    return calls, analytics_reports.counters_since(conn, first)


def cells_of(record: CallRecord) -> list[tuple[int, Place, list[int]]]:
    """What the record adds where, and when: as the call ended, in milliseconds since 1970."""
    tally = Tally()
    counting.count(tally, record, None, None)
    at_ms = to_ms(record.ended_at)
    return [
        (at_ms, Place(node, trunk, direction), amounts)
        for (_, node, trunk, direction), amounts in tally.traffic.items()
    ]
