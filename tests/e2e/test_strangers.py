"""Callers whom we do not know or who show no number: told, asked, diverted; never guessed for."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from maskline.demo import Pace
from tests.support.maskline import Session, carrier_host, eventually
from tests.support.pjsua2_phone import Pjsua2Phone
from tests.support.scene import CALLEES, CALLERS, LANGUAGES, Pool, Scene

EACH_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)
LENGTH = 8  # long enough that no row of digits anywhere is a PIN by chance
PIN = {"length": LENGTH, "attempts": 3, "lock_out_s": 600, "enrol": True}


async def _with_pin(scene: Scene, language: str) -> tuple[Pool, Session, str]:
    """A session whose buyer may call from any phone."""
    strangers = {"unknown": "pin", "withheld": "pin", "pin": PIN}
    pool = await scene.pool(language, numbers=1, strangers=strangers)
    session, answer = await scene.session(pool)
    pin = answer["participants"][0]["dial"]["pin"]
    assert len(pin) == LENGTH
    return pool, session, pin


@EACH_LANGUAGE
@pytest.mark.parametrize("in_band", [False, True], ids=["rfc4733", "in-band"])
async def test_a_right_pin_reaches_and_enrols(scene: Scene, language: str, in_band: bool) -> None:
    _, session, pin = await _with_pin(scene, language)
    other_phone = scene.person()
    call = await scene.dial(
        session.buyer_dials, other_phone, **({"event_type": None} if in_band else {})
    )
    await scene.asked(call, language, "ask-pin")
    await scene.type_pin(call, pin, in_band=in_band)
    talk = await scene.rung(session.seller, call)
    assert talk.leg.seen_caller == session.seller_dials
    await talk.end()

    # Known from then on: no question.
    await (await scene.reach(session.buyer_dials, other_phone, session.seller)).end()
    event = await scene.platform.event(
        "phone.enrolled", lambda one: one["data"]["session_id"] == session.id
    )
    assert event["data"]["user_id"] == session.buyer_id
    calls = await scene.maskline.recorded(session, 2)
    assert {one["caller"]["user_id"] for one in calls} == {session.buyer_id}


@EACH_LANGUAGE
async def test_a_withheld_caller_types_the_pin_as_fast_as_a_speed_dial(
    scene: Scene, language: str
) -> None:
    _, session, pin = await _with_pin(scene, language)
    call = await scene.dial(session.buyer_dials, None)
    await scene.asked(call, language, "ask-pin")
    scene.pins.add(pin)
    await call.press(pin, Pace(tone_ms=60, pause_ms=60))
    await (await scene.rung(session.seller, call)).end()

    again = await scene.dial(session.buyer_dials, None)
    await scene.asked(again, language, "ask-pin")
    await again.hang_up()
    scene.nobody_rung()


@EACH_LANGUAGE
async def test_three_wrong_pins_lock_a_caller_out(scene: Scene, language: str) -> None:
    pool, session, pin = await _with_pin(scene, language)
    guesser = scene.person()
    wrong = (f"{(int(pin) + n) % 10**LENGTH:0{LENGTH}d}" for n in itertools.count(1))

    call = await scene.dial(session.buyer_dials, guesser)
    await scene.asked(call, language, "ask-pin")
    for _ in range(2):
        await scene.type_pin(call, next(wrong))
        await scene.asked(call, language, "wrong-digits")
    await scene.type_pin(call, next(wrong))
    await scene.refused(call, language, "locked-out")

    locked = await scene.platform.event(
        "pin.locked", lambda one: one["data"]["number"] in pool.numbers
    )
    assert "caller_ref" in locked["data"]
    # Not even the right one is heard now, and the one whose PIN it is calls as ever.
    again = await scene.dial(session.buyer_dials, guesser)
    await scene.refused(again, language, "locked-out")
    await (await scene.reach(session.buyer_dials, session.buyer, session.seller)).end()


@EACH_LANGUAGE
async def test_a_caller_number_is_declared_for_one_call(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=1)
    session, _ = await scene.session(pool)
    borrowed = scene.person()
    await scene.ask(
        "POST",
        f"/v1/sessions/{session.id}/caller-numbers",
        {"user_id": session.buyer_id, "phone": borrowed},
    )

    talk = await scene.reach(session.buyer_dials, borrowed, session.seller)
    assert talk.leg.seen_caller == session.seller_dials
    await talk.end()

    again = await scene.dial(session.buyer_dials, borrowed)
    await scene.refused(again, language, "not-in-service")


@EACH_LANGUAGE
async def test_strangers_are_put_through_to_the_support_desk(scene: Scene, language: str) -> None:
    desk = scene.person()
    strangers = {"unknown": "static", "withheld": "static", "static": desk}
    pool = await scene.pool(language, numbers=1, strangers=strangers)
    session, _ = await scene.session(pool)
    stranger = scene.person()
    for caller in (stranger, None):
        talk = await scene.reach(session.buyer_dials, caller, desk)
        assert talk.leg.seen_caller in pool.numbers
        await talk.end()
    await (await scene.reach(session.buyer_dials, session.buyer, session.seller)).end()
    [record] = await eventually(
        lambda: scene.records(session_id=session.id), lambda found: len(found) == 1
    )
    assert record["callee"]["user_id"] == session.seller_id


@EACH_LANGUAGE
async def test_strangers_are_told(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=1)
    session, _ = await scene.session(pool)
    stranger = await scene.dial(session.buyer_dials, scene.person())
    await scene.refused(stranger, language, "not-in-service", to_the_end=True)
    assert stranger.status == 404
    await scene.refused(await scene.dial(session.buyer_dials, None), language, "withheld")


async def test_another_sip_stack_types_the_pin(scene: Scene, tmp_path: Path) -> None:
    _, session, pin = await _with_pin(scene, "en")
    host, port = carrier_host(5090), 5090
    await scene.maskline.add_trunk("pjsua2", host, port, outbound=False)
    sender = scene.person()
    target = scene.maskline.sip_address
    uri = f"sip:{session.buyer_dials}@{target.host}:{target.port}"
    async with await Pjsua2Phone.dial((host, port), sender, uri, tmp_path) as phone:
        await phone.hear_sound(scene.sound("en", "ask-pin").first(1200))
        scene.pins.add(pin)
        phone.press(pin)
        leg = await scene.carrier.incoming()
        assert leg.dialled == session.seller
        await asyncio.gather(phone.hear(CALLEES), leg.hear(CALLERS, 200))
        await phone.hang_up()
        await leg.wait_ended()
    assert phone.process.returncode == 0
