"""A call between two phones: its course over time shows when it was bad, on which side and way."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import AsyncExitStack, closing

import pytest_asyncio

from masking.quality_course import WELL, Course, Way, read
from tests.support.reporting import reporting
from tests.support.scene import Pool, Scene

BAD_S = 8.0
WITHIN_MS = 8_000  # a report's time, a second for the look, one for the point; a busy machine
LOST = 0.3


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2)


def kept(scene: Scene, call_id: str) -> dict[tuple[str, Way], Course]:
    """The courses of the record, by side and way."""
    query = "SELECT quality FROM calls WHERE call_id = ?"
    with closing(sqlite3.connect(scene.maskline.data / "maskline.db", timeout=10)) as database:
        [told] = database.execute(query, (call_id,)).fetchone()
    found: dict[tuple[str, Way], Course] = {}
    for one in json.loads(told):
        for text in one["courses"]:
            course = read(text)
            assert course is not None
            assert course.way is not None
            assert (one["side"], course.way) not in found
            found[one["side"], course.way] = course
    return found


def bad(course: Course) -> tuple[int, int] | None:
    """From when until when it was bad, in milliseconds since 1970."""
    places = [n for n, one in enumerate(course.points) if one is not None and one < WELL]
    if not places:
        return None
    since, until = places[0], places[-1] + 1
    return course.began_ms + since * course.every_ms, course.began_ms + until * course.every_ms


def near(found: tuple[int, int] | None, since_ms: int, until_ms: int) -> None:
    """It was bad just then."""
    assert found is not None
    assert abs(found[0] - since_ms) <= WITHIN_MS, (found, since_ms, until_ms)
    assert abs(found[1] - until_ms) <= WITHIN_MS, (found, since_ms, until_ms)


async def test_gaps_stand_in_the_record_at_their_time_side_and_way(
    scene: Scene, pool: Pool
) -> None:
    """Three calls at once: packets lost on the way to us, from us, to us without any reports."""
    talks, sessions = [], []
    for _ in range(3):
        session, _ = await scene.session(pool)
        sessions.append(session)
        talks.append(await scene.reach(session.buyer_dials, session.buyer, session.seller))
    coming, going, silent = talks
    async with AsyncExitStack() as stack:
        buyer = await stack.enter_async_context(reporting(coming.call))
        await stack.enter_async_context(reporting(coming.leg))
        await stack.enter_async_context(reporting(going.call))
        seller = await stack.enter_async_context(reporting(going.leg))
        mute = await stack.enter_async_context(reporting(silent.leg, reports=False))
        await asyncio.sleep(10)  # it sounds well for so long
        since_ms = time.time_ns() // 1_000_000
        buyer.loses_out = seller.loses_in = mute.loses_out = LOST
        await asyncio.sleep(BAD_S)
        buyer.loses_out = seller.loses_in = mute.loses_out = 0.0
        until_ms = time.time_ns() // 1_000_000
        await asyncio.sleep(12)  # and then again
        for talk in talks:
            await talk.end()
    first, second, third = [(await scene.maskline.recorded(one))[0] for one in sessions]

    courses = kept(scene, first["call_id"])
    near(bad(courses["caller", Way.FROM]), since_ms, until_ms)
    near(bad(courses["callee", Way.TO]), since_ms, until_ms)  # the seller heard it, and says so
    assert bad(courses["caller", Way.TO]) is None
    assert bad(courses["callee", Way.FROM]) is None
    caller, callee = first["legs"]
    assert caller["received"]["lost"] > 50
    assert caller["received"]["mos"] < 4 < caller["sent"]["mos"], "Asterisk names these crosswise"
    assert callee["sent"]["mos"] < 4 < callee["received"]["mos"]

    courses = kept(scene, second["call_id"])
    near(bad(courses["callee", Way.TO]), since_ms, until_ms)
    assert bad(courses["callee", Way.FROM]) is None
    assert bad(courses["caller", Way.FROM]) is None
    assert bad(courses["caller", Way.TO]) is None

    courses = kept(scene, third["call_id"])
    near(bad(courses["callee", Way.FROM]), since_ms, until_ms)
    assert ("callee", Way.TO) not in courses, "nobody reported it"
    sides = {one["side"]: one for one in third["quality"]}
    assert sides["callee"]["mos_min"] < 3.5 < sides["caller"]["mos_min"]
