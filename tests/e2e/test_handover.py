# ruff: noqa: ANN401 (what the API answers is JSON)
"""A side of a call that is up is moved between app and phone, and the other side hears no gap."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from maskline.demo import Answer, Call, Manual, Reject, Ring, g711, tones
from maskline.demo.g711 import FRAME_MS, Codec
from tests.support.app_phone import AppCall, AppPhone
from tests.support.maskline import Session, eventually
from tests.support.native_apps import NativeApps, native_apps
from tests.support.scene import Pool, Scene

BUYER_HZ, SELLER_HZ, NEW_HZ = 450, 700, 1000
MOST_SILENT_MS = 1000


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2, ring_s=5, app={"ring_s": 5})


@dataclass
class Talk:
    """A call between an app, whose side is to be moved, and the other side's phone."""

    scene: Scene
    session: Session
    side: str  # of the app
    app: AppPhone
    mine: AppCall
    other: Call
    call_id: str

    @property
    def phone(self) -> str:
        """Of the one with the app."""
        return self.session.buyer if self.side == "caller" else self.session.seller

    @property
    def shown(self) -> str:
        """The number that stands in for the other side on that phone."""
        return self.session.buyer_dials if self.side == "caller" else self.session.seller_dials

    @property
    def user_id(self) -> str:
        return self.session.buyer_id if self.side == "caller" else self.session.seller_id

    async def ask(self, to: str) -> Any:
        body = {"user_id": self.user_id, "to": to}
        return await self.scene.maskline.ask("POST", f"/v1/calls/{self.call_id}/handover", body)

    async def refused(self, to: str, user_id: str = "") -> tuple[int, str]:
        """The status, and why."""
        body = {"user_id": user_id or self.user_id, "to": to}
        return await refused(self.scene, f"/v1/calls/{self.call_id}/handover", body)

    async def rung(self) -> Call:
        """The new leg, at the phone of the one with the app."""
        leg = await self.scene.carrier.incoming()
        assert leg.dialled == self.phone
        assert leg.seen_caller == self.shown
        assert leg.invite.user("p-asserted-identity") == self.shown
        return leg

    async def both_hear(self, leg: Call, other: Call) -> None:
        await asyncio.gather(leg.hear(_tone(self.side, own=False), 300), other.hear(NEW_HZ, 300))

    async def moved_to_phone(self) -> Call:
        """The app's side goes on by phone; the other side has heard no gap."""
        self.scene.carrier.on_invite(Answer(ring_ms=300, tone_hz=NEW_HZ), number=self.phone)
        await self.ask("gsm")
        leg = await self.rung()
        await leg.wait_up()
        await self.mine.until_over()
        await self.both_hear(leg, self.other)
        assert longest_silence_ms(self.other) <= MOST_SILENT_MS
        return leg

    async def record(self) -> Any:
        [record] = await self.scene.maskline.recorded(self.session)
        assert record["call_id"] == self.call_id
        return record

    async def moves(self, result: str) -> Any:
        """What the platform was told of the handover."""
        notice = await self.scene.platform.event(
            "call.handover", lambda one: one["data"]["call_id"] == self.call_id
        )
        assert notice["data"]["result"] == result
        return notice["data"]


def longest_silence_ms(call: Call) -> int:
    """Between two frames with a tone in them, by when they arrived, from the first to the last."""
    assert call.media is not None
    heard = [
        frame.at
        for frame in call.media.frames
        if frame.payload_type in (Codec.ALAW, Codec.ULAW)
        and tones.dominant_hz(g711.decode(frame.payload, Codec(frame.payload_type)), None)
    ]
    assert len(heard) > 50
    return max(round((two - one) * 1000) for one, two in itertools.pairwise(heard)) - FRAME_MS


def _tone(side: str, *, own: bool) -> int:
    return BUYER_HZ if (side == "caller") is own else SELLER_HZ


async def a_talk(
    scene: Scene, apps: NativeApps, pool: Pool, side: str, policy: str = "app_then_gsm"
) -> Talk:
    """An app and a phone talk; the app calls or is called."""
    session, _ = await scene.session(pool, channel_policy=policy)
    if side == "caller":
        app = await apps.open(session.buyer, tone_hz=BUYER_HZ)
        scene.carrier.on_invite(Answer(ring_ms=0, tone_hz=SELLER_HZ), number=session.seller)
        mine = await app.call(session.id)
        other = await scene.carrier.incoming()
        assert other.dialled == session.seller
    else:
        app = await apps.open(session.seller, tone_hz=SELLER_HZ, on_ring=200)
        other = await scene.dial(session.buyer_dials, session.buyer)
        mine = await app.incoming()
    await asyncio.gather(mine.until_up(), other.wait_up())
    await asyncio.gather(mine.hear(_tone(side, own=False)), other.hear(_tone(side, own=True), 300))
    [call_id] = [one["call_id"] for one in await live(scene, session)]
    return Talk(scene, session, side, app, mine, other, call_id)


