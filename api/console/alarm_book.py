"""Keeps alarms in the database: a restart forgets none, and the platform is told once of each.

Every process judges by what it sees itself; what is up is up for all of them. One says that
an alarm is over only when nobody else has just seen the contrary. Without a database each goes on
by what it knows, and what changed meanwhile is kept as soon as it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from api.console.alarm_words import told
from api.console.alarms import Alarm, Condition, Key, Reading
from api.console.texts import Texts
from masking.ids import alarm_id
from masking.notice import Notice, NoticeKind
from storage import alarms as rows
from storage import outbox
from storage.alarms import Kept
from storage.columns import to_ms
from storage.database import Database

EVERY_MS: Final = 5_000
PAST: Final = 20  # that the board shows


@dataclass(frozen=True, slots=True)
class Book:
    """What is kept of alarms."""

    up: Mapping[Key, Kept]
    past: tuple[Kept, ...]


_EMPTY: Final = Book({}, ())


class AlarmBook:
    """One process's way to what is kept."""

    def __init__(
        self,
        db: Database,
        entropy: Callable[[int], bytes],
        texts: Mapping[str, Texts],
    ) -> None:
        self._db = db
        self._entropy = entropy
        self._texts = texts
        self._me = entropy(8).hex()
        self._looked_ms = 0
        self.book = _EMPTY

    def changed(self) -> None:
        """Somebody has changed what is kept: look at the next occasion."""
        self._looked_ms = 0

    async def keep(
        self, known: Mapping[Key, Alarm], read: Collection[Key], now: datetime
    ) -> dict[Key, Alarm]:
        """Keep what is raised and what is over; what is known then. Raises StorageError.

        `read`: of what there is a reading now. What nobody reads, nobody holds up.
        """
        up = self.book.up
        seen = {
            key for key, one in known.items() if one.raised and one.turning is None and key in read
        }
        over = {key for key in up if key not in known or not known[key].raised}
        due = abs(to_ms(now) - self._looked_ms) >= EVERY_MS
        if seen - up.keys() or over or (due and seen):
            told_now = {key: known[key] for key in seen}
            book = await self._db.write(lambda conn: self._write(conn, told_now, over, now))
        elif due:
            book = await self._db.read(_read)
        else:
            return dict(known)
        self.book, self._looked_ms = book, to_ms(now)
        return _joined(known, book.up, now)

    def _write(
        self, conn: Connection, seen: Mapping[Key, Alarm], over: set[Key], now: datetime
    ) -> Book:
        up = _up(conn)
        for key, alarm in seen.items():
            if key not in up:
                self._raise(conn, alarm, now)
        rows.hold(conn, [up[key].id for key in seen if key in up], self._me, now)
        for key in over & up.keys():
            if rows.clear(conn, up[key].id, self._me, now):
                outbox.owe(conn, self._notice(NoticeKind.ALARM_CLEARED, up[key], now))
        return _read(conn)

    def _raise(self, conn: Connection, alarm: Alarm, now: datetime) -> None:
        assert alarm.since is not None
        kept = Kept(
            id=alarm_id(now, self._entropy(10)),
            condition=alarm.condition.value,
            subject=alarm.subject,
            grave=alarm.grave,
            facts=alarm.reading.facts,
            times=alarm.times,
            since=alarm.since,
            raised_at=now,
            observer=self._me,
            seen_at=now,
        )
        if rows.put_up(conn, kept):
            outbox.owe(conn, self._notice(NoticeKind.ALARM_RAISED, kept, now))

    def _notice(self, kind: NoticeKind, kept: Kept, now: datetime) -> Notice:
        data: dict[str, Any] = {
            "alarm_id": kept.id,
            "condition": kept.condition,
            "subject": kept.subject,
            "weight": "grave" if kept.grave else "warning",
            "since": _text(kept.since),
            "raised_at": _text(kept.raised_at),
            "cleared_at": None,
            "times": kept.times,
            "facts": dict(kept.facts),
            "text": {
                language: told(kept.condition, kept.subject, kept.facts, texts)
                for language, texts in self._texts.items()
            },
        }
        if kind is NoticeKind.ALARM_CLEARED:
            data["cleared_at"] = _text(now)
        return Notice(kind, f"{kind.value}:{kept.id}", now, data=data)


def _joined(known: Mapping[Key, Alarm], up: Mapping[Key, Kept], now: datetime) -> dict[Key, Alarm]:
    """What this process knows, with what is kept: of what is up, no process knows less."""
    found: dict[Key, Alarm] = {}
    for key, alarm in known.items():
        if alarm.raised and key not in up:  # it is over by another's word
            found[key] = replace(alarm, since=None, turning=None, over_at=now)
        else:
            found[key] = alarm
    for key, kept in up.items():
        mine = found.get(key)
        if mine is not None and mine.raised:
            seen_at = max(mine.seen_at, kept.seen_at)
            found[key] = replace(mine, since=kept.since, times=kept.times, seen_at=seen_at)
        else:
            reading = Reading(0.0, kept.facts) if mine is None else mine.reading
            found[key] = Alarm(*key, reading, kept.seen_at, since=kept.since, times=kept.times)
    return found


def _read(conn: Connection) -> Book:
    past = rows.past(conn, at_most=PAST)
    return Book(_up(conn), tuple(one for one in past if one.condition in _KNOWN))


_KNOWN: Final = frozenset(Condition)


def _up(conn: Connection) -> dict[Key, Kept]:
    """Those of conditions that this version knows."""
    return {
        (Condition(kept.condition), kept.subject): kept
        for kept in rows.up(conn).values()
        if kept.condition in _KNOWN
    }


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
