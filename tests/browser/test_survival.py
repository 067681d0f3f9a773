"""The controller, and the API with it, is killed and started again: apps and their calls go on.

What is over stays over.
"""

from __future__ import annotations

import asyncio

from tests.support.app_scene import BUYER_HZ, SELLER_HZ, AppScene
from tests.support.platform import SECRET


async def test_killed_while_it_rings_started_again_while_they_talk(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await buyer.call(session.id)
    card = await seller.rings()
    await scene.maskline.kill_9()

    await seller.answer()
    await asyncio.gather(buyer.up(), seller.up())
    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await scene.maskline.start()
    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))

    # It knows the call again, well enough to move one side of it.
    await buyer.hand_over("gsm")
    mobile = await scene.mobile(scene.buyer)
    await mobile.wait_up()
    await asyncio.gather(mobile.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    heard = await seller.heard()
    assert max(heard["gaps_ms"], default=0) <= 1000, heard
    await seller.hang_up()
    await mobile.wait_ended()
    (record,) = await scene.records(session)
    assert (record["call_id"], record["outcome"]) == (card["call_id"], "answered")


async def test_killed_between_calls_apps_are_told_so_and_ring_again_afterwards(
    scene: AppScene,
) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await scene.maskline.kill_9()

    await buyer.call(session.id)
    assert await buyer.ended() == "unavailable"
    await scene.maskline.start()

    await scene.talk(buyer, seller, session)
    await buyer.hang_up()
    await seller.ended()
    view = await seller.until(lambda view: view["logged"] > 0, "following the call log again")
    assert view["events"].count("phone registered") == 1, "registrations are Asterisk's"
    # Nobody could say which session the first one was for.
    (record,) = await scene.records(session)
    assert record["outcome"] == "answered"


async def test_killed_while_an_app_is_woken_it_rings_when_it_comes(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    push = {"deadline_ms": 10_000, "url": scene.platform.hook_url, "secret": SECRET, "wake_s": 60}
    session = await scene.session(pool=await scene.pool(push=push))
    await seller.close()
    await buyer.call(session.id)
    await scene.pushed()
    await buyer.ringing()

    await scene.maskline.kill_9()
    await scene.maskline.start()
    woken = await scene.app(scene.seller)
    await woken.rings()
    await woken.answer()

    await asyncio.gather(buyer.up(), woken.up())
    await asyncio.gather(buyer.hear(SELLER_HZ), woken.hear(BUYER_HZ))
    await buyer.hang_up()
    await woken.ended()
    (record,) = await scene.records(session)
    assert (record["outcome"], record["channel"]) == ("answered", "app")


async def test_after_a_whole_restart_apps_come_back_by_themselves(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()

    await scene.maskline.stop()
    await buyer.until(lambda view: view["phone"] == "connecting", "cut off")
    await scene.maskline.start()
    for app in (buyer, seller):
        await app.until(lambda view: view["events"].count("phone registered") == 2, "back", 40)

    await scene.talk(buyer, seller, session)
    await buyer.hang_up()
    await seller.ended()


async def test_a_credential_that_is_over_opens_nothing_however_often_it_is_tried(
    scene: AppScene,
) -> None:
    over = await scene.credential_that_is_over()
    app = await scene.web_apps.open("late", BUYER_HZ, lambda _reason: over.again())

    await app.start(scene.url)

    view = await app.until(lambda view: "phone waiting" in view["events"], "refused")
    assert "phone registered" not in view["events"]
    await app.until(lambda _view: over.asked >= 2, "asking for another one")