async def refused(scene: Scene, path: str, body: Any) -> tuple[int, str]:
    """A request that has to be refused: the status, and the reason in the problem."""
    key = {"Authorization": f"Bearer {scene.maskline.key}"}
    async with (
        aiohttp.ClientSession(f"http://{scene.maskline.http}", headers=key) as session,
        session.post(path, json=body) as answer,
    ):
        problem = await answer.json()
        return answer.status, problem.get("reason", "")


async def live(scene: Scene, session: Session) -> list[Any]:
    return [one for one in await scene.maskline.live() if one["session_id"] == session.id]


# -- to the phone, and back -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "ends"), [("caller", "mine"), ("caller", "other"), ("callee", "mine")]
)
async def test_an_app_goes_on_by_phone(
    scene: Scene, apps: NativeApps, pool: Pool, side: str, ends: str
) -> None:
    talk = await a_talk(scene, apps, pool, side)

    leg = await talk.moved_to_phone()
    [now] = await live(scene, talk.session)
    assert (now["call_id"], now["state"]) == (talk.call_id, "up")
    await (leg if ends == "mine" else talk.other).hang_up()
    await asyncio.gather(leg.wait_ended(), talk.other.wait_ended())

    record = await talk.record()
    other = "callee" if side == "caller" else "caller"
    assert record["ended_by"] == (side if ends == "mine" else other)
    assert record["outcome"] == "answered"
    assert sorted(one["side"] for one in record["legs"]) == sorted([side, side, other])
    [moved] = record["handovers"]
    assert moved["side"] == side
    assert (moved["source"], moved["target"]) == ("app", "gsm")
    assert (moved["why"], moved["result"]) == ("request", "done")
    assert (await talk.moves("done"))["to"] == "gsm"
    assert await live(scene, talk.session) == []


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_a_phone_goes_on_in_the_app_and_back(
    scene: Scene, apps: NativeApps, pool: Pool, side: str
) -> None:
    talk = await a_talk(scene, apps, pool, side)
    first = await talk.moved_to_phone()

    talk.app.on_ring(180)
    await talk.ask("app")
    again = await talk.app.incoming()
    assert again.card is not None
    assert again.card["call_id"] == talk.call_id
    assert again.card["role"] == ("seller" if side == "caller" else "buyer")
    again.answer()
    await again.until_up()
    await first.wait_ended()
    await asyncio.gather(
        again.hear(_tone(side, own=False)), talk.other.hear(_tone(side, own=True), 300)
    )
    talk.mine = again
    leg = await talk.moved_to_phone()
    await leg.hang_up()
    await talk.other.wait_ended()

    record = await talk.record()
    assert record["ended_by"] == side
    moves = [(one["source"], one["target"], one["result"]) for one in record["handovers"]]
    assert moves == [("app", "gsm", "done"), ("gsm", "app", "done"), ("app", "gsm", "done")]
    assert len(record["legs"]) == 5


@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        pytest.param(Reject(486, "Busy Here"), "busy", id="busy"),
        pytest.param(Reject(603, "Decline", ring_ms=200), "declined", id="declined"),
        pytest.param(Reject(480, "Away"), "unreachable", id="switched-off"),
        pytest.param(Reject(503, "No"), "failed", id="the-trunk-will-not"),
        pytest.param(Ring(), "unanswered", id="not-answered"),
    ],
)
async def test_nobody_takes_the_new_leg_and_the_old_one_goes_on(
    scene: Scene,
    apps: NativeApps,
    pool: Pool,
    behaviour: Reject | Ring,
    result: str,
) -> None:
    talk = await a_talk(scene, apps, pool, "caller")
    scene.carrier.on_invite(behaviour, number=talk.phone)

    await talk.ask("gsm")
    leg = await talk.rung()
    await leg.wait_ended()
    await talk.moves(result)
    since = asyncio.get_running_loop().time()
    await talk.mine.hear(SELLER_HZ)
    await talk.other.hear(BUYER_HZ, 500)
    assert talk.other.heard(since=since).gaps_ms == ()
    [now] = await live(scene, talk.session)
    assert now["state"] == "up"

    assert not leg.answered
    await talk.mine.hang_up()
    record = await talk.record()
    assert (record["outcome"], record["ended_by"]) == ("answered", "caller")
    assert [one["result"] for one in record["handovers"]] == [result]
    assert len(record["legs"]) == 2


