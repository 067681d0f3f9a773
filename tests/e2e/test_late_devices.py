# ruff: noqa: ANN401 (records are JSON)
"""A device that registers while another one of the same user rings: it rings too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from maskline.demo import Call
from tests.support.app_phone import AppCall, AppPhone
from tests.support.maskline import Session
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import CALLERS, Pool, Scene

BUYER_HZ, TABLET_HZ, PHONE_HZ = 500, 1000, 700
ELSEWHERE = b"SIP;cause=200"  # RFC 3326: no missed call for this device


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2, app={"ring_s": 60})


async def a_session(scene: Scene, pool: Pool, **more: Any) -> Session:
    session, _ = await scene.session(pool, **{"channel_policy": "app_then_gsm", **more})
    return session


@dataclass
class Seller:
    """One with a tablet that is registered, and a phone that is not yet."""

    apps: NativeApps
    tablet: AppPhone
    phone: AppPhone

    async def rings(self) -> tuple[AppCall, AppCall]:
        """The tablet rings alone; the phone registers, and rings too."""
        early = await self.tablet.incoming()
        await early.until_ringing()
        await self.apps.register(self.phone)
        late = await self.phone.incoming()
        await late.until_ringing()
        return early, late


async def a_seller(apps: NativeApps, session: Session) -> Seller:
    tablet, phone = await asyncio.gather(
        apps.open(session.seller, tone_hz=TABLET_HZ),
        apps.open(session.seller, tone_hz=PHONE_HZ, register=False),
    )
    return Seller(apps, tablet, phone)


async def talk(call: AppCall, leg: AppCall, there_hz: int, here_hz: int) -> None:
    await asyncio.gather(call.until_up(), leg.until_up())
    await asyncio.gather(call.hear(there_hz), leg.hear(here_hz))


async def talk_by_phone(call: Call, leg: AppCall) -> None:
    await asyncio.gather(call.wait_up(), leg.until_up())
    await asyncio.gather(call.hear(PHONE_HZ, 200), leg.hear(CALLERS))


async def the_record(scene: Scene, session: Session) -> Any:
    """The only one; and the conversation has the call once."""
    (record,) = await scene.maskline.recorded(session)
    entries = await scene.maskline.history(record["conversation_id"])
    assert len([one for one in entries if one["call_id"] == record["call_id"]]) == 1
    return record


def device_of(record: Any, side: str) -> Any:
    return [one["device"] for one in record["legs"] if one["side"] == side]


async def test_a_late_device_rings_beside_the_first_and_answers(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=BUYER_HZ)
    seller = await a_seller(apps, session)
    call = await buyer.call(session.id)
    early, late = await seller.rings()
    assert late.card == early.card, "it shows what the first one shows"
    (live,) = await scene.maskline.live()
    assert live["state"] == "ringing", "one call, whatever rings for it"

    late.answer()
    await talk(call, late, PHONE_HZ, BUYER_HZ)
    assert await early.until_over() == 487
    assert ELSEWHERE in seller.tablet.everything()
    (live,) = await scene.maskline.live()
    assert live["state"] == "up"
    await call.hang_up()
    await late.until_over()

    record = await the_record(scene, session)
    assert (record["outcome"], record["channel"]) == ("answered", "app")
    assert device_of(record, "callee") == [late.app.credentials.username]
    assert [(one["channel"], len(one["steps"])) for one in record["attempts"]] == [("app", 1)]
    assert record["ring_s"] > 0
    assert record["talk_s"] > 0
    scene.nobody_rung()


async def test_where_the_first_device_answers_the_late_one_stops(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=BUYER_HZ)
    seller = await a_seller(apps, session)
    call = await buyer.call(session.id)
    early, late = await seller.rings()

    early.answer()
    await talk(call, early, TABLET_HZ, BUYER_HZ)
    assert await late.until_over() == 487
    assert ELSEWHERE in late.app.everything()
    await early.hang_up()
    await call.until_over()

    record = await the_record(scene, session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    assert device_of(record, "callee") == [early.app.credentials.username]


async def test_a_caller_who_gives_up_stops_them_all(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    seller = await a_seller(apps, session)
    call = await scene.dial(session.buyer_dials, session.buyer)
    early, late = await seller.rings()

    await call.cancel()

    assert [await early.until_over(), await late.until_over()] == [487, 487]
    assert ELSEWHERE not in late.app.everything()
    assert (await the_record(scene, session))["outcome"] == "missed"


async def test_a_decline_on_the_first_device_leaves_the_late_one_ringing(
    scene: Scene, apps: NativeApps
) -> None:
    recorded = {"mode": "always"}
    pool = await scene.pool("en", numbers=2, app={"ring_s": 60}, recording=recorded)
    session = await a_session(scene, pool)
    seller = await a_seller(apps, session)
    call = await scene.dial(session.buyer_dials, session.buyer)
    early, late = await seller.rings()

    early.decline()
    await early.until_over()
    late.answer()
    await talk_by_phone(call, late)
    await late.hang_up()
    await call.wait_ended()

    record = await the_record(scene, session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    assert device_of(record, "callee") == [late.app.credentials.username]
    assert record["recording"]["reason"] is None
    assert record["recording"]["announced_callee_ms"] >= scene.sound("en", "recorded").length_ms
    assert record["recording"]["ms"] > 0
    assert record["talk_s"] * 1000 >= record["recording"]["announced_callee_ms"]
    scene.nobody_rung()


async def test_a_call_that_both_decline_is_declined(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    for first in (0, 1):
        session = await a_session(scene, pool)
        buyer = await apps.open(session.buyer)
        seller = await a_seller(apps, session)
        call = await buyer.call(session.id)
        both = await seller.rings()

        both[first].decline()
        await both[first].until_over()
        both[1 - first].decline()

        assert await call.until_over() == 603
        assert (await the_record(scene, session))["outcome"] == "declined"
    scene.nobody_rung()


async def test_when_the_ring_time_is_up_the_phone_is_rung_and_no_device_any_more(
    scene: Scene, apps: NativeApps
) -> None:
    pool = await scene.pool("en", numbers=2, app={"ring_s": 6})
    session = await a_session(scene, pool)
    seller = await a_seller(apps, session)
    call = await scene.dial(session.buyer_dials, session.buyer)
    early, late = await seller.rings()

    talking = await scene.rung(session.seller, call)
    assert [await early.until_over(), await late.until_over()] == [487, 487]
    await talking.end()

    record = await the_record(scene, session)
    assert (record["outcome"], record["channel"]) == ("answered", "gsm")


async def test_a_late_device_needs_no_controller_and_the_next_one_knows_it(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    one, two = await a_session(scene, pool), await a_session(scene, pool)
    answering, waiting = await a_seller(apps, one), await a_seller(apps, two)
    talking = await scene.dial(one.buyer_dials, one.buyer)
    early, late = await answering.rings()
    given_up = await scene.dial(two.buyer_dials, two.buyer)
    ringing = await waiting.rings()

    await scene.maskline.kill_9()
    late.answer()
    await talk_by_phone(talking, late)
    assert await early.until_over() == 487
    await scene.maskline.start()
    live = {call["session_id"]: call["state"] for call in await scene.maskline.live()}
    assert live == {one.id: "up", two.id: "ringing"}, "a late device is of no call of its own"
    watch = await apps.open(two.seller)
    latest = await watch.incoming()
    await given_up.cancel()

    over = [await leg.until_over() for leg in (*ringing, latest)]
    assert over == [487, 487, 487]
    assert (await the_record(scene, two))["outcome"] == "missed"
    await talking.hang_up()
    await late.until_over()
    assert (await the_record(scene, one))["outcome"] == "answered"
