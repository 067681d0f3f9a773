"""Calls of apps when the controller is killed and comes back, at each step of a call's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from maskline.demo import Carrier
from maskline.demo.spec import PATIENCE_S
from tests.support.app_phone import ANSWER
from tests.support.maskline import Maskline, Session, carrier_host, eventually, sipp_command
from tests.support.native_apps import NativeApps, native_apps
from tests.support.platform import SECRET, Platform
from tests.support.scene import CALLERS, Scene

ROUTE_TIMEOUT_S = 20  # and a start takes 3 s, on a busy machine 8
SELLER_HZ = 700
PUSHED = "app.wake"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def theatre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """As that of all, but offers wait long enough for the next controller."""
    options = {"outbound_allow": "127.0.0.0/8", "route_timeout_s": str(ROUTE_TIMEOUT_S)}
    maskline = Maskline(tmp_path_factory.mktemp("scene") / "data", options=options)
    await maskline.start()
    try:
        async with (
            Platform(answer=lambda _asked: {}) as platform,
            Carrier(
                carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command()
            ) as carrier,
        ):
            scene = Scene(maskline, carrier, platform)
            await maskline.add_trunk(scene.trunk, carrier.host, carrier.port, max_cps=200)
            yield scene
            assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


async def a_session(scene: Scene, wake_s: int = 5) -> Session:
    push = {
        "url": scene.platform.hook_url,
        "secret": SECRET,
        "deadline_ms": 10_000,
        "wake_s": wake_s,
    }
    pool = await scene.pool("en", numbers=2, app={"ring_s": 30}, push=push)
    session, _ = await scene.session(pool, channel_policy="app_then_gsm")
    return session


async def pushed(scene: Scene, session: Session, count: int = 1) -> list[Any]:
    """The pushes for this session's callee, as soon as there are so many."""

    async def those() -> list[Any]:
        asked = [one for one in scene.platform.asked if one["event"] == PUSHED]
        return [one for one in asked if one["session_id"] == session.id]

    found: list[Any] = await eventually(those, lambda now: len(now) >= count)
    return found


async def steps_of(scene: Scene, session: Session) -> tuple[Any, list[tuple[str, int]]]:
    """The record, and of its attempts the channel with the count of steps."""
    (record,) = await scene.maskline.recorded(session)
    return record, [(one["channel"], len(one["steps"])) for one in record["attempts"]]


async def test_a_dead_controller_lets_the_wait_run_out_and_the_phone_ring(
    scene: Scene, apps: NativeApps
) -> None:
    session = await a_session(scene)
    await apps.credentials(session.seller)

    call = await scene.dial(session.buyer_dials, session.buyer)
    await pushed(scene, session)
    await scene.maskline.kill_9()
    try:
        talk = await scene.rung(session.seller, call)
        await talk.end()
    finally:
        await scene.maskline.start()
    record, steps = await steps_of(scene, session)
    assert (record["outcome"], steps) == ("answered", [("app", 1), ("gsm", 1)])


async def test_the_next_controller_takes_up_a_call_that_waits(
    scene: Scene, apps: NativeApps
) -> None:
    session = await a_session(scene, wake_s=60)
    seller = await apps.open(session.seller, register=False, tone_hz=SELLER_HZ, on_ring=ANSWER)

    call = await scene.dial(session.buyer_dials, session.buyer)
    (push,) = await pushed(scene, session)
    await scene.maskline.kill_9()
    await scene.maskline.start()
    first, again = (await pushed(scene, session, 2))[:2]
    assert first["call_id"] == again["call_id"] == push["call_id"]
    assert await seller.register() == 200
    leg = await seller.incoming()
    await asyncio.gather(call.wait_up(), leg.until_up())
    await asyncio.gather(call.hear(SELLER_HZ, 200), leg.hear(CALLERS))
    await leg.hang_up()
    await call.wait_ended()

    record, steps = await steps_of(scene, session)
    assert (record["outcome"], record["channel"], steps) == ("answered", "app", [("app", 1)])
    scene.nobody_rung()


async def test_calls_that_ring_or_are_up_do_not_notice_that_the_controller_died(
    scene: Scene, apps: NativeApps
) -> None:
    up, ringing = await a_session(scene), await a_session(scene)
    buyer = await apps.open(up.buyer, tone_hz=CALLERS)
    seller = await apps.open(up.seller, tone_hz=SELLER_HZ, on_ring=ANSWER)
    other = await apps.open(ringing.seller, tone_hz=SELLER_HZ)
    talking = await buyer.call(up.id)
    here = await seller.incoming()
    await asyncio.gather(talking.until_up(), here.until_up())
    waiting = await scene.dial(ringing.buyer_dials, ringing.buyer)
    there = await other.incoming()
    await waiting.wait_ringing()

    await scene.maskline.kill_9()
    there.answer()
    await asyncio.gather(waiting.wait_up(), there.until_up())
    await asyncio.gather(waiting.hear(SELLER_HZ, 200), talking.hear(SELLER_HZ))
    await scene.maskline.start()

    live = {one["session_id"]: one["state"] for one in await scene.maskline.live()}
    assert live == {up.id: "up", ringing.id: "up"}
    await talking.hang_up()
    await there.hang_up()
    await waiting.wait_ended()
    for session in (up, ringing):
        record, _ = await steps_of(scene, session)
        assert (record["outcome"], record["channel"]) == ("answered", "app")


async def test_an_app_that_calls_while_nobody_decides_is_told_to_try_again(
    scene: Scene, apps: NativeApps
) -> None:
    session = await a_session(scene)
    buyer = await apps.open(session.buyer)

    await scene.maskline.kill_9()
    call = await buyer.call(session.id)
    try:
        assert await call.until_over(ROUTE_TIMEOUT_S + PATIENCE_S) == 503
    finally:
        await scene.maskline.start()
    scene.nobody_rung()


async def test_the_offer_of_an_app_waits_for_the_next_controller(
    scene: Scene, apps: NativeApps
) -> None:
    session = await a_session(scene)
    buyer = await apps.open(session.buyer, tone_hz=CALLERS)

    await scene.maskline.kill_9()
    call = await buyer.call(session.id)
    await scene.maskline.start()
    leg = await scene.carrier.incoming()
    await asyncio.gather(call.until_up(), leg.wait_up())
    assert leg.dialled == session.seller
    await call.hang_up()