async def test_who_hangs_up_while_the_new_leg_rings_ends_that_too(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    talk = await a_talk(scene, apps, pool, "callee")
    scene.carrier.on_invite(Ring(), number=talk.phone)
    await talk.ask("gsm")
    leg = await talk.rung()
    assert await talk.refused("gsm") == (409, "in_progress")
    await talk.other.hang_up()
    await asyncio.gather(leg.wait_ended(), talk.mine.until_over())

    assert leg.cancelled
    assert (await talk.record())["ended_by"] == "caller"
    await talk.moves("gone")


async def test_what_cannot_be_is_refused_at_once(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    talk = await a_talk(scene, apps, pool, "caller")

    assert await talk.refused("app") == (409, "already_there")
    assert await talk.refused("gsm", "u-nobody") == (404, "")
    assert await talk.refused("app", talk.session.seller_id) == (409, "no_app")
    await talk.mine.hang_up()
    await talk.record()
    assert await talk.refused("gsm") == (404, "")


# -- by how it sounds -------------------------------------------------------------------------


async def test_an_app_that_loses_its_network_goes_on_by_phone_by_itself(
    scene: Scene, apps: NativeApps
) -> None:
    pool = await scene.pool("en", numbers=2, handover={"mode": "auto"})
    talk = await a_talk(scene, apps, pool, "caller")
    scene.carrier.on_invite(Answer(ring_ms=200, tone_hz=NEW_HZ), number=talk.phone)

    talk.app.lose_network()
    leg = await scene.carrier.incoming()
    assert leg.dialled == talk.phone
    await leg.wait_up()
    await talk.both_hear(leg, talk.other)
    talk.app.regain_network()
    await talk.mine.until_over()
    await leg.hang_up()

    told = await scene.platform.event(
        "call.quality", lambda one: one["data"]["call_id"] == talk.call_id
    )
    assert (told["data"]["state"], told["data"]["handover_offered"]) == ("poor", False)
    assert told["data"]["user_id"] == talk.user_id
    record = await talk.record()
    [moved] = record["handovers"]
    assert (moved["why"], moved["result"]) == ("quality", "done")
    [quality] = [one for one in record["quality"] if one["side"] == "caller"]
    assert quality["mos_min"] < 3.1
    assert quality["below_ms"] >= 1000


# -- with the controller killed ---------------------------------------------------------------


async def test_the_controller_dies_while_the_new_leg_rings_and_it_is_answered(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    talk = await a_talk(scene, apps, pool, "caller")
    scene.carrier.on_invite(Manual(tone_hz=NEW_HZ), number=talk.phone)
    await talk.ask("gsm")
    leg = await talk.rung()
    await leg.ring()
    await scene.maskline.kill_9()
    await leg.answer()
    await talk.mine.until_over()
    await talk.both_hear(leg, talk.other)
    assert longest_silence_ms(talk.other) <= MOST_SILENT_MS

    await scene.maskline.start()
    [now] = await eventually(lambda: live(scene, talk.session), bool)
    assert (now["call_id"], now["state"]) == (talk.call_id, "up")
    assert await talk.refused("gsm") == (409, "already_there")
    await apps.register(talk.app)
    talk.app.on_ring(200)
    await talk.ask("app")
    again = await talk.app.incoming()
    await again.until_up()
    await leg.wait_ended()
    await again.hear(SELLER_HZ)
    await scene.maskline.ask("DELETE", f"/v1/live-calls/{talk.call_id}")
    await asyncio.gather(again.until_over(), talk.other.wait_ended())

    record = await talk.record()
    assert (record["outcome"], record["ended_by"]) == ("answered", "system")
    assert [one["result"] for one in record["handovers"]] == ["done", "done"]


async def test_the_controller_dies_while_the_new_leg_rings_and_it_is_not_answered(
    scene: Scene, apps: NativeApps, pool: Pool
) -> None:
    talk = await a_talk(scene, apps, pool, "callee")
    scene.carrier.on_invite(Manual(), number=talk.phone)
    await talk.ask("gsm")
    leg = await talk.rung()
    await leg.ring()
    await scene.maskline.kill_9()
    await leg.reject(486, "Busy Here")
    await asyncio.gather(talk.mine.hear(BUYER_HZ), talk.other.hear(SELLER_HZ, 300))

    await scene.maskline.start()
    [now] = await eventually(lambda: live(scene, talk.session), bool)
    assert (now["call_id"], now["state"]) == (talk.call_id, "up")
    again = await talk.moved_to_phone()
    await again.hang_up()
    await talk.other.wait_ended()

    record = await talk.record()
    assert record["ended_by"] == "callee"
    assert [one["result"] for one in record["handovers"]] == ["busy", "done"]
