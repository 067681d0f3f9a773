# ruff: noqa: ANN401 (records are JSON)
"""What the devices of a callee answer, one or several, and what follows when none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.support.app_phone import BUSY, DECLINE, SILENT, AppCall
from tests.support.maskline import Session, eventually
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import CALLEES, CALLERS, Pool, Scene

BUYER_HZ, SELLER_HZ, TABLET_HZ = 450, 700, 1000
RING_S = 5  # in the app, before the plan goes on


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2, app={"ring_s": RING_S})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient(theatre: Scene) -> Pool:
    """Where an app rings for long."""
    return await theatre.pool("en", numbers=2, app={"ring_s": 60})


async def a_session(scene: Scene, pool: Pool, **more: Any) -> Session:
    session, _ = await scene.session(pool, **{"channel_policy": "app_then_gsm", **more})
    return session


async def the_record(scene: Scene, session: Session) -> Any:
    return (await scene.maskline.recorded(session))[0]


async def talk(call: AppCall, leg: AppCall, there_hz: int, here_hz: int) -> None:
    await asyncio.gather(call.until_up(), leg.until_up())
    await asyncio.gather(call.hear(there_hz), leg.hear(here_hz))


# -- several devices, and what they answer ----------------------------------------------------


async def test_all_devices_ring_and_the_first_answer_wins(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=BUYER_HZ)
    phone = await apps.open(session.seller, tone_hz=SELLER_HZ)
    tablet = await apps.open(session.seller, tone_hz=TABLET_HZ)

    call = await buyer.call(session.id)
    here, there = await asyncio.gather(phone.incoming(), tablet.incoming())
    there.answer()
    await talk(call, there, TABLET_HZ, BUYER_HZ)

    await here.until_over()
    await call.hang_up()
    assert (await the_record(scene, session))["outcome"] == "answered"


async def test_a_decline_on_one_device_leaves_the_others_ringing(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=BUYER_HZ)
    phone = await apps.open(session.seller)
    tablet = await apps.open(session.seller, tone_hz=TABLET_HZ)

    call = await buyer.call(session.id)
    here, there = await asyncio.gather(phone.incoming(), tablet.incoming())
    here.decline()
    await here.until_over()
    there.answer()
    await talk(call, there, TABLET_HZ, BUYER_HZ)
    await call.hang_up()
    scene.nobody_rung()


@pytest.mark.parametrize(
    ("answers", "status", "outcome"),
    [
        ((DECLINE,), 603, "declined"),
        ((BUSY,), 486, "busy"),
        ((DECLINE, DECLINE), 603, "declined"),
        ((BUSY, DECLINE), 603, "declined"),
    ],
    ids=str,
)
async def test_what_the_callee_says_in_the_app_is_final(
    scene: Scene,
    apps: NativeApps,
    pool: Pool,
    answers: tuple[int, ...],
    status: int,
    outcome: str,
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer)
    for answer in answers:
        await apps.open(session.seller, on_ring=answer)

    call = await buyer.call(session.id)

    assert await call.until_over() == status
    assert (await the_record(scene, session))["outcome"] == outcome
    scene.nobody_rung()


async def test_a_decline_counts_when_the_other_device_is_not_answered(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer)
    await apps.open(session.seller, on_ring=DECLINE)
    await apps.open(session.seller)

    call = await buyer.call(session.id)

    assert await call.until_over() == 603
    assert (await the_record(scene, session))["outcome"] == "declined"
    scene.nobody_rung()


async def test_a_phone_caller_hears_a_decline_in_the_app_as_one(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    await apps.open(session.seller, on_ring=DECLINE)

    call = await scene.dial(session.buyer_dials, session.buyer)
    await call.wait_ended()

    assert (await the_record(scene, session))["outcome"] == "declined"
    scene.nobody_rung()


# -- nobody answers in the app ----------------------------------------------------------------


async def test_after_the_app_the_phone_is_rung(scene: Scene, apps: NativeApps, pool: Pool) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=CALLERS)
    seller = await apps.open(session.seller)

    call = await buyer.call(session.id)
    leg = await seller.incoming()
    phone = await scene.carrier.incoming()
    await asyncio.gather(call.until_up(), phone.wait_up())
    await leg.until_over()

    await asyncio.gather(call.hear(CALLEES), phone.hear(CALLERS, 200))
    await call.hang_up()
    record = await the_record(scene, session)
    assert [one["channel"] for one in record["attempts"]] == ["app", "gsm"]
    assert (record["outcome"], record["channel"]) == ("answered", "gsm")


async def test_a_device_that_says_nothing_is_not_waited_for(
    scene: Scene, apps: NativeApps, patient: Pool
) -> None:
    session = await a_session(scene, patient)
    buyer = await apps.open(session.buyer, tone_hz=CALLERS)
    await apps.open(session.seller, on_ring=SILENT)

    call = await buyer.call(session.id)
    phone = await scene.carrier.incoming()
    await asyncio.gather(call.until_up(), phone.wait_up())
    await call.hang_up()

    await was_not_waited_for(scene, session)


async def test_a_device_whose_network_is_gone_is_not_waited_for(
    scene: Scene, apps: NativeApps, patient: Pool
) -> None:
    session = await a_session(scene, patient)
    buyer = await apps.open(session.buyer, tone_hz=CALLERS)
    seller = await apps.open(session.seller, transport="tcp")
    seller.lose_network()

    call = await buyer.call(session.id)
    phone = await scene.carrier.incoming()
    await asyncio.gather(call.until_up(), phone.wait_up())
    await call.hang_up()

    await was_not_waited_for(scene, session)


async def was_not_waited_for(scene: Scene, session: Session) -> None:
    """The app was given up after 5 s of silence, and then the phone rung; by the node's clock."""
    app, gsm = (await the_record(scene, session))["attempts"]
    assert (app["channel"], gsm["channel"]) == ("app", "gsm")
    (step,) = app["steps"]
    begun, ended = (datetime.fromisoformat(step[at]) for at in ("started_at", "ended_at"))
    assert 4.5 < (ended - begun).total_seconds() < 6.5


async def test_whoever_is_to_be_reached_in_the_app_alone_and_is_not_there_has_missed_a_call(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool, channel_policy="app_only")
    buyer = await apps.open(session.buyer)

    call = await buyer.call(session.id)

    assert await call.until_over() == 480
    assert (await the_record(scene, session))["outcome"] == "unreachable"
    log = await eventually(lambda: scene.maskline.call_log(session.seller_id), bool)
    assert (log[0]["reason"], log[0]["unread"]) == ("offline", True)
    scene.nobody_rung()
