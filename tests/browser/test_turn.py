"""Calls of apps whose networks let nothing out but to a relay: a real coturn, with our names."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.app_credentials import ice_servers
from api.services import AppTransports, Turn
from tests.support.app_scene import BUYER_HZ, SELLER_HZ, AppScene
from tests.support.network import Network
from tests.support.turn_server import TLS_PORT, TurnServer, turnserver
from tests.support.web_app import WebApp

# An app waits 5 s for its relay, Chromium half a minute.
SOON_S = 15

pytestmark = pytest.mark.skipif(turnserver() is None, reason="the package coturn is not installed")


async def test_both_hear_each_other_through_the_relay_and_show_nothing_else(
    scene: AppScene,
) -> None:
    relay = _relay(scene)
    buyer, seller = await asyncio.gather(
        scene.app(scene.buyer, turn="udp"), scene.app(scene.seller, turn="tcp")
    )
    session = await scene.session()

    await scene.talk(buyer, seller, session)
    await asyncio.gather(buyer.hear(SELLER_HZ, 1000), seller.hear(BUYER_HZ, 1000))

    for app, way in ((buyer, "udp"), (seller, "tcp")):
        (taken,) = await app.ways()
        assert (taken["local"]["candidateType"], taken["local"]["relayProtocol"]) == ("relay", way)
        assert taken["local"]["address"] == relay.host
        assert min(taken["sent"], taken["received"]) > 1000, "the sound went through it"
        shown = [line for line in (await app.own()).splitlines() if "a=candidate:" in line]
        assert shown
        assert {line.split()[4] for line in shown} == {relay.host}, "its own address stays hidden"
        # What came in names Maskline's address for audio alone: never a relay's, of either side.
        assert relay.host not in await _descriptions(app)
    await buyer.hang_up()
    assert await seller.ended() == "hung_up"


async def test_where_only_tls_gets_out_the_relay_is_reached_by_it(scene: AppScene) -> None:
    relay = _relay(scene)
    buyer, seller = await asyncio.gather(
        scene.app(scene.buyer, turn="tls"), scene.app(scene.seller)
    )
    session = await scene.session()

    await scene.talk(buyer, seller, session)

    (taken,) = await buyer.ways()
    assert (taken["local"]["candidateType"], taken["local"]["relayProtocol"]) == ("relay", "tls")
    assert taken["local"]["address"] == relay.host
    await seller.hang_up()
    assert await buyer.ended() == "hung_up"


async def test_a_slow_relay_is_waited_for(scene: AppScene) -> None:
    slow = scene.network()
    at = await _through(slow, scene)
    slow.slow_down(2.0)
    buyer, seller = await asyncio.gather(
        scene.app(scene.buyer, turn="tls", turn_at=at), scene.app(scene.seller)
    )
    session = await scene.session()

    await scene.talk(buyer, seller, session)

    (taken,) = await buyer.ways()
    assert taken["local"]["candidateType"] == "relay"
    await buyer.hang_up()
    assert await seller.ended() == "hung_up"


@pytest.mark.parametrize("relay", ["refuses", "is silent"])
async def test_an_app_without_a_way_for_sound_rings_nobody_and_is_offered_the_phone(
    scene: AppScene, relay: str
) -> None:
    at = await _nowhere(scene, relay)
    buyer, seller = await asyncio.gather(
        scene.app(scene.buyer, turn="tls", turn_at=at), scene.app(scene.seller)
    )
    session = await scene.session()

    way = await buyer.preflight(session.id)
    await buyer.call(session.id)
    reason = await buyer.ended(SOON_S)

    assert (way["measured"]["by"], way["channel"], way["reason"]) == ("media", "gsm", "loss")
    assert way["link"] == f"tel:{session.buyer_dials}"
    assert reason == "network"
    view = await buyer.view()
    assert view["call"]["offered"] == f"tel:{session.buyer_dials}"
    assert not [sent for sent in buyer.sent if sent.startswith("INVITE")], "not even the echo's"
    assert (await seller.view())["call"] is None
    assert await scene.maskline.calls(session_id=session.id) == [], "there was no call"
    scene.nobody_rung()

    # The buyer takes the offer.
    mobile = await scene.dial(session.buyer_dials, scene.buyer)
    await seller.rings()
    await seller.answer()
    await asyncio.gather(mobile.hear(SELLER_HZ), seller.hear(BUYER_HZ))
    await mobile.hang_up()
    await seller.ended()


@pytest.mark.parametrize("relay", ["refuses", "is silent"])
async def test_a_call_answered_without_a_way_for_sound_goes_on_to_the_phone(
    scene: AppScene, relay: str
) -> None:
    at = await _nowhere(scene, relay)
    buyer, seller = await asyncio.gather(
        scene.app(scene.buyer), scene.app(scene.seller, turn="tls", turn_at=at)
    )
    session = await scene.session()

    await buyer.call(session.id)
    await seller.rings()
    await seller.answer()
    reason = await seller.ended(SOON_S)
    mobile = await scene.mobile(scene.seller, SOON_S)
    await asyncio.gather(mobile.wait_up(), buyer.up())

    assert reason == "network"
    said = [sent.splitlines()[0] for sent in seller.sent if "INVITE" in sent]
    assert said[-1].startswith("SIP/2.0 480 "), said
    assert (await seller.view())["call"]["offered"] == f"tel:{session.seller_dials}"
    await asyncio.gather(mobile.hear(BUYER_HZ), buyer.hear(SELLER_HZ))
    await buyer.hang_up()
    await mobile.wait_ended()
    (record,) = await scene.records(session)
    tried = [attempt["channel"] for attempt in record["attempts"]]
    assert (record["outcome"], tried) == ("answered", ["app", "gsm"])


async def test_what_apps_are_given_opens_the_relay_until_it_is_over(scene: AppScene) -> None:
    relay = _relay(scene)
    buyer = await scene.app(scene.buyer, turn="udp")

    now = datetime.now(UTC)
    live = await buyer.gather(buyer.given[-1]["ice_servers"])
    over = await buyer.gather(_made(relay.secret, relay, now - timedelta(seconds=1)))
    later = now + timedelta(hours=1)
    forged = await buyer.gather(_made("another secret", relay, later))
    earlier = await buyer.gather(_made(relay.earlier, relay, later))

    for good in (live, earlier):
        assert {line.split()[4] for line in good["candidates"]} == {relay.host}
    assert over["candidates"] == []
    assert 401 in over["errors"]
    assert forged["candidates"] == []
    assert 401 in forged["errors"]


async def test_the_relay_sends_nothing_but_to_maskline(scene: AppScene) -> None:
    relay = _relay(scene)
    (made,) = _made(relay.secret, relay, datetime.now(UTC) + timedelta(hours=1))

    for peer in ("127.0.0.2", "10.0.0.1", "192.0.2.1"):
        said = await relay.relays_to(peer, made["username"], made["credential"])
        assert "403 (Forbidden IP)" in said


async def _through(network: Network, scene: AppScene) -> str:
    """Where the relay's TLS is reached by way of `network`."""
    url = await network.through(f"https://{_relay(scene).host}:{TLS_PORT}")
    return urlsplit(url).netloc


async def _nowhere(scene: AppScene, relay: str) -> str:
    """A relay's address that gives nothing."""
    if relay == "refuses":
        return f"{_relay(scene).host}:9"
    lost = scene.network()
    at = await _through(lost, scene)
    lost.lose()
    return at


def _relay(scene: AppScene) -> TurnServer:
    assert scene.turn is not None
    return scene.turn


def _made(secret: str, relay: TurnServer, until: datetime) -> list[Any]:
    """As Maskline makes them."""
    turn = Turn(relay.urls[:1], secret)
    made = ice_servers(AppTransports(turn=turn), "app_" + 26 * "0", until)
    return [one.model_dump() for one in made]


async def _descriptions(app: WebApp) -> str:
    kept = await app.page.evaluate("app.addresses()")
    return "\n".join(kept["sdp"])
