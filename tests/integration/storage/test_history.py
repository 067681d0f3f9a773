"""Many processes open, close and call at once, and some are killed: what was seen is one story.

Every place, that is a number with a phone, is used again and again. What each process saw there is
compared with every order in which it may have happened (`tests.support.history`).
MASKLINE_TEST_HISTORY_SCALE=20 makes it twenty times as long.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from storage import Database, open_database
from storage.schema import leases, numbers, participants, sessions
from tests.integration.storage.crowd import (
    EPOCH,
    NUMBERS,
    TTL,
    Place,
    Said,
    read_log,
)
from tests.support.history import NEVER, Does, Work, tells_a_story
from tests.support.storage import a_vault, stocked

_ROOT = Path(__file__).parents[3]
_SCALE = int(os.environ.get("MASKLINE_TEST_HISTORY_SCALE", "1"))
_WORKS = 350 * _SCALE  # of a process
_AT_ONCE = 40
_LIMIT_S = 100 * _SCALE
_MS = timedelta(milliseconds=1)

Story = dict[Place, list[Work]]


async def start(url: str, log: Path, who: int, works: int = _WORKS) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.storage.crowd"),
        *(url, str(log), str(who), str(works), str(_AT_ONCE)),
        cwd=_ROOT,
    )


async def kill_after(process: asyncio.subprocess.Process, log: Path, size: int) -> None:
    """Kill it in the middle of its work: when its log has so many bytes."""
    async with asyncio.timeout(_LIMIT_S):
        while not log.exists() or log.stat().st_size < size:
            assert process.returncode is None, "it ended before it was killed"
            await asyncio.sleep(0.005)
    process.kill()
    await process.wait()


async def crowds(url: str, folder: Path) -> list[Said]:
    """What was seen by four processes to the end, and by three that were killed."""
    logs = [folder / f"{who}.log" for who in range(7)]
    living = [await start(url, logs[who], who) for who in (0, 1, 2, 3)]
    killed = [await start(url, logs[who], who, 20 * _WORKS) for who in (4, 5, 6)]
    sizes = (10_000, 40_000 * _SCALE, 30_000 * _SCALE)
    await asyncio.gather(*(kill_after(*one) for one in zip(killed, logs[4:], sizes, strict=True)))
    async with asyncio.timeout(_LIMIT_S):
        assert [await process.wait() for process in living] == [0, 0, 0, 0]
    return [said for log in logs for said in read_log(log)]


def kept(conn: Connection) -> tuple[dict[str, int | None], dict[str, list[Place]]]:
    """What the database holds in the end: when each session was closed, and its places."""
    closed = {
        row.id: None if row.closed_at is None else (row.closed_at - EPOCH) // _MS
        for row in conn.execute(select(sessions.c.id, sessions.c.closed_at))
    }
    query = (
        select(leases.c.session_id, numbers.c.e164, participants.c.user_id)
        .join(numbers, numbers.c.id == leases.c.number_id)
        .join(
            participants,
            (participants.c.session_id == leases.c.session_id)
            & (participants.c.position == leases.c.position),
        )
    )
    places: defaultdict[str, list[Place]] = defaultdict(list)
    for row in conn.execute(query):
        places[row.session_id].append(Place(row.e164, int(row.user_id.rpartition("-")[2])))
    return closed, places


def bound_twice(conn: Connection) -> list[tuple[object, ...]]:
    """Places that two sessions hold at the end: of all that are kept, no two alike are active."""
    key = (leases.c.number_id, leases.c.phone_index, leases.c.extension)
    rows = conn.execute(select(*key).where(leases.c.active)).all()
    return [place for place, count in Counter(map(tuple, rows)).items() if count > 1]


def story(said: list[Said], closed: dict[str, int | None], places: dict[str, list[Place]]) -> Story:
    """The works on each place. What nobody was answered is done if the database says so."""
    found: Story = defaultdict(list)
    for one in said:
        ended = NEVER if one.ended is None else one.ended
        match one.does:
            case "look" if one.ended is not None:
                work = Work(Does.LOOK, one.session, one.now, one.begun, ended)
                found[one.places[0]].append(work)
            case "open" if one.session in closed:
                assert one.ended is None or set(one.places) == set(places[one.session])
                work = Work(Does.OPEN, one.session, one.now, one.begun, ended, TTL / _MS)
                for place in places[one.session]:
                    found[place].append(work)
            case "open":
                assert one.ended is None or one.session is None, "answered, and not there"
            case "close" if one.ended is not None or closed.get(one.session or "") == one.now:
                work = Work(Does.CLOSE, one.session, one.now, one.begun, ended)
                for place in places[one.session or ""]:
                    found[place].append(work)
    return found


def wrong(told: Story, cool_down: timedelta) -> list[Place]:
    """The places at which nothing explains what was seen."""
    cool_ms = cool_down / _MS
    return [place for place, works in told.items() if not tells_a_story(works, cool_down=cool_ms)]


def corrupted(told: Story) -> tuple[Place, Story]:
    """The same, but for one caller who was led nowhere while a session surely was live."""
    for place, works in told.items():
        opened = {work.session: work for work in works if work.does is Does.OPEN}
        closings: defaultdict[str | None, list[Work]] = defaultdict(list)
        for work in works:
            if work.does is Does.CLOSE:
                closings[work.session].append(work)
        for n, look in enumerate(works):
            if look.does is not Does.LOOK or look.session is None:
                continue
            begun_after = opened[look.session].ended < look.begun
            closed_later = all(look.ended < close.begun for close in closings[look.session])
            if begun_after and closed_later:
                changed = [*works]
                changed[n] = replace(look, session=None)
                return place, {**told, place: changed}
    raise AssertionError("no look to corrupt")


@pytest.mark.slow
@pytest.mark.parametrize("cool_down", [timedelta(0), timedelta(seconds=1)], ids=["used", "cools"])
async def test_what_was_seen_at_every_place_agrees_with_one_order_of_events(
    url: str, cool_down: timedelta, tmp_path: Path
) -> None:
    database: Database = open_database(url)
    try:
        await stocked(database, a_vault(), NUMBERS, cool_down)
        said = await crowds(url, tmp_path)
        closed, places = await database.read(kept)
        double = await database.read(bound_twice)
    finally:
        await database.close()

    told = story(said, closed, places)
    assert double == []
    assert wrong(told, cool_down) == []

    # It was worth looking at: places were used again, and callers were led somewhere.
    assert len(told) == 8 * NUMBERS
    assert len(closed) > (NUMBERS if cool_down else len(told))
    assert sum(work.session is not None for works in told.values() for work in works) > 20
    assert any(one.ended is None for one in said), "nobody was killed in the middle of a work"

    # And it would have been noticed.
    place, lie = corrupted(told)
    assert wrong(lie, cool_down) == [place]
