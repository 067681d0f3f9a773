"""Which way a call goes: measured before it, moved while it is up, woken or missed without it."""

from __future__ import annotations

import asyncio

from maskline.demo import Reject
from tests.support.app_scene import BUYER_HZ, SELLER_HZ, AppScene
from tests.support.platform import SECRET

MOST_GAP_MS = 1000
FREQUENT = 0.35  # of packets lost, each way: no talk is possible


async def test_a_good_network_is_measured_on_the_media_path_and_the_app_is_advised(
    scene: AppScene,
) -> None:
    buyer = await scene.app(scene.buyer)
    session = await scene.session()

    way = await buyer.preflight(session.id)

    assert way["measured"]["by"] == "media"
    assert way["measured"]["loss"] < 0.02
    assert (way["channel"], way["reason"], way["callable"]) == ("app", "good", True)
    assert way["link"] == f"tel:{session.buyer_dials}", "the phone remains a choice"
    assert await scene.maskline.calls(session_id=session.id) == [], "a measure is no call"


async def test_a_poor_network_is_measured_and_the_phone_is_offered(scene: AppScene) -> None:
    relay = scene.poor_network(FREQUENT)
    buyer = await scene.app(scene.buyer, relay=relay)
    seller = await scene.app(scene.seller)
    session = await scene.session()

    way = await buyer.preflight(session.id)

    assert way["measured"]["by"] == "media"
    assert way["measured"]["loss"] > FREQUENT / 2
    assert (way["channel"], way["reason"]) == ("gsm", "loss")
    assert (way["dial"], way["link"]) == (session.buyer_dials, f"tel:{session.buyer_dials}")

    # The buyer takes the offer.
    mobile = await scene.dial(way["dial"], scene.buyer)
    await seller.rings()
    await seller.answer()
    await asyncio.gather(mobile.wait_up(), seller.up())
    await asyncio.gather(mobile.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await mobile.hang_up()
    await seller.ended()


async def test_a_call_moves_from_the_app_to_the_phone_and_back(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await scene.talk(buyer, seller, session)

    await buyer.hand_over("gsm")
    mobile = await scene.mobile(scene.buyer)
    await mobile.wait_up()
    assert await buyer.ended() == "hung_up"
    await asyncio.gather(mobile.hear(SELLER_HZ, 600), seller.hear(BUYER_HZ, 600))
    assert mobile.seen_caller == session.buyer_dials, "their own proxy number"

    await buyer.hand_over("app")
    await buyer.rings()
    await buyer.answer()
    await asyncio.gather(buyer.up(), mobile.wait_ended())
    await asyncio.gather(buyer.hear(SELLER_HZ, 600), seller.hear(BUYER_HZ, 600))

    heard = await seller.heard()
    assert max(heard["gaps_ms"], default=0) <= MOST_GAP_MS, heard
    view = await seller.view()
    assert view["events"].count("call up") == 1, "the other side noticed nothing"
    await seller.hang_up()
    await buyer.ended()
    (record,) = await scene.records(session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    moves = [(one["source"], one["target"], one["result"]) for one in record["handovers"]]
    assert moves == [("app", "gsm", "done"), ("gsm", "app", "done")]


async def test_the_callee_moves_to_the_phone_and_the_caller_hears_no_break(
    scene: AppScene,
) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    await scene.talk(buyer, seller, session)

    await seller.hand_over("gsm")
    mobile = await scene.mobile(scene.seller)
    await mobile.wait_up()
    await asyncio.gather(mobile.hear(BUYER_HZ, 600), buyer.hear(SELLER_HZ, 600))

    heard = await buyer.heard()
    assert max(heard["gaps_ms"], default=0) <= MOST_GAP_MS, heard
    await buyer.hang_up()
    await mobile.wait_ended()


async def test_a_handover_that_nobody_answers_leaves_the_call_as_it_is(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session()
    scene.carrier.on_invite(Reject(ring_ms=300), number=scene.buyer.phone)
    await scene.talk(buyer, seller, session)

    await buyer.hand_over("gsm")
    mobile = await scene.mobile(scene.buyer)
    await mobile.wait_ended()
    view = await buyer.until(
        lambda view: any(one.startswith("handover") for one in view["events"]), "told"
    )

    assert "handover done" not in view["events"]
    assert view["call"]["state"] == "up"
    await asyncio.gather(buyer.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await buyer.hang_up()
    await seller.ended()


async def test_a_network_that_becomes_poor_gets_the_phone_offered(scene: AppScene) -> None:
    relay = scene.poor_network(0.001)
    buyer = await scene.app(scene.buyer, relay=relay)
    seller = await scene.app(scene.seller)
    session = await scene.session()
    await scene.talk(buyer, seller, session)

    relay.loss = FREQUENT
    view = await buyer.until(lambda view: view["offers"] != [], "offered the phone", 45)

    (offer, *_more) = view["offers"]
    assert offer["to"] == "gsm"
    await buyer.hand_over("gsm")
    mobile = await scene.mobile(scene.buyer)
    await mobile.wait_up()
    await asyncio.gather(mobile.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await seller.hang_up()
    await mobile.wait_ended()


async def test_missed_while_offline_it_is_delivered_on_return_and_once(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    session = await scene.session(channel_policy="app_only")
    await seller.close()
    await buyer.call(session.id)
    assert await buyer.ended() == "unreachable"
    await scene.missed(scene.seller)

    back = await scene.app(scene.seller)
    view = await back.until(lambda view: view["missed"] != [], "told of the call")
    (entry,) = view["missed"]
    assert (entry["card"]["name"], entry["listing"]["title"]) == ("Anna", "Lada Vesta 2019")
    assert entry["unread"] is True
    assert entry["call_back"]["session_id"] == session.id

    # The same app on the next day goes on where it was.
    await back.close()
    again = await scene.app(scene.seller, last_event_id=view["event_id"])

    # Called back from the entry, both sides stay masked.
    await again.page.evaluate("entry => app.callBack(entry)", entry)
    await buyer.rings()
    await buyer.answer()
    await asyncio.gather(buyer.hear(SELLER_HZ), again.hear(BUYER_HZ))
    await again.hang_up()
    await buyer.ended()
    # The log was followed all the time: this call is in it, the missed one did not come again.
    view = await again.until(lambda view: view["logged"] > 0, "told of the second call")
    assert view["missed"] == [], "once"


async def test_an_app_that_is_woken_rings(scene: AppScene) -> None:
    buyer, seller = await scene.pair()
    push = {"deadline_ms": 10_000, "url": scene.platform.hook_url, "secret": SECRET, "wake_s": 60}
    pool = await scene.pool(push=push)
    session = await scene.session(pool=pool)
    await seller.close()

    await buyer.call(session.id)
    pushed = await scene.pushed()
    await buyer.ringing()
    woken = await scene.app(scene.seller)
    card = await woken.rings()
    await woken.answer()

    await asyncio.gather(buyer.up(), woken.up())
    await asyncio.gather(buyer.hear(SELLER_HZ), woken.hear(BUYER_HZ))
    assert pushed["user_id"] == scene.seller.user_id
    assert pushed["card"]["name"] == card["name"] == "Anna"
    await buyer.hang_up()
    await woken.ended()
    scene.nobody_rung()
