"""An app whose network grows poor is offered the phone; both sides and the platform are told."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import pytest_asyncio

from masking.quality_course import Course, Way, read
from maskline.demo import Answer
from tests.e2e.test_handover import BUYER_HZ, NEW_HZ, a_talk
from tests.support.maskline import eventually
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import Pool, Scene


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2)


@asynccontextmanager
async def events(scene: Scene, token: str) -> AsyncIterator[list[tuple[str, Any]]]:
    """What a user's app is told, kind and data, as it comes."""
    told: list[tuple[str, Any]] = []

    async def read(stream: aiohttp.ClientResponse) -> None:
        kind = ""
        async for raw in stream.content:
            name, _, value = raw.decode().strip().partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                told.append((kind, json.loads(value)))

    key = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(f"http://{scene.maskline.http}", headers=key) as session,
        session.get("/v1/app/events") as stream,
    ):
        assert stream.status == 200
        reader = asyncio.create_task(read(stream))
        try:
            yield told
        finally:
            reader.cancel()
            await asyncio.wait((reader,))


async def of_quality(told: list[tuple[str, Any]]) -> list[Any]:
    """What was told of how the call sounds, as soon as something was."""

    async def so_far() -> list[Any]:
        return [data for kind, data in told if kind == "call.quality"]

    found: list[Any] = await eventually(so_far, bool)
    return found


async def test_a_poor_network_is_told_and_the_phone_offered_and_taken(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    talk = await a_talk(scene, apps, pool, "caller")
    given = await apps.credentials(talk.phone)
    other = await apps.credentials(talk.session.seller)
    async with events(scene, given["token"]) as mine, events(scene, other["token"]) as theirs:
        talk.app.lose_network()

        async def offered() -> list[Any]:
            return [data for kind, data in mine if kind == "call.handover_offered"]

        [offer] = await eventually(offered, bool)
        assert offer == {
            "call_id": talk.call_id,
            "session_id": talk.session.id,
            "to": "gsm",
            "reason": "quality",
        }
        [sound] = await of_quality(mine)
        assert (sound["state"], sound["side"]) == ("poor", "own")
        assert sound["loss"] > 0.3
        [heard] = await of_quality(theirs)
        assert heard["side"] == "other"
        assert [kind for kind, _ in theirs if kind == "call.handover_offered"] == []
        told = await scene.platform.event(
            "call.quality", lambda one: one["data"]["call_id"] == talk.call_id
        )
        assert told["data"]["handover_offered"]
        assert told["data"]["role"] == "buyer"

        scene.carrier.on_invite(Answer(ring_ms=200, tone_hz=NEW_HZ), number=talk.phone)
        await talk.ask("gsm")
        leg = await talk.rung()
        await leg.wait_up()
        await talk.both_hear(leg, talk.other)

        async def moved() -> list[Any]:
            return [data for kind, data in mine if kind == "call.handover"]

        [done] = await eventually(moved, bool)
        assert (done["result"], done["to"]) == ("done", "gsm")
        talk.app.regain_network()
        await leg.hang_up()
    record = await talk.record()
    [quality] = [one for one in record["quality"] if one["side"] == "caller"]
    assert quality["offered"] == 1
    assert quality["mos_min"] < 3.1
    assert quality["below_ms"] >= 1000
    courses = kept_courses(scene, record["call_id"], "caller")
    worst = min(one for course in courses for one in course.scores if one is not None)
    assert worst <= quality["mos_min"] + 0.3, "the console draws where it was bad"
    assert Way.FROM in {course.way for course in courses}


def kept_courses(scene: Scene, call_id: str, side: str) -> list[Course]:
    """How a side sounded over time, as the record has it."""
    query = "SELECT quality FROM calls WHERE call_id = ?"
    with closing(sqlite3.connect(scene.maskline.data / "maskline.db", timeout=10)) as database:
        [kept] = database.execute(query, (call_id,)).fetchone()
    texts = [one["courses"] for one in json.loads(kept) if one["side"] == side]
    return [course for each in texts for text in each if (course := read(text)) is not None]


async def test_a_network_that_comes_back_is_told_too(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    talk = await a_talk(scene, apps, pool, "callee")
    talk.app.lose_network()
    wanted = ["poor"]

    async def told() -> list[str]:
        found = scene.platform.events("call.quality")
        return [one["data"]["state"] for one in found if one["data"]["call_id"] == talk.call_id]

    assert await eventually(told, lambda found: len(found) >= 1) == wanted
    talk.app.regain_network()
    await talk.mine.hear(BUYER_HZ)
    assert await eventually(told, lambda found: len(found) >= 2) == ["poor", "good"]
    await talk.mine.hang_up()
    assert (await talk.record())["handovers"] == []
