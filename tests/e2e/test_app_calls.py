# ruff: noqa: ANN401 (records are JSON)
"""Calls from apps and to apps: sound both ways, the right card, and nothing of the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from maskline.demo import Call
from tests.support.app_phone import ANSWER, DECLINE, AppCall
from tests.support.maskline import Session, user_id
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


async def a_session(scene: Scene, pool: Pool, **more: Any) -> Session:
    session, _ = await scene.session(pool, **{"channel_policy": "app_then_gsm", **more})
    return session


async def the_record(scene: Scene, session: Session) -> Any:
    return (await scene.maskline.recorded(session))[0]


async def talk(call: AppCall, leg: AppCall, there_hz: int, here_hz: int) -> None:
    await asyncio.gather(call.until_up(), leg.until_up())
    await asyncio.gather(call.hear(there_hz), leg.hear(here_hz))


def shown(leg: Call) -> tuple[str, str]:
    """The caller id that a phone is shown, and the name beside it."""
    header = leg.invite.header("from")
    return leg.invite.user("from"), header.partition("<")[0].strip().strip('"')


# -- who is reached, and what they see --------------------------------------------------------


async def test_two_apps_talk_and_the_callee_sees_the_card(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    anna, petr = scene.person(), scene.person()
    session = await a_session(
        scene,
        pool,
        buyer=anna,
        seller=petr,
        participants=[
            {
                "role": "buyer",
                "user_id": user_id(anna),
                "phone": anna,
                "name": 'ООО "Ромашка"',
                "rating": 4.8,
                "facts": {"с нами": "5 лет"},
            },
            {"role": "seller", "user_id": user_id(petr), "phone": petr, "name": "Petr"},
        ],
    )
    buyer = await apps.open(anna, tone_hz=BUYER_HZ)
    seller = await apps.open(petr, tone_hz=SELLER_HZ)

    call = await buyer.call(session.id)
    leg = await seller.incoming()
    await call.until_ringing()
    leg.answer()
    await talk(call, leg, SELLER_HZ, BUYER_HZ)

    assert leg.invite is not None
    assert leg.invite.user("from") == session.id, "the app can call back whom it sees"
    name = leg.invite.header("from").encode("latin-1").decode()
    assert name.startswith(r'"ООО \"Ромашка\"" <')
    card = dict(leg.card or {})
    call_id = card.pop("call_id")
    assert card == {
        "v": 1,
        "session_id": session.id,
        "conversation_id": session.conversation_id,
        "role": "buyer",
        "name": 'ООО "Ромашка"',
        "rating": 4.8,
        "listing": {"id": "L-42", "title": "Lada Vesta 2019"},
        "facts": {"с нами": "5 лет"},
    }
    await call.hang_up()
    record = await the_record(scene, session)
    assert (record["call_id"], record["outcome"], record["channel"]) == (call_id, "answered", "app")
    assert {leg["codec"] for leg in record["legs"]} == {"opus"}, "nothing is transcoded"
    scene.nobody_rung()


async def test_a_phone_reaches_the_app_of_the_callee(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    seller = await apps.open(session.seller, tone_hz=SELLER_HZ)

    call = await scene.dial(session.buyer_dials, session.buyer)
    leg = await seller.incoming()
    leg.answer()
    await asyncio.gather(call.wait_up(), leg.until_up())
    await asyncio.gather(call.hear(SELLER_HZ, 200), leg.hear(CALLERS))

    assert leg.invite is not None
    assert leg.card is not None
    assert (leg.invite.user("from"), leg.card["name"]) == (session.id, "Anna")
    await leg.hang_up()
    await call.wait_ended()
    record = await the_record(scene, session)
    assert (record["outcome"], record["channel"], record["ended_by"]) == (
        "answered",
        "app",
        "callee",
    )
    scene.nobody_rung()


async def test_an_app_reaches_the_phone_of_a_callee_without_one(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=CALLERS)

    call = await buyer.call(session.id)
    leg = await scene.carrier.incoming()
    await asyncio.gather(call.until_up(), leg.wait_up())
    await asyncio.gather(call.hear(CALLEES), leg.hear(CALLERS, 200))

    assert leg.dialled == session.seller
    assert shown(leg) == (session.seller_dials, ""), "a phone sees its own proxy number, no name"
    assert leg.invite.header("x-maskline-card") == ""
    await call.hang_up()
    record = await the_record(scene, session)
    assert (record["outcome"], record["channel"], record["number_in"]) == ("answered", "gsm", None)


async def test_the_policy_may_leave_the_app_out(scene: Scene, apps: NativeApps, pool: Pool) -> None:
    session = await a_session(scene, pool, channel_policy="gsm_only")
    buyer = await apps.open(session.buyer)
    seller = await apps.open(session.seller)

    call = await buyer.call(session.id)
    leg = await scene.carrier.incoming()
    await call.until_up()

    assert (leg.dialled, seller.calls) == (session.seller, [])
    await call.hang_up()


async def test_the_callee_calls_back_whom_the_app_showed(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer, tone_hz=BUYER_HZ, on_ring=ANSWER)
    seller = await apps.open(session.seller, tone_hz=SELLER_HZ, on_ring=DECLINE)
    call = await buyer.call(session.id)
    assert await call.until_over() == 603
    missed = await seller.incoming()
    assert missed.invite is not None

    back = await seller.call(missed.invite.user("from"))
    await talk(back, await buyer.incoming(), BUYER_HZ, SELLER_HZ)
    await back.hang_up()


# -- who may call -----------------------------------------------------------------------------


async def test_a_stranger_learns_nothing_of_a_session(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    seller = await apps.open(session.seller)
    stranger = await apps.open(scene.person())

    theirs = await stranger.call(session.id)
    none = await stranger.call("ses_" + "0" * 26)

    assert (await theirs.until_over(), await none.until_over()) == (404, 404)
    assert seller.calls == []
    assert await scene.maskline.calls(session_id=session.id) == []
    assert await scene.maskline.history(session.conversation_id) == []
    scene.nobody_rung()


async def test_a_session_that_is_over_is_called_no_more(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    buyer = await apps.open(session.buyer)
    seller = await apps.open(session.seller)
    await scene.ask("DELETE", f"/v1/sessions/{session.id}")

    call = await buyer.call(session.id)

    assert await call.until_over() == 410
    assert seller.calls == []


async def test_what_is_no_session_at_all_is_not_found(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    buyer = await apps.open(scene.person())

    for user in ("ses_", "ses_" + "0" * 27, "+79161234567", "plan", "s", "h", "ses_" + "%" * 26):
        assert await (await buyer.call(user)).until_over() == 404, user
    scene.nobody_rung()


async def test_an_app_hears_itself_before_a_call(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    buyer = await apps.open(scene.person(), tone_hz=BUYER_HZ)

    call = await buyer.call("preflight")
    await call.hear(BUYER_HZ)
    await call.until_over(8)

    assert buyer.calls == [call]
