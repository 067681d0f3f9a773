"""Alarms as they are kept: told once by however many processes, forgotten by no restart."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select

from api.console import alarms
from api.console.alarm_book import AlarmBook
from api.console.alarms import RULES, Alarm, Condition, Key, Reading
from api.console.render import texts_of
from storage import Database
from storage import alarms as kept
from storage.alarms import HELD
from storage.schema import outbox
from tests.support.storage import NOW

LAG: Key = (Condition.DELIVERY_LAG, "")
RULE = RULES[Condition.DELIVERY_LAG]
BAD = Reading(RULE.raise_at, {"oldest": 300.0, "waiting": 7.0})
WELL = Reading(0.0, {"oldest": 0.0, "waiting": 0.0})
SILENT: Key = (Condition.TRUNK_SILENT, "carrier-a")
_numbers = itertools.count(1)


class Process:
    """One that watches: what it reads is what the test says."""

    def __init__(self, db: Database) -> None:
        seed = next(_numbers)
        self.book = AlarmBook(
            db, lambda n: (seed * 1000 + next(_numbers)).to_bytes(n, "big"), texts_of()
        )
        self.known: dict[Key, Alarm] = {}

    async def look(self, at_s: float, readings: Mapping[Key, Reading]) -> set[Key]:
        """What is raised after a look so many seconds later."""
        now = NOW + timedelta(seconds=at_s)
        stepped = alarms.step(self.known, readings, now, RULES)
        self.known = await self.book.keep(stepped, readings.keys(), now)
        return {(one.condition, one.subject) for one in alarms.raised(self.known)}

    async def looks(self, begin: int, end: int, readings: Mapping[Key, Reading]) -> set[Key]:
        """A look every five seconds."""
        found: set[Key] = set()
        for second in range(begin, end, 5):
            found = await self.look(second, readings)
        return found


async def told(db: Database) -> list[tuple[str, dict[str, Any]]]:
    """What is owed to the platform, in its order."""

    def work(conn: Connection) -> list[Any]:
        query = select(outbox.c.kind, outbox.c.data).order_by(outbox.c.id)
        return list(conn.execute(query).all())

    return [(kind, json.loads(data)) for kind, data in await db.read(work)]


async def kinds(db: Database) -> list[str]:
    return [kind for kind, _ in await told(db)]


async def test_a_raise_and_a_clear_are_told_once_each_with_what_it_is_about(db: Database) -> None:
    one = Process(db)
    assert await one.looks(0, 60, {LAG: BAD}) == {LAG}
    assert await kinds(db) == ["alarm.raised"]
    assert await one.looks(60, 300, {LAG: WELL}) == set()

    raised, cleared = await told(db)
    assert raised[0] == "alarm.raised"
    data = raised[1]
    assert data["condition"] == "delivery_lag"
    assert (data["subject"], data["weight"], data["times"]) == ("", "warning", 1)
    assert data["facts"] == {"oldest": 300, "waiting": 7}
    assert data["cleared_at"] is None
    assert "5:00" in data["text"]["en"]
    assert data["text"].keys() == {"en", "ru"}
    assert cleared[0] == "alarm.cleared"
    assert cleared[1]["alarm_id"] == data["alarm_id"]
    assert cleared[1]["cleared_at"] > data["raised_at"] > data["since"]
    [past] = one.book.book.past
    assert past.id == data["alarm_id"]


async def test_several_processes_that_see_the_same_tell_of_it_once(db: Database) -> None:
    many = [Process(db) for _ in range(4)]
    for second in range(0, 60, 5):
        await asyncio.gather(*(one.look(second, {LAG: BAD}) for one in many))
    assert await kinds(db) == ["alarm.raised"]

    for second in range(60, 300, 5):
        await asyncio.gather(*(one.look(second, {LAG: WELL}) for one in many))
    assert await kinds(db) == ["alarm.raised", "alarm.cleared"]


async def test_what_is_up_is_up_for_a_process_that_sees_nothing_of_it(db: Database) -> None:
    sees, blind = Process(db), Process(db)
    shown: set[Key] = set()
    for second in range(0, 40, 5):
        await sees.look(second, {SILENT: Reading(1)})
        shown = await blind.look(second, {LAG: WELL})
    assert shown == {SILENT}

    for second in range(40, 200, 5):
        await sees.look(second, {SILENT: Reading(0)})
        shown = await blind.look(second, {LAG: WELL})
    assert shown == set()
    assert await kinds(db) == ["alarm.raised", "alarm.cleared"]


async def test_nobody_says_that_it_is_over_while_another_sees_that_it_is_not(db: Database) -> None:
    sees, well = Process(db), Process(db)
    shown: set[Key] = set()
    for second in range(0, 400, 5):
        await sees.look(second, {LAG: BAD})
        shown = await well.look(second, {LAG: WELL})
    assert shown == {LAG}
    assert await kinds(db) == ["alarm.raised"]

    # The one that saw it dies: then the other's word counts.
    later = 400 + int(HELD.total_seconds() + RULE.clear_after_s)
    assert await well.looks(400, later + 60, {LAG: WELL}) == set()
    assert await kinds(db) == ["alarm.raised", "alarm.cleared"]


async def test_a_restart_forgets_nothing_and_tells_nothing_twice(db: Database) -> None:
    await Process(db).looks(0, 60, {LAG: BAD})
    again = Process(db)
    assert await again.look(70, {}) == {LAG}  # before it has read anything
    shown = again.known[LAG]
    assert shown.since == NOW
    assert shown.reading.facts == BAD.facts
    assert await again.looks(75, 120, {LAG: BAD}) == {LAG}
    assert await kinds(db) == ["alarm.raised"]

    await again.looks(120, 300, {LAG: WELL})
    assert await kinds(db) == ["alarm.raised", "alarm.cleared"]


async def test_what_nobody_reads_any_more_is_over_in_the_end(db: Database) -> None:
    await Process(db).looks(0, 60, {SILENT: Reading(1)})
    other = Process(db)
    long = int(alarms.FORGET_AFTER.total_seconds())
    assert await other.looks(60, 60 + long - 60, {}) == {SILENT}
    assert await other.looks(60 + long - 60, 60 + long + 60, {}) == set()
    assert await kinds(db) == ["alarm.raised", "alarm.cleared"]


async def test_who_takes_it_is_kept_and_only_the_first(db: Database) -> None:
    one = Process(db)
    await one.looks(0, 60, {LAG: BAD})
    wanted = one.book.book.up[LAG].id

    def take(by: str) -> Any:  # noqa: ANN401 (a work)
        return lambda conn: kept.acknowledge(conn, wanted, by, by.title(), NOW)

    first = await db.write(take("anna"))
    assert first.acknowledged_name == "Anna"
    assert await db.write(take("boris")) is None
    assert (await db.read(kept.up))["delivery_lag", ""].acknowledged_by == "anna"


async def test_alarms_that_are_over_are_forgotten_in_the_end(db: Database) -> None:
    one = Process(db)
    await one.looks(0, 60, {LAG: BAD, SILENT: Reading(1)})
    await one.looks(60, 300, {LAG: WELL, SILENT: Reading(1)})
    late = NOW + kept.KEPT + timedelta(days=1)

    assert await db.write(lambda conn: kept.sweep(conn, NOW)) == 0
    assert await db.write(lambda conn: kept.sweep(conn, late)) == 1
    assert await db.read(kept.past) == ()
    assert set(await db.read(kept.up)) == {("trunk_silent", "carrier-a")}
