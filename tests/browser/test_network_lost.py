"""A page that loses its network: during a call, and while nothing goes on."""

from __future__ import annotations

import asyncio

from maskline.demo.spec import PATIENCE_S as WAIT_S
from tests.support.app_scene import BUYER_HZ, SELLER_HZ, AppScene

PATIENCE_S = 2  # of a page that is to give up soon
LONG_S = 28  # of one that is not; Maskline itself gives up after 30


async def test_a_call_goes_on_in_another_network(scene: AppScene) -> None:
    network = scene.network()
    buyer = await scene.app(scene.buyer, network=network)
    seller = await scene.app(scene.seller)
    session = await scene.session()
    await scene.talk(buyer, seller, session)

    network.lose()
    await buyer.until(lambda view: "reconnecting true" in view["events"], "looking for its network")
    network.back()

    # An ICE restart, over a connection of SIP that is new as well.
    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await buyer.until(lambda view: view["phone"] == "registered", "registered again")
    for app in (buyer, seller):
        view = await app.view()
        assert (view["ends"], view["events"].count("call up")) == ([], 1), app.name
    await seller.hang_up()
    assert await buyer.ended() == "hung_up", "SIP reaches it where it is now"
    (record,) = await scene.records(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")


async def test_a_call_survives_that_its_network_goes_again_before_it_is_found(
    scene: AppScene,
) -> None:
    network = scene.network()
    buyer = await scene.app(scene.buyer, network=network, reconnect_s=LONG_S)
    seller = await scene.app(scene.seller)
    session = await scene.session()
    await scene.talk(buyer, seller, session)

    network.lose()
    await buyer.until(lambda view: "reconnecting true" in view["events"], "looking for its network")
    # The answer to its re-INVITE is what is lost.
    gone = network.lose_at(b" INVITE\r\n")
    network.back()
    async with asyncio.timeout(WAIT_S):
        await gone.wait()
    network.back()

    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    for app in (buyer, seller):
        view = await app.view()
        assert (view["ends"], view["events"].count("call up")) == ([], 1), app.name
    await seller.hang_up()
    assert await buyer.ended() == "hung_up", "SIP reaches it where it is now"
    (record,) = await scene.records(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")


async def test_a_call_whose_network_stays_away_ends_and_an_ordinary_one_is_offered(
    scene: AppScene,
) -> None:
    network = scene.network()
    buyer = await scene.app(scene.buyer, network=network, reconnect_s=PATIENCE_S)
    seller = await scene.app(scene.seller)
    session = await scene.session()
    await scene.talk(buyer, seller, session)
    await buyer.until(lambda view: view["call"]["link"], "ready for the worst")

    network.lose()

    assert await buyer.ended() == "network"
    view = await buyer.view()
    assert view["call"]["offered"] == f"tel:{session.buyer_dials}"
    assert "reconnecting true" in view["events"]
    await seller.hang_up()
    await seller.ended()


async def test_an_app_that_was_offline_rings_again_and_is_told_once_what_it_missed(
    scene: AppScene,
) -> None:
    network = scene.network()
    buyer = await scene.app(scene.buyer)
    seller = await scene.app(scene.seller, network=network)
    session = await scene.session(channel_policy="app_only")

    await seller.context.set_offline(True)
    network.lose()
    await buyer.call(session.id)
    assert await buyer.ended() == "unreachable"
    await scene.missed(scene.seller)
    # Connections from before hang: nobody says that they are dead, only that there is a network.
    network.back(tell=False)
    await seller.context.set_offline(False)

    await seller.until(lambda view: view["missed"] != [], "told of the call")
    # Each is noticed by itself, in any order.
    await seller.until(lambda view: view["events"].count("phone registered") == 2, "back")
    await scene.known(scene.seller, seller)
    await scene.talk(buyer, seller, session)
    await buyer.hang_up()
    await seller.until(lambda view: view["logged"] > 0, "told of the second call")
    view = await seller.view()
    (entry,) = view["missed"]
    assert entry["session_id"] == session.id
    assert view["events"].count("phone registered") == 2, "and stayed"
