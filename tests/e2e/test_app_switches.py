# ruff: noqa: ANN401 (records are JSON)
"""What a user chose: whether the app rings, at which hours, for whom, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.support.app_phone import ANSWER
from tests.support.maskline import Session, eventually, user_id
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import CALLERS, Pool, Scene

SELLER_HZ = 700


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=3, app={"ring_s": 5})


async def a_session(scene: Scene, pool: Pool, **more: Any) -> Session:
    session, _ = await scene.session(pool, **{"channel_policy": "app_then_gsm", **more})
    return session


async def chooses(scene: Scene, phone: str, **choice: Any) -> None:
    await scene.ask("PUT", f"/v1/users/{user_id(phone)}/reachability", choice)


async def the_record(scene: Scene, session: Session) -> Any:
    return (await scene.maskline.recorded(session))[0]


async def told(scene: Scene, session: Session) -> tuple[str, str | None]:
    record = await the_record(scene, session)
    return record["outcome"], record["reason"]


# -- the switch -------------------------------------------------------------------------------


async def test_a_company_is_rung_in_the_app_only_for_listings_that_it_opted_in(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    shop = scene.person()
    await chooses(scene, shop, account="company", listings=["L-1"])
    opted = await a_session(scene, pool, seller=shop, listing={"id": "L-1", "title": "Van"})
    other = await a_session(scene, pool, seller=shop, listing={"id": "L-2", "title": "Bus"})
    app = await apps.open(shop, tone_hz=SELLER_HZ, on_ring=ANSWER)

    call = await scene.dial(opted.buyer_dials, opted.buyer)
    leg = await app.incoming()
    await asyncio.gather(call.wait_up(), leg.until_up())
    await leg.hang_up()
    await call.wait_ended()
    await (await scene.reach(other.buyer_dials, other.buyer, shop)).end()

    assert len(app.calls) == 1


async def test_who_takes_no_calls_in_the_app_is_rung_on_the_phone_or_not_at_all(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    petr = scene.person()
    await chooses(scene, petr, in_app_calls=False)
    both = await a_session(scene, pool, seller=petr)
    app_only = await a_session(scene, pool, seller=petr, channel_policy="app_only")
    app = await apps.open(petr)
    buyer = await apps.open(app_only.buyer)

    await (await scene.reach(both.buyer_dials, both.buyer, petr)).end()
    call = await buyer.call(app_only.id)

    assert await call.until_over() == 480
    assert await told(scene, app_only) == ("blocked", "in_app_off")
    assert app.calls == []
    scene.nobody_rung()


# -- quiet hours ------------------------------------------------------------------------------


def around_now(zone: str) -> dict[str, Any]:
    """Quiet hours in `zone` that hold now, for an hour before and after."""
    now = datetime.now(UTC).astimezone(ZoneInfo(zone))
    begins, until = now - timedelta(hours=1), now + timedelta(hours=1)
    return {
        "quiet_hours": [{"from": f"{begins:%H:%M}", "until": f"{until:%H:%M}"}],
        "timezone": zone,
    }


@pytest.mark.parametrize("zone", ["Asia/Vladivostok", "America/New_York"])
async def test_in_quiet_hours_nothing_rings_by_the_clock_on_the_callees_wall(
    scene: Scene, apps: NativeApps, pool: Pool, zone: str
) -> None:
    session = await a_session(scene, pool)
    await chooses(scene, session.seller, **around_now(zone))
    app = await apps.open(session.seller)
    buyer = await apps.open(session.buyer)

    from_app = await buyer.call(session.id)
    assert await from_app.until_over() == 480
    assert await told(scene, session) == ("blocked", "quiet_hours")
    by_phone = await scene.dial(session.buyer_dials, session.buyer)
    await scene.refused(by_phone, "en", "quiet-hours", to_the_end=True)

    assert app.calls == []
    log = await eventually(
        lambda: scene.maskline.call_log(session.seller_id), lambda found: len(found) == 2
    )
    assert [(one["reason"], one["unread"]) for one in log] == [("quiet_hours", True)] * 2


async def test_outside_of_quiet_hours_it_rings(scene: Scene, apps: NativeApps, pool: Pool) -> None:
    session = await a_session(scene, pool)
    then = datetime.now(UTC) + timedelta(hours=3)
    hours = [{"from": f"{then:%H:%M}", "until": f"{then + timedelta(hours=1):%H:%M}"}]
    await chooses(scene, session.seller, quiet_hours=hours, timezone="UTC")
    app = await apps.open(session.seller, tone_hz=SELLER_HZ, on_ring=ANSWER)

    call = await scene.dial(session.buyer_dials, session.buyer)
    leg = await app.incoming()
    await asyncio.gather(call.wait_up(), leg.until_up())
    await asyncio.gather(call.hear(SELLER_HZ, 200), leg.hear(CALLERS))
    await leg.hang_up()
    await call.wait_ended()


# -- blocks and caps --------------------------------------------------------------------------


async def test_a_blocked_user_reaches_nobody_from_the_app(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    app = await apps.open(session.seller)
    buyer = await apps.open(session.buyer)
    block = {"user_id": session.seller_id, "blocked_user_id": session.buyer_id, "reason": "spam"}
    await scene.ask("POST", "/v1/blocks", block)

    call = await buyer.call(session.id)

    assert await call.until_over() == 403
    assert await told(scene, session) == ("blocked", "blocked")
    assert app.calls == []
    scene.nobody_rung()


@pytest.mark.parametrize(
    ("cap", "reason"),
    [
        ({"unanswered_in_row": 1}, "unanswered_in_row"),
        ({"pair_an_hour": 1}, "pair_an_hour"),
        ({"caller_an_hour": 1}, "caller_an_hour"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_who_calls_too_often_is_told_so_and_nobody_is_rung(
    scene: Scene, apps: NativeApps, cap: dict[str, int], reason: str
) -> None:
    pool = await scene.pool("en", numbers=2, caps=cap)
    session = await a_session(scene, pool)
    app = await apps.open(session.seller, on_ring=603)
    buyer = await apps.open(session.buyer)
    first = await buyer.call(session.id)
    assert await first.until_over() == 603
    await scene.maskline.recorded(session)

    again = await buyer.call(session.id)
    assert await again.until_over() == 403
    by_phone = await scene.dial(session.buyer_dials, session.buyer)
    await scene.refused(by_phone, "en", "too-many-calls")

    records = await scene.maskline.recorded(session, 3)
    assert [one["outcome"] for one in records] == ["declined", "blocked", "blocked"]
    assert [one["reason"] for one in records] == [None, reason, reason]
    assert len(app.calls) == 1


async def test_an_answer_ends_the_row_of_unanswered_calls(scene: Scene, apps: NativeApps) -> None:
    pool = await scene.pool("en", numbers=2, caps={"unanswered_in_row": 1})
    session = await a_session(scene, pool)
    seller = await apps.open(session.seller, on_ring=603)
    buyer = await apps.open(session.buyer, on_ring=ANSWER)
    assert await (await buyer.call(session.id)).until_over() == 603
    await scene.maskline.recorded(session)

    back = await seller.call(session.id)
    await back.until_up()
    await back.hang_up()
    await scene.maskline.recorded(session, 2)
    seller.on_ring(ANSWER)
    again = await buyer.call(session.id)

    await again.until_up()
    await again.hang_up()
