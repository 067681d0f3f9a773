# ruff: noqa: ANN401 (what the API answers is JSON)
"""The platform begins a call: the caller is rung first, then the other one. Neither sees more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from maskline.demo import Answer, Call, Manual, Reject, Ring
from tests.e2e.test_handover import refused
from tests.support.maskline import Session, eventually
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import Pool, Scene

BUYER_HZ, SELLER_HZ = 450, 700


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2, ring_s=5, app={"ring_s": 5})


async def a_session(scene: Scene, pool: Pool, policy: str = "app_then_gsm") -> Session:
    session, _ = await scene.session(pool, channel_policy=policy)
    scene.carrier.on_invite(Answer(ring_ms=200, tone_hz=BUYER_HZ), number=session.buyer)
    scene.carrier.on_invite(Answer(ring_ms=200, tone_hz=SELLER_HZ), number=session.seller)
    return session


async def click(scene: Scene, session: Session) -> str:
    """By the buyer; the call's id."""
    answer = await scene.maskline.ask(
        "POST", f"/v1/sessions/{session.id}/calls", {"from": session.buyer_id}
    )
    call_id: str = answer["call_id"]
    return call_id


async def the_record(scene: Scene, session: Session, call_id: str) -> Any:
    [record] = await scene.maskline.recorded(session)
    assert record["call_id"] == call_id, "it was known at once"
    assert record["came_by"] == "click"
    return record


async def rung(scene: Scene, phone: str, shown: str) -> Call:
    leg = await scene.carrier.incoming()
    assert leg.dialled == phone
    assert leg.seen_caller == shown, "a proxy number, and their own one"
    assert leg.invite.user("p-asserted-identity") == shown
    return leg


async def test_the_caller_is_rung_then_the_callee_and_they_talk(scene: Scene, pool: Pool) -> None:
    session = await a_session(scene, pool)
    call_id = await click(scene, session)
    mine = await rung(scene, session.buyer, session.buyer_dials)
    await mine.wait_up()
    theirs = await rung(scene, session.seller, session.seller_dials)
    await theirs.wait_up()
    await asyncio.gather(mine.hear(SELLER_HZ), theirs.hear(BUYER_HZ))
    [live] = [one for one in await scene.maskline.live() if one["session_id"] == session.id]
    assert (live["call_id"], live["state"]) == (call_id, "up")
    assert (live["caller"], live["callee"]) == ("buyer", "seller")
    await theirs.hang_up()
    await mine.wait_ended()

    record = await the_record(scene, session, call_id)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    assert (record["caller"]["role"], record["callee"]["role"]) == ("buyer", "seller")
    assert record["talk_s"] <= (theirs.ended_at or 0) - (theirs.up_at or 0) + 0.5
    [entry] = await scene.maskline.call_log(session.seller_id)
    assert (entry["direction"], entry["outcome"]) == ("in", "answered")


async def test_an_app_is_rung_rather_than_the_phone_and_shows_whom_it_is_for(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    session = await a_session(scene, pool)
    app = await apps.open(session.buyer, tone_hz=BUYER_HZ, on_ring=200)
    call_id = await click(scene, session)
    mine = await app.incoming()
    assert mine.card is not None
    assert (mine.card["call_id"], mine.card["role"]) == (call_id, "seller")
    theirs = await rung(scene, session.seller, session.seller_dials)
    await asyncio.gather(mine.until_up(), theirs.wait_up())
    await asyncio.gather(mine.hear(SELLER_HZ), theirs.hear(BUYER_HZ))
    await mine.hang_up()
    await theirs.wait_ended()

    record = await the_record(scene, session, call_id)
    assert (record["outcome"], record["ended_by"]) == ("answered", "caller")
    assert {leg["channel"] for leg in record["legs"]} == {"app", "gsm"}


@pytest.mark.parametrize(
    ("behaviour", "ended_by"),
    [
        pytest.param(Ring(), "system", id="not-answered"),
        pytest.param(Reject(603, "Decline", ring_ms=200), "caller", id="declined"),
        pytest.param(Reject(486, "Busy Here"), "caller", id="busy"),
        pytest.param(Reject(480, "Away"), "system", id="switched-off"),
    ],
)
async def test_the_caller_does_not_come_and_nobody_else_is_rung(
    scene: Scene, pool: Pool, behaviour: Ring | Reject, ended_by: str
) -> None:
    session = await a_session(scene, pool)
    scene.carrier.on_invite(behaviour, number=session.buyer)
    call_id = await click(scene, session)
    mine = await rung(scene, session.buyer, session.buyer_dials)
    await mine.wait_ended()

    record = await the_record(scene, session, call_id)
    assert (record["outcome"], record["ended_by"]) == ("cancelled", ended_by)
    assert record["reason"] == "caller_unreached"
    assert await scene.maskline.call_log(session.seller_id) == []
    scene.nobody_rung()
    assert [one for one in await scene.maskline.live() if one["session_id"] == session.id] == []


async def test_the_callee_does_not_answer_and_has_missed_the_call(scene: Scene, pool: Pool) -> None:
    session = await a_session(scene, pool)
    scene.carrier.on_invite(Ring(), number=session.seller)
    call_id = await click(scene, session)
    mine = await rung(scene, session.buyer, session.buyer_dials)
    theirs = await rung(scene, session.seller, session.seller_dials)
    await theirs.wait_ended()
    await mine.wait_ended()

    record = await the_record(scene, session, call_id)
    assert record["outcome"] == "missed"
    [missed] = await scene.maskline.call_log(session.seller_id)
    assert (missed["outcome"], missed["unread"]) == ("missed", True)


async def test_what_cannot_be_is_refused_at_once(scene: Scene, pool: Pool) -> None:
    session = await a_session(scene, pool)
    path, body = f"/v1/sessions/{session.id}/calls", {"from": session.buyer_id}
    block = {"user_id": session.seller_id, "blocked_user_id": session.buyer_id, "reason": "spam"}
    await scene.ask("POST", "/v1/blocks", block)
    assert await refused(scene, path, body) == (409, "blocked")
    assert (await refused(scene, path, {"from": "u-nobody"}))[0] in (404, 422)

    closed = await a_session(scene, pool)
    await scene.ask("DELETE", f"/v1/sessions/{closed.id}")
    status, _ = await refused(scene, f"/v1/sessions/{closed.id}/calls", {"from": closed.buyer_id})
    assert status == 409

    only_app = await a_session(scene, pool, policy="app_only")
    body = {"from": only_app.buyer_id}
    assert (await refused(scene, f"/v1/sessions/{only_app.id}/calls", body))[0] == 409
    scene.nobody_rung()


async def test_the_controller_dies_while_the_caller_is_rung(scene: Scene) -> None:
    pool = await scene.pool("en", numbers=2)  # whose phones ring for longer than a start takes
    session = await a_session(scene, pool)
    scene.carrier.on_invite(Manual(tone_hz=BUYER_HZ), number=session.buyer)
    call_id = await click(scene, session)
    mine = await rung(scene, session.buyer, session.buyer_dials)
    await mine.ring()
    await scene.maskline.kill_9()
    await scene.maskline.start()
    await eventually(scene.maskline.live, bool)
    await mine.answer()
    theirs = await rung(scene, session.seller, session.seller_dials)
    await theirs.wait_up()
    await asyncio.gather(mine.hear(SELLER_HZ), theirs.hear(BUYER_HZ))
    await mine.hang_up()
    await theirs.wait_ended()

    record = await the_record(scene, session, call_id)
    assert (record["outcome"], record["ended_by"]) == ("answered", "caller")
