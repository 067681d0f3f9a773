"""Calls between two web apps: what each hears, sees and may do."""

from __future__ import annotations

import asyncio

from tests.support.app_scene import BUYER_HZ, SELLER_HZ, AppScene


async def test_both_hear_each_other_and_the_callee_sees_who_calls(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()

    await buyer.call(session.id)
    card = await seller.rings()
    await buyer.ringing()
    await seller.answer()
    await asyncio.gather(buyer.up(), seller.up())
    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await buyer.until(lambda view: view["call"]["call_id"] == card["call_id"], "told its call's id")
    await buyer.hang_up()
    ends = [await app.ended() for app in (buyer, seller)]

    (record,) = await scene.records(session)
    assert ends == ["hung_up", "hung_up"]
    assert (record["outcome"], record["channel"], record["ended_by"]) == (
        "answered",
        "app",
        "caller",
    )
    assert card == {
        "call_id": record["call_id"],
        "session_id": session.id,
        "conversation_id": session.conversation_id,
        "role": "buyer",
        "name": "Anna",
        "rating": 4.9,
        "listing": {"id": "L-42", "title": "Lada Vesta 2019"},
        "facts": {},
    }
    scene.nobody_rung()


async def test_an_app_that_is_closed_gives_way_to_the_phone(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await seller.close()

    await buyer.call(session.id)
    mobile = await scene.mobile(scene.seller)
    await asyncio.gather(buyer.up(), mobile.wait_up())
    await asyncio.gather(buyer.hear(SELLER_HZ), mobile.hear(BUYER_HZ))

    assert mobile.seen_caller == session.seller_dials, "a proxy number"
    await buyer.hang_up()
    await mobile.wait_ended()
    (record,) = await scene.records(session)
    assert (record["outcome"], record["channel"]) == ("answered", "gsm")


async def test_a_call_from_a_phone_reaches_the_app(scene: AppScene) -> None:
    seller = await scene.app(scene.seller)
    session = await scene.session()

    mobile = await scene.dial(session.buyer_dials, scene.buyer)
    card = await seller.rings()
    await seller.answer()
    await asyncio.gather(mobile.wait_up(), seller.up())
    await asyncio.gather(mobile.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await mobile.hang_up()

    assert await seller.ended() == "hung_up"
    assert (card["name"], card["session_id"]) == ("Anna", session.id)


async def test_every_device_rings_and_the_first_answer_stops_the_others(scene: AppScene) -> None:
    buyer, first = await scene.pair()
    second = await scene.app(scene.seller)
    session = await scene.session()

    await buyer.call(session.id)
    await asyncio.gather(first.rings(), second.rings())
    await second.answer()

    await asyncio.gather(buyer.up(), second.up())
    assert await first.ended() == "answered_elsewhere"
    await asyncio.gather(buyer.hear(SELLER_HZ), second.hear(BUYER_HZ))
    await second.hang_up()
    assert await buyer.ended() == "hung_up"
    (record,) = await scene.records(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")


async def test_declined_on_one_of_two_devices_the_other_rings_on(scene: AppScene) -> None:
    buyer, first = await scene.pair()
    second = await scene.app(scene.seller)
    session = await scene.session()

    await buyer.call(session.id)
    await asyncio.gather(first.rings(), second.rings())
    await first.decline()
    assert await first.ended() == "declined"
    view = await second.view()
    assert view["call"]["state"] == "ringing"
    await second.answer()

    await asyncio.gather(buyer.up(), second.up())
    await buyer.hang_up()
    await second.ended()


async def test_declined_on_all_devices_the_caller_hears_so_and_no_phone_rings(
    scene: AppScene,
) -> None:
    buyer, first = await scene.pair()
    second = await scene.app(scene.seller)
    session = await scene.session()

    await buyer.call(session.id)
    await asyncio.gather(first.rings(), second.rings())
    await asyncio.gather(first.decline(), second.decline())

    assert await buyer.ended() == "declined"
    (record,) = await scene.records(session)
    assert record["outcome"] == "declined"
    scene.nobody_rung()


async def test_who_is_on_a_call_is_busy(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session(channel_policy="app_only")
    await buyer.call(session.id)
    await seller.rings()
    await seller.answer()
    await asyncio.gather(buyer.up(), seller.up())

    other = await scene.stranger()
    theirs = await scene.session_with(other, channel_policy="app_only")
    await other.apps[0].call(theirs.id)

    assert await other.apps[0].ended() == "busy"
    await seller.hear(BUYER_HZ)
    await buyer.hang_up()
    await seller.ended()


async def test_who_is_muted_is_not_heard(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await buyer.call(session.id)
    await seller.rings()
    await seller.answer()
    await seller.hear(BUYER_HZ)

    await buyer.page.evaluate("app.state.call.mute()")
    await seller.falls_silent()
    await buyer.page.evaluate("app.state.call.mute(false)")
    await seller.hear(BUYER_HZ)

    await buyer.hang_up()
    await seller.ended()
