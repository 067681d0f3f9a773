"""How sessions end while people talk: calls go on, a tone warns, late callers are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.maskline import eventually
from tests.support.scene import LANGUAGES, Scene

EACH_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)
WARNING_HZ = 1400


async def test_a_call_outlives_its_session_and_both_are_warned_before_its_own_limit(
    scene: Scene,
) -> None:
    pool = await scene.pool("ru", max_call_s=60, ending={"warn_before_s": 57})
    session, _ = await scene.session(pool)

    talk = await scene.reach(session.buyer_dials, session.buyer, session.seller)
    await scene.ask("DELETE", f"/v1/sessions/{session.id}")
    for end in (talk.call, talk.leg):
        await end.hear(WARNING_HZ, 160)
        heard = end.heard()
        assert end.up_at is not None
        assert 160 <= heard.tone_ms[WARNING_HZ] <= 440, "two beeps of 0.2 s, once"
    await talk.call.hear(700, 500)
    await talk.leg.hear(450, 500)
    await talk.end()

    [record] = await scene.maskline.recorded(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "caller")
    assert record["talk_s"] >= 3


@EACH_LANGUAGE
async def test_a_late_caller_is_told_and_the_platform_too(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, cool_down_s=86_400)
    session, _ = await scene.session(pool)
    await scene.ask("DELETE", f"/v1/sessions/{session.id}")

    for number, caller in (
        (session.buyer_dials, session.buyer),
        (session.seller_dials, session.seller),
    ):
        call = await scene.dial(number, caller)
        whole = caller == session.seller
        await scene.refused(call, language, "no-longer-serves", to_the_end=whole)
        assert not call.answered, "nobody pays for being told"

    late = [await _late(scene, who) for who in (session.buyer_id, session.seller_id)]
    assert {one["data"]["session_id"] for one in late} == {session.id}
    calls = await eventually(
        lambda: scene.records(session_id=session.id), lambda found: len(found) == 2
    )
    assert {one["reason"] for one in calls} == {"cooling"}


async def test_an_answered_call_keeps_its_session_alive_and_no_other_does(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=1)
    kept, answer = await scene.session(pool, ttl_s=600, ttl_from="last_call", hard_ttl_s=86_400)
    plain, before = await scene.session(pool, ttl_s=600)
    for one in (kept, plain):
        await (await scene.reach(one.buyer_dials, one.buyer, one.seller)).end()

    after = await eventually(
        lambda: scene.ask("GET", f"/v1/sessions/{kept.id}"),
        lambda one: one["last_call_at"] is not None,
    )
    ended = datetime.fromisoformat(after["last_call_at"])
    assert datetime.fromisoformat(after["expires_at"]) == ended + timedelta(seconds=600)
    assert after["expires_at"] > answer["expires_at"]
    await scene.maskline.recorded(plain)
    assert (await scene.ask("GET", f"/v1/sessions/{plain.id}"))["expires_at"] == before[
        "expires_at"
    ]


async def test_the_platform_hears_of_a_coming_end(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=1, ending={"notice_s": 3597})
    session, answer = await scene.session(pool, ttl_s=3600)
    assert scene.platform.events("session.ending") == [], "not before it is time"
    event = await scene.platform.event(
        "session.ending", lambda one: one["data"]["session_id"] == session.id
    )
    told, known = event["data"]["expires_at"], answer["expires_at"]
    assert datetime.fromisoformat(told) == datetime.fromisoformat(known)


async def _late(scene: Scene, user_id: str) -> Any:  # noqa: ANN401 (JSON)
    """What the platform was told of this late caller."""
    return await scene.platform.event(
        "call.late", lambda one: one["data"]["caller"]["user_id"] == user_id
    )
