"""Who may register, who may ring whose app, and when; what a caller is told where nobody may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.support.app_scene import BUYER_HZ, SELLER_HZ, AppScene
from tests.support.maskline import eventually


async def test_an_app_registers_and_is_known_as_a_device(scene: AppScene) -> None:
    app = await scene.app(scene.seller)
    devices = await scene.ask("GET", f"/v1/users/{scene.seller.user_id}/app-credentials")
    (device,) = devices["items"]
    assert device["registered"] is True
    assert device["username"] == app.given[0]["username"]


async def test_a_stranger_reaches_nobody(scene: AppScene) -> None:
    seller = await scene.app(scene.seller)
    session = await scene.session()
    stranger = await scene.stranger()

    await stranger.apps[0].call(session.id)

    assert await stranger.apps[0].ended() == "not_allowed"
    view = await seller.view()
    assert view["call"] is None
    scene.nobody_rung()


async def test_a_session_that_is_over_reaches_nobody(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await scene.ask("DELETE", f"/v1/sessions/{session.id}")

    await buyer.call(session.id)

    assert await buyer.ended() == "not_allowed"
    view = await seller.view()
    assert view["call"] is None


async def test_a_company_that_has_not_opted_in_is_rung_by_phone(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    await scene.choose(scene.seller, account="company")
    session = await scene.session()

    await buyer.call(session.id)
    mobile = await scene.mobile(scene.seller)
    await asyncio.gather(buyer.up(), mobile.wait_up())
    await asyncio.gather(buyer.hear(SELLER_HZ), mobile.hear(BUYER_HZ))

    view = await seller.view()
    assert view["call"] is None
    await buyer.hang_up()
    await mobile.wait_ended()


async def test_a_company_that_opted_in_for_the_listing_is_rung_in_the_app(
    scene: AppScene,
) -> None:
    buyer, seller = await scene.pair()
    await scene.choose(scene.seller, account="company", listings=["L-42"])
    session = await scene.session()

    await buyer.call(session.id)
    await seller.rings()
    await seller.answer()
    await asyncio.gather(buyer.up(), seller.up())
    await buyer.hang_up()
    await seller.ended()


async def test_in_quiet_hours_nothing_rings_and_the_call_is_in_the_log(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    hours = [{"from": "00:00", "until": "24:00"}]
    await scene.choose(scene.seller, quiet_hours=hours, timezone="Europe/Moscow")
    session = await scene.session()

    await buyer.call(session.id)

    assert await buyer.ended() == "unreachable"
    view = await seller.until(lambda view: view["missed"] != [], "told of the call")
    assert view["call"] is None
    (entry,) = view["missed"]
    assert entry["reason"] == "quiet_hours"
    scene.nobody_rung()


async def test_who_is_blocked_reaches_nobody_and_leaves_no_trace(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    block = {"user_id": scene.seller.user_id, "blocked_user_id": scene.buyer.user_id}
    await scene.ask("POST", "/v1/blocks", block)

    await buyer.call(session.id)

    assert await buyer.ended() == "blocked"
    (record,) = await scene.records(session)
    assert record["outcome"] == "blocked"
    view = await seller.view()
    assert (view["call"], view["missed"]) == (None, [])
    assert await scene.maskline.call_log(scene.seller.user_id) == []
    scene.nobody_rung()


async def test_a_device_that_is_shut_out_comes_back_with_new_credentials_only(
    scene: AppScene,
) -> None:
    seller = await scene.app(scene.seller)
    old = seller.given[0]["username"]

    await scene.ask("DELETE", f"/v1/users/{scene.seller.user_id}/app-credentials/{old}")

    await eventually(lambda: _given(seller.given), lambda count: count == 2)
    await seller.ready()
    await scene.known(scene.seller, seller)
    devices = await scene.ask("GET", f"/v1/users/{scene.seller.user_id}/app-credentials")
    registered = {one["username"] for one in devices["items"] if one["registered"]}
    assert registered == {seller.given[1]["username"]} != {old}


async def test_a_call_goes_on_when_its_device_is_shut_out(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await scene.talk(buyer, seller, session)

    await scene.ask("DELETE", f"/v1/users/{scene.buyer.user_id}/app-credentials")
    await eventually(lambda: _given(buyer.given), lambda count: count == 2)
    await buyer.until(lambda view: view["events"].count("phone registered") == 2, "back")

    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await buyer.hang_up()
    assert await seller.ended() == "hung_up"
    await scene.talk(seller, buyer, session)
    await seller.hang_up()
    await buyer.ended()


async def _given(given: Sequence[object]) -> int:
    return len(given)
