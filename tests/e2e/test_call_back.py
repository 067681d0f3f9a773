# ruff: noqa: ANN401 (entries are JSON)
"""A call that was missed: what its log says, and the way back from there, by app and by phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.support.app_phone import ANSWER
from tests.support.maskline import Session, eventually
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import CALLERS, Pool, Scene

RING_S = 5
BUYER_HZ, SELLER_HZ = 450, 700


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    caps = {"unanswered_in_row": 2}
    return await theatre.pool("en", numbers=2, app={"ring_s": RING_S}, caps=caps)


async def newest(scene: Scene, user: str, count: int) -> Any:
    """The newest entry of the user's log, once it has so many."""
    log = await eventually(lambda: scene.maskline.call_log(user), lambda found: len(found) >= count)
    return log[-1]


async def test_a_missed_call_is_called_back_from_the_log_by_app_and_by_phone(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session, _ = await scene.session(pool, channel_policy="app_only")
    buyer = await apps.open(session.buyer, tone_hz=BUYER_HZ, on_ring=ANSWER)
    seller = await apps.open(session.seller, tone_hz=SELLER_HZ)
    call = await buyer.call(session.id)
    await seller.incoming()
    assert await call.until_over() == 480  # it rang out

    missed = await newest(scene, session.seller_id, 1)
    assert (missed["outcome"], missed["reason"], missed["unread"]) == ("missed", "no_answer", True)
    assert missed["text"] == {"ru": "Пропущенный звонок", "en": "You missed a call"}
    assert missed["ring_s"] > RING_S - 2
    assert (missed["card"]["name"], missed["listing"]["id"]) == ("Anna", "L-42")
    back = missed["call_back"]
    assert (back["session_id"], back["gsm"]) == (session.id, session.seller_dials)
    notice = await scene.platform.event(
        "call.missed", lambda it: it["data"]["call_id"] == missed["call_id"]
    )
    told = notice["data"]
    assert (told["reason"], told["text"]) == ("no_answer", missed["text"])
    assert (told["call_back"]["app"], told["call_back"]["gsm"]) == (back["app"], back["gsm"])
    assert (await newest(scene, session.buyer_id, 1))["reason"] is None

    by_app = await seller.call(back["app"].removeprefix("sip:").partition("@")[0])
    leg = await buyer.incoming()
    await asyncio.gather(by_app.until_up(), leg.until_up())
    await asyncio.gather(by_app.hear(BUYER_HZ), leg.hear(SELLER_HZ))
    await by_app.hang_up()

    by_phone = await scene.dial(back["gsm"], session.seller)
    again = await buyer.incoming()
    await asyncio.gather(by_phone.wait_up(), again.until_up())
    await asyncio.gather(by_phone.hear(BUYER_HZ, 200), again.hear(CALLERS))
    await by_phone.hang_up()

    outgoing = await newest(scene, session.seller_id, 3)
    assert (outgoing["direction"], outgoing["outcome"]) == ("out", "answered")


async def test_calls_in_vain_come_to_an_end_and_the_callee_is_left_alone(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session, _ = await scene.session(pool, channel_policy="app_only")
    buyer = await apps.open(session.buyer)
    for count in (1, 2):
        assert await (await buyer.call(session.id)).until_over() == 480
        await newest(scene, session.seller_id, count)

    assert await (await buyer.call(session.id)).until_over() == 403

    capped = await newest(scene, session.buyer_id, 3)
    assert (capped["outcome"], capped["reason"]) == ("blocked", "unanswered_in_row")
    assert capped["text"]["en"] == "Too many calls, try later"
    log = await scene.maskline.call_log(session.seller_id)
    assert [(one["outcome"], one["reason"]) for one in log] == [("missed", "offline")] * 2
    history = await scene.maskline.history(session.conversation_id)
    assert [one["shown_to"] for one in history] == [
        ["caller", "callee"],
        ["caller", "callee"],
        ["caller"],
    ]


async def test_a_session_that_is_over_leaves_no_way_back(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session, _ = await scene.session(pool, channel_policy="app_only")
    await _missed(scene, apps, session)
    assert (await newest(scene, session.seller_id, 1))["call_back"] is not None
    await scene.ask("DELETE", f"/v1/sessions/{session.id}")
    assert (await newest(scene, session.seller_id, 1))["call_back"] is None


async def _missed(scene: Scene, apps: NativeApps, session: Session) -> None:
    buyer = await apps.open(session.buyer)
    assert await (await buyer.call(session.id)).until_over() == 480
    scene.nobody_rung()
