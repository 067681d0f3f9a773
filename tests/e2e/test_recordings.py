# ruff: noqa: ANN401 (what the API answers is JSON)
"""Talks that are recorded: announced to both in full, one side a channel, or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from maskline.demo import Answer, Call
from tests.support.maskline import Session, eventually, session_body
from tests.support.native_apps import NativeApps, native_apps
from tests.support.recordings import heard, loudness
from tests.support.scene import Pool, Scene
from tests.support.tape import Kept, Side

BUYER_HZ, SELLER_HZ, NEW_HZ = 450, 700, 1000
TONES = {BUYER_HZ, SELLER_HZ}


@pytest_asyncio.fixture(loop_scope="session")
async def apps(scene: Scene) -> AsyncIterator[NativeApps]:
    async with native_apps(scene) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def always(theatre: Scene) -> Pool:
    return await theatre.pool("en", numbers=2, recording={"mode": "always"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def consent(theatre: Scene) -> Pool:
    rules = {"mode": "consent", "announcement": "recorded-for-quality"}
    return await theatre.pool("ru", numbers=2, recording=rules)


@pytest.fixture
def kept(scene: Scene, tmp_path: Path) -> Kept:
    folder = tmp_path / "kept"
    folder.mkdir()
    before = {path.name for path in (Kept(scene, folder).spool).glob("*.raw")}
    return Kept(scene, folder, before)


@dataclass
class Two:
    """Caller and callee."""

    session: Session
    call: Call
    leg: Call

    async def talk(self, ms: int = 300) -> None:
        await asyncio.gather(self.call.hear(SELLER_HZ, ms), self.leg.hear(BUYER_HZ, ms))

    async def end(self) -> None:
        await self.call.hang_up()
        await self.leg.wait_ended()


async def dialled(scene: Scene, pool: Pool, *consents: bool) -> Two:
    """The buyer calls, and the seller has just answered."""
    buyer, seller = scene.person(), scene.person()
    body = session_body(buyer, seller, pool=pool.name)
    for side, given in zip(body["participants"], consents, strict=False):
        side["recording_consent"] = given
    session = Session.of(await scene.ask("POST", "/v1/sessions", body), buyer, seller)
    scene.carrier.on_invite(Answer(ring_ms=100, tone_hz=SELLER_HZ), number=seller)
    call = await scene.dial(session.buyer_dials, buyer)
    leg = await scene.carrier.incoming()
    await leg.wait_up()
    return Two(session, call, leg)


async def record_of(scene: Scene, session: Session) -> Any:
    [record] = await scene.maskline.recorded(session)
    return record


async def test_both_hear_all_of_it_and_each_has_a_channel_of_his_own(
    scene: Scene, always: Pool, kept: Kept
) -> None:
    notice = scene.sound("en", "recorded")
    two = await dialled(scene, always)
    await asyncio.gather(two.call.hear_sound(notice), two.leg.hear_sound(notice))
    part = await kept.part()
    await two.talk(1000)
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.spool.stat().st_mode) == 0o700
    await two.end()

    record = await record_of(scene, two.session)
    told = record["recording"]
    assert (told["asked"], told["reason"]) == ("always", None)
    for side in ("caller", "callee"):
        assert told[f"announced_{side}_ms"] >= notice.length_ms
        assert told[f"announced_{side}_ms"] < notice.length_ms + 1000
    tape = kept.tape(record["call_id"])
    assert set(tape.left.tones_ms()) & TONES == {BUYER_HZ}
    assert set(tape.right.tones_ms()) & TONES == {SELLER_HZ}
    assert tape.left.tones_ms()[BUYER_HZ] >= 900
    assert abs(tape.left.ms - told["ms"]) <= 500  # what waited on the way is written as well
    assert record["outcome"] == "answered"
    assert record["ended_by"] == "caller"


async def test_without_both_consents_they_talk_at_once_and_nothing_is_written(
    scene: Scene, consent: Pool, kept: Kept
) -> None:
    notice = scene.sound("ru", "recorded-for-quality")
    two = await dialled(scene, consent, True)
    await two.talk()
    await two.end()

    record = await record_of(scene, two.session)
    assert record["recording"] == {
        "asked": "consent",
        "announced_caller_ms": None,
        "announced_callee_ms": None,
        "started_at": None,
        "ended_at": None,
        "ms": None,
        "reason": "no_consent",
        "state": None,
    }
    assert kept.new() == []
    assert two.call.media is not None
    assert two.call.media.find(notice.first(500)) is None


async def test_with_both_consents_it_is_recorded_and_told_in_the_pools_language(
    scene: Scene, consent: Pool, kept: Kept
) -> None:
    notice = scene.sound("ru", "recorded-for-quality")
    two = await dialled(scene, consent, True, True)
    await asyncio.gather(two.call.hear_sound(notice), two.leg.hear_sound(notice))
    await two.talk()
    await kept.part()
    # Withdrawn: it holds for the calls to come.
    path = f"/v1/sessions/{two.session.id}"
    await scene.ask("PATCH", path, {"recording_consent": {two.session.seller_id: False}})
    await two.leg.hang_up()
    await two.call.wait_ended()

    record = await record_of(scene, two.session)
    assert record["recording"]["asked"] == "consent"
    assert record["recording"]["reason"] is None
    assert record["ended_by"] == "callee"
    session = await scene.ask("GET", path)
    given = {one["role"]: one["recording_consent"] for one in session["participants"]}
    assert given == {"buyer": True, "seller": False}


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_whoever_leaves_during_the_announcement_takes_the_other_along(
    scene: Scene, always: Pool, kept: Kept, who: str
) -> None:
    beginning = scene.sound("en", "recorded").first(700)
    two = await dialled(scene, always)
    await asyncio.gather(two.call.hear_sound(beginning), two.leg.hear_sound(beginning))
    leaves, stays = (two.call, two.leg) if who == "caller" else (two.leg, two.call)
    await leaves.hang_up()
    await stays.wait_ended(2)

    record = await record_of(scene, two.session)
    told = record["recording"]
    assert (told["reason"], told["started_at"]) == (f"{who}_left", None)
    whole_ms = scene.sound("en", "recorded").length_ms
    assert 700 <= told[f"announced_{who}_ms"] < whole_ms
    assert record["ended_by"] == who
    assert record["outcome"] == "answered"
    assert {leg["side"] for leg in record["legs"]} == {"caller", "callee"}
    assert kept.new() == []


async def test_an_announcement_that_cannot_be_played_leaves_the_call_unrecorded(
    scene: Scene, kept: Kept
) -> None:
    rules = {"mode": "always", "announcement": "recorded-for-quality"}
    pool = await scene.pool("en", numbers=2, recording=rules)
    folder = scene.maskline.data / "prompts" / "sounds" / "en" / "maskline"
    (folder / "recorded-for-quality.wav").rename(folder / "elsewhere.wav")
    try:
        two = await dialled(scene, pool)
        await two.talk()
        await two.end()
    finally:
        (folder / "elsewhere.wav").rename(folder / "recorded-for-quality.wav")

    record = await record_of(scene, two.session)
    told = record["recording"]
    assert (told["reason"], told["started_at"]) == ("announcement_failed", None)
    assert told["announced_caller_ms"] < 500
    assert kept.new() == []


async def test_a_call_that_the_platform_asked_for_is_recorded(
    scene: Scene, always: Pool, kept: Kept
) -> None:
    session, _ = await scene.session(always, channel_policy="gsm_only")
    scene.carrier.on_invite(Answer(ring_ms=0, tone_hz=BUYER_HZ), number=session.buyer)
    scene.carrier.on_invite(Answer(ring_ms=0, tone_hz=SELLER_HZ), number=session.seller)
    path = f"/v1/sessions/{session.id}/calls"
    await scene.ask("POST", path, {"from": session.buyer_id})
    call = await scene.carrier.incoming()
    leg = await scene.carrier.incoming()
    await Two(session, call, leg).talk()
    await kept.part()
    await leg.hang_up()
    await call.wait_ended()

    record = await record_of(scene, session)
    assert record["came_by"] == "click"
    assert record["ended_by"] == "callee"
    assert record["recording"]["reason"] is None
    tape = kept.tape(record["call_id"])
    assert set(tape.left.tones_ms()) & TONES == {BUYER_HZ}
    assert set(tape.right.tones_ms()) & TONES == {SELLER_HZ}


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_a_recording_goes_on_with_the_leg_that_a_side_is_moved_to(
    scene: Scene, apps: NativeApps, always: Pool, kept: Kept, side: str
) -> None:
    session, _ = await scene.session(always, channel_policy="app_then_gsm")
    app_hz, other_hz = (BUYER_HZ, SELLER_HZ) if side == "caller" else (SELLER_HZ, BUYER_HZ)
    phone = session.buyer if side == "caller" else session.seller
    user_id = session.buyer_id if side == "caller" else session.seller_id
    app = await apps.open(phone, tone_hz=app_hz, on_ring=200)
    if side == "caller":
        scene.carrier.on_invite(Answer(ring_ms=0, tone_hz=SELLER_HZ), number=session.seller)
        mine = await app.call(session.id)
        other = await scene.carrier.incoming()
    else:
        other = await scene.dial(session.buyer_dials, session.buyer)
        mine = await app.incoming()
    await asyncio.gather(mine.hear(other_hz), other.hear(app_hz, 300))
    await kept.part()
    scene.carrier.on_invite(Answer(ring_ms=0, tone_hz=NEW_HZ), number=phone)
    [live] = [one for one in await scene.maskline.live() if one["session_id"] == session.id]
    path = f"/v1/calls/{live['call_id']}/handover"
    await scene.ask("POST", path, {"user_id": user_id, "to": "gsm"})
    leg = await scene.carrier.incoming()
    await mine.until_over()
    await asyncio.gather(leg.hear(other_hz, 300), other.hear(NEW_HZ, 500))
    await kept.part(2)
    await other.hang_up()
    await leg.wait_ended()

    record = await record_of(scene, session)
    told = record["recording"]
    assert told["reason"] is None
    sides = sorted(leg["side"] for leg in record["legs"])
    assert sides == sorted(["caller", "callee", side])
    assert record["ended_by"] == ("callee" if side == "caller" else "caller")
    tape = kept.tape(record["call_id"])
    moved, still = (tape.left, tape.right) if side == "caller" else (tape.right, tape.left)
    heard = moved.tones_ms()
    assert heard[app_hz] >= 150
    assert heard[NEW_HZ] >= 400
    assert moved.last_ms(app_hz) < moved.first_ms(NEW_HZ)
    assert {app_hz, NEW_HZ}.isdisjoint(still.tones_ms())
    assert still.tones_ms()[other_hz] >= 500
    assert still.last_ms(other_hz) > moved.first_ms(NEW_HZ)


async def test_the_controller_is_not_needed_once_there_is_a_plan(
    scene: Scene, always: Pool, kept: Kept
) -> None:
    two = await dialled(scene, always)
    await scene.maskline.kill_9()
    await two.talk()
    await kept.part()
    await two.end()
    await scene.maskline.start()

    record = await record_of(scene, two.session)
    assert record["recording"]["reason"] is None
    assert record["recording"]["announced_caller_ms"] >= scene.sound("en", "recorded").length_ms
    assert set(kept.tape(record["call_id"]).left.tones_ms()) & TONES == {BUYER_HZ}


async def test_what_was_written_stays_when_asterisk_is_killed(
    scene: Scene, always: Pool, kept: Kept
) -> None:
    two = await dialled(scene, always)
    await two.talk()
    part = await kept.part()
    await eventually(lambda: _size(part), bool)
    pid = scene.maskline.asterisk_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    record = await record_of(scene, two.session)
    told = record["recording"]
    assert told["started_at"] is not None
    assert told["reason"] == "node_died"
    assert told["announced_callee_ms"] >= scene.sound("en", "recorded").length_ms
    assert kept.tape(record["call_id"]).left.tones_ms()[BUYER_HZ] >= 500
    for call in (two.call, two.leg):
        call.give_up("nobody is there", asyncio.get_running_loop().time())


async def _size(path: Path) -> int:
    return path.stat().st_size


async def test_what_was_said_is_heard_through_the_api_and_deleted_for_good(
    scene: Scene, always: Pool
) -> None:
    """From the call to the file, to whoever may hear it, and to nothing."""
    notice = scene.sound("en", "recorded")
    two = await dialled(scene, always)
    await asyncio.gather(two.call.hear_sound(notice), two.leg.hear_sound(notice))
    await two.talk(1500)
    await two.end()
    call_id = (await record_of(scene, two.session))["call_id"]

    told = await scene.platform.event("recording.ready", lambda e: e["data"]["call_id"] == call_id)
    assert told["conversation_id"] == two.session.conversation_id
    kept = await scene.ask("GET", f"/v1/calls/{call_id}/recording")
    assert (kept["state"], kept["duration_ms"]) == ("ready", told["data"]["duration_ms"])
    desk = await scene.maskline.ask("POST", "/v1/keys", {"role": "staff", "name": "desk"})
    shop = await scene.maskline.ask("POST", "/v1/keys", {"role": "platform", "name": "shop"})
    audio = f"/v1/calls/{call_id}/recording/audio?reason=dispute"
    assert (await _fetched(scene, audio, shop["key"]))[0] == 403
    status, sound = await _fetched(scene, audio, desk["key"])
    assert (status, len(sound)) == (200, kept["bytes"])

    caller, callee = (Side(array("h", side)) for side in heard(sound))
    assert set(caller.tones_ms()) & TONES == {BUYER_HZ}
    assert set(callee.tones_ms()) & TONES == {SELLER_HZ}
    assert min(caller.tones_ms()[BUYER_HZ], callee.tones_ms()[SELLER_HZ]) >= 900
    part = slice(8 * caller.first_ms(BUYER_HZ) + 1600, 8 * caller.last_ms(BUYER_HZ) - 1600)
    assert loudness(heard(sound)[0][part], SELLER_HZ) < 20
    assert loudness(heard(sound)[1][part], BUYER_HZ) < 20

    gone = f"/v1/calls/{call_id}/recording"
    await scene.maskline.ask("DELETE", f"{gone}?reason=the+buyer+asked")
    assert (await _fetched(scene, audio, desk["key"]))[0] == 410
    after = await eventually(lambda: scene.ask("GET", gone), lambda one: one["removed_at"])
    assert (after["deleted_why"], after["sha256"]) == ("request", kept["sha256"])
    assert list((scene.maskline.data / "recordings").rglob(f"{call_id}*")) == []
    assert list((scene.maskline.data / "node" / "spool").rglob(f"{call_id}*")) == []
    log = await scene.maskline.ask("GET", f"/v1/audit?object_id={call_id}")
    assert [(one["action"], one["refused"], one["actor"]["name"]) for one in log["items"]] == [
        ("recording.deleted", False, "first"),
        ("recording.played", False, "desk"),
        ("recording.played", True, "shop"),
    ]
    for command in ("recordings", "audit"):
        code, said, _ = await scene.maskline.run(command, "verify")
        assert code == 0, said


async def _fetched(scene: Scene, path: str, key: str) -> tuple[int, bytes]:
    bearer = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(f"http://{scene.maskline.http}", headers=bearer) as session,
        session.get(path) as answer,
    ):
        return answer.status, await answer.read()
