"""A process of many who open, close and call at once, and who write down what they saw.

Arguments: the database's URL, the file to write to, a number that makes its ids its own, how many
works, how many at once. Each work is a line when it is begun and one when it is answered, written
past every buffer: whoever kills the process loses none of them. `read_log` reads such files.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from masking.errors import PoolExhausted
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Participant, Phone, Role, Session
from storage import Database, open_database, sessions
from storage.database import Limits
from storage.errors import StorageError
from tests.support.storage import a_person, a_vault, live_session, proxies

PEOPLE = 8
NUMBERS = 5
TTL = timedelta(hours=1)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # when the machine started, in its own story
_KNOWN = 40  # sessions that a process remembers, to close one of them


@dataclass(frozen=True, slots=True)
class Place:
    """A proxy number together with somebody's phone."""

    number: str
    person: int


@dataclass(frozen=True, slots=True)
class Said:
    """One work as it was written down. Times are milliseconds since `EPOCH`."""

    does: str
    now: int  # the time that it was given
    begun: float
    ended: float | None  # None: nobody knows what came of it
    session: str | None
    places: tuple[Place, ...]


def a_phone(person: int) -> Phone:
    phone = a_person(Role.BUYER, person).phone
    assert phone is not None
    return phone


def a_draft(first: int, second: int) -> SessionDraft:
    sides = (
        a_person(Role.BUYER, first),
        replace(a_person(Role.BUYER, second), role=Role.SELLER),
    )
    return SessionDraft("chat-1", sides, "default", TTL)


def places_of(session: Session) -> tuple[Place, ...]:
    """The places that a session takes."""
    return tuple(
        Place(str(lease.number.e164), _person(session.participant(lease.role)))
        for lease in session.leases
    )


def read_log(path: Path) -> list[Said]:
    """What a process wrote down before it ended or was killed."""
    begun: dict[int, list[Any]] = {}
    ended: dict[int, list[Any]] = {}
    for line in path.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # killed in the middle of it
        kind, serial, *rest = json.loads(line)
        (begun if kind == "begin" else ended)[serial] = rest
    return [_said(rest, ended.get(serial)) for serial, rest in begun.items()]


def _said(begun: list[Any], ended: list[Any] | None) -> Said:
    does, now_ms, at, session, places = begun
    if ended is not None:
        at_end, answer, session, places = ended
        ended_at = at_end if answer else None
    else:
        ended_at = None
    return Said(does, now_ms, at, ended_at, session, tuple(Place(*place) for place in places))


def _ms() -> float:
    """The time that all processes of this machine share."""
    return time.monotonic_ns() / 1e6


def _person(participant: Participant) -> int:
    return int(participant.user_id.rpartition("-")[2])


class Crowd:
    """Those of one process."""

    def __init__(self, database: Database, log: int, who: int, works: int) -> None:
        self._database = database
        self._vault = a_vault()
        self._log = log
        self._who = who
        self._rng = random.Random(who)
        self._serials: Iterator[int] = iter(range(works))
        self._known: list[str] = []

    async def run(self, at_once: int) -> None:
        async with asyncio.TaskGroup() as crowd:
            for _ in range(at_once):
                crowd.create_task(self._one())

    async def _one(self) -> None:
        for serial in self._serials:
            now = EPOCH + timedelta(milliseconds=time.monotonic_ns() // 1_000_000)
            draw = self._rng.random()
            if draw < 0.3:
                await self._open(serial, now)
            elif draw < 0.5 and self._known:
                await self._close(serial, now)
            elif draw < 0.52:
                await self._database.write(lambda conn, now=now: sessions.sweep(conn, now))  # type: ignore[misc]
            else:
                await self._look(serial, now)

    async def _open(self, serial: int, now: datetime) -> None:
        first, second = self._rng.sample(range(PEOPLE), 2)
        new_id = session_id(now, bytes([self._who]) + serial.to_bytes(9, "big"))
        draft, rotation = a_draft(first, second), self._rng.randrange(NUMBERS)

        async def work() -> tuple[str | None, tuple[Place, ...]]:
            try:
                opened = await self._database.write(
                    lambda conn: sessions.open_session(
                        conn, self._vault, draft, now=now, session_id=new_id, rotation=rotation
                    )
                )
            except PoolExhausted:
                return None, ()
            self._learn(opened.id)
            return opened.id, places_of(opened)

        await self._told("open", serial, now, new_id, (), work)

    async def _close(self, serial: int, now: datetime) -> None:
        wanted = self._known.pop(self._rng.randrange(len(self._known)))

        async def work() -> tuple[str | None, tuple[Place, ...]]:
            await self._database.write(lambda conn: sessions.close(conn, wanted, now))
            return wanted, ()

        await self._told("close", serial, now, wanted, (), work)

    async def _look(self, serial: int, now: datetime) -> None:
        number, person = self._rng.choice(proxies(NUMBERS)), self._rng.randrange(PEOPLE)

        async def work() -> tuple[str | None, tuple[Place, ...]]:
            found = await self._database.look_up(
                lambda conn: live_session(conn, self._vault, number, a_phone(person), now)
            )
            if found is not None:
                self._learn(found)
            return found, (Place(number, person),)

        await self._told("look", serial, now, None, (Place(number, person),), work)

    async def _told(
        self,
        does: str,
        serial: int,
        now: datetime,
        session: str | None,
        places: tuple[Place, ...],
        work: Callable[[], Awaitable[tuple[str | None, tuple[Place, ...]]]],
    ) -> None:
        now_ms = (now - EPOCH) // timedelta(milliseconds=1)
        self._write("begin", serial, does, now_ms, _ms(), session, places)
        try:
            session, places = await work()
        except StorageError:
            self._write("end", serial, _ms(), False, session, places)
        else:
            self._write("end", serial, _ms(), True, session, places)

    def _write(self, *said: object) -> None:
        *rest, places = said
        assert isinstance(places, tuple)
        line = json.dumps([*rest, [[place.number, place.person] for place in places]])
        os.write(self._log, line.encode() + b"\n")

    def _learn(self, session: str) -> None:
        self._known.append(session)
        del self._known[:-_KNOWN]


async def main(url: str, path: str, who: int, works: int, at_once: int) -> None:
    database = open_database(url, Limits(connections=5))
    log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    await Crowd(database, log, who, works).run(at_once)
    await database.close()
    os.close(log)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])))
