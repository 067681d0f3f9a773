"""An app that is asleep: pushed, waited for while the caller hears it ring, dialled at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.support.app_phone import ANSWER, RING, AppPhone
from tests.support.maskline import Session, eventually
from tests.support.native_apps import NativeApps, native_apps
from tests.support.platform import SECRET
from tests.support.scene import CALLEES, CALLERS, Pool, Scene

WAKE_S = 5
LONG_S = 60
SELLER_HZ = 700
PUSHED = "app.wake"


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    scene.platform.answer, scene.platform.status = (lambda _asked: {}), 200
    scene.platform.delay_s = 0.0
    async with native_apps(scene) as opened:
        yield opened
    scene.platform.status, scene.platform.delay_s = 200, 0.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await a_pool(theatre)


async def a_pool(scene: Scene, deadline_ms: int = 10_000, wake_s: int = WAKE_S) -> Pool:
    push = {
        "url": scene.platform.hook_url,
        "secret": SECRET,
        "deadline_ms": deadline_ms,
        "wake_s": wake_s,
    }
    return await scene.pool("en", numbers=3, app={"ring_s": 5}, push=push)


async def a_session(scene: Scene, pool: Pool, **more: str) -> Session:
    session, _ = await scene.session(pool, **{"channel_policy": "app_then_gsm", **more})
    return session


async def pushed(scene: Scene, session: Session, count: int = 1) -> list[Any]:
    """The pushes for this session's callee, as soon as there are so many."""

    async def those() -> list[Any]:
        asked = [one for one in scene.platform.asked if one["event"] == PUSHED]
        return [one for one in asked if one["session_id"] == session.id]

    found: list[Any] = await eventually(those, lambda now: len(now) >= count)
    return found


async def asleep(apps: NativeApps, phone: str, *, on_ring: int = RING) -> AppPhone:
    """An app that is there and not registered."""
    return await apps.open(phone, register=False, tone_hz=SELLER_HZ, on_ring=on_ring)


async def steps_of(scene: Scene, session: Session) -> tuple[Any, list[tuple[str, int]]]:
    """The record, and of its attempts the channel with the count of steps."""
    (record,) = await scene.maskline.recorded(session)
    return record, [(one["channel"], len(one["steps"])) for one in record["attempts"]]


# -- woken ------------------------------------------------------------------------------------


async def test_an_app_is_woken_and_dialled_at_the_moment_it_registers(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    seller = await asleep(apps, session.seller, on_ring=ANSWER)

    call = await scene.dial(session.buyer_dials, session.buyer)
    (push,) = await pushed(scene, session)
    await call.wait_ringing()
    assert seller.calls == []
    began = asyncio.get_running_loop().time()
    assert await seller.register() == 200
    leg = await seller.incoming()
    took_s = asyncio.get_running_loop().time() - began
    await asyncio.gather(call.wait_up(), leg.until_up())
    await asyncio.gather(call.hear(SELLER_HZ, 200), leg.hear(CALLERS))

    assert took_s < 2, "when it registers, not when it is next asked for: every 5 s"
    assert leg.card is not None
    assert push["card"] == leg.card, "what the push shows is what the call shows"
    assert (push["user_id"], push["call_id"]) == (session.seller_id, leg.card["call_id"])
    left = datetime.fromisoformat(push["expires_at"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=WAKE_S)
    await leg.hang_up()
    await call.wait_ended()
    record, steps = await steps_of(scene, session)
    assert (record["outcome"], record["channel"], steps) == ("answered", "app", [("app", 1)])
    scene.nobody_rung()


async def test_two_callers_of_one_sleeping_user_both_get_through(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    petr = scene.person()
    one = await a_session(scene, pool, seller=petr)
    two = await a_session(scene, pool, seller=petr)
    seller = await asleep(apps, petr)

    first = await scene.dial(one.buyer_dials, one.buyer)
    second = await scene.dial(two.buyer_dials, two.buyer)
    await asyncio.gather(pushed(scene, one), pushed(scene, two))
    assert await seller.register() == 200
    legs = [await seller.incoming(), await seller.incoming()]

    assert {(leg.card or {})["session_id"] for leg in legs} == {one.id, two.id}
    for leg in legs:
        leg.decline()
    await asyncio.gather(first.wait_ended(), second.wait_ended())


async def test_an_app_that_comes_back_from_elsewhere_is_dialled_there(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=CALLERS)
    seller = await apps.open(session.seller)
    await seller.vanish()

    call = await buyer.call(session.id)
    await pushed(scene, session)
    again = await apps.again(seller, on_ring=ANSWER, tone_hz=SELLER_HZ)
    leg = await again.incoming()
    await asyncio.gather(call.until_up(), leg.until_up())
    await asyncio.gather(call.hear(SELLER_HZ), leg.hear(CALLERS))

    await call.hang_up()
    _, steps = await steps_of(scene, session)
    assert steps == [("app", 2)], "the device that was gone, then the one that came back"
    scene.nobody_rung()


# -- not woken --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "delay_s"), [(410, 0.0), (500, 0.0), (200, 5.0)], ids=["gone", "broken", "silent"]
)
async def test_a_push_that_comes_to_nothing_costs_no_waiting(
    scene: Scene, apps: NativeApps, status: int, delay_s: float
) -> None:
    pool = await a_pool(scene, deadline_ms=500, wake_s=LONG_S)
    session = await a_session(scene, pool)
    await apps.credentials(session.seller)  # has an app, which is not there
    scene.platform.status, scene.platform.delay_s = status, delay_s

    call = await scene.dial(session.buyer_dials, session.buyer)
    talk = await asyncio.wait_for(scene.rung(session.seller, call), LONG_S / 2)
    await talk.end()

    record, steps = await steps_of(scene, session)
    assert (record["channel"], steps) == ("gsm", [("app", 1), ("gsm", 1)])


async def test_an_app_that_does_not_come_is_waited_for_no_longer_than_said(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    await apps.credentials(session.seller)

    call = await scene.dial(session.buyer_dials, session.buyer)
    await call.wait_ringing()
    leg = await scene.carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await call.hear(CALLEES, 200)
    await call.hang_up()

    record, steps = await steps_of(scene, session)
    assert (record["channel"], steps) == ("gsm", [("app", 1), ("gsm", 1)])
    assert leg.dialled == session.seller
    woken = record["attempts"][0]["steps"][0]["wake"]
    assert woken["result"] == "timeout"
    assert 0 <= woken["after_ms"] - WAKE_S * 1000 < 1000


async def test_a_caller_who_gives_up_while_the_app_is_woken_has_been_missed(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    await apps.credentials(session.seller)

    call = await scene.dial(session.buyer_dials, session.buyer)
    await pushed(scene, session)
    await call.wait_ringing()
    await call.cancel()

    record, _ = await steps_of(scene, session)
    assert record["outcome"] == "missed"
    log = await eventually(lambda: scene.maskline.call_log(session.seller_id), bool)
    assert log[0]["unread"] is True
    scene.nobody_rung()


async def test_a_user_who_never_had_an_app_is_not_woken(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)

    await (await scene.reach(session.buyer_dials, session.buyer, session.seller)).end()

    assert not [one for one in scene.platform.asked if one.get("session_id") == session.id]
