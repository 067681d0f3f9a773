"""Callers who are asked for digits: a real Asterisk, real keys, the database and all rules."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from masking.known import Answer as Said
from masking.model import Language, Pool, Role, Session
from masking.outcome import Outcome
from masking.rules import EndingRules, HookRules, PinRules, Stranger, StrangerRules
from maskline.demo import Answer, Call, Carrier, Manual, Sound
from maskline.hook import SILENT, HookAnswer
from maskline.prompts import ensure_prompts
from maskline.routes import StoredRoutes, TrunkBook
from maskline.toolbox import AsteriskInstall, ToolboxSettings, ensure_toolbox
from storage import numbers, open_database, trunks
from storage.migration import migrate
from telephony.controller import Controller, ControllerLimits
from tests.integration.telephony.asking import (
    CALLEES,
    DESK,
    NUMBER,
    PIN,
    PINS,
    TRUNK,
    Platform,
    World,
    now,
)
from tests.integration.telephony.conftest import CALLER_HOST, make_bench
from tests.integration.telephony.sipp import sipp_argv
from tests.support.storage import a_vault

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    asterisk: AsteriskInstall, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    tools = ToolboxSettings.from_env(os.environ)
    folder: Path = tmp_path_factory.mktemp("questions")
    prompts = ensure_prompts(
        folder, lambda: ensure_toolbox(tools), spoken_dir=tools.cache_dir / "prompts"
    )
    url = f"sqlite:///{folder / 'maskline.db'}"
    await migrate(url)
    db, vault, platform = open_database(url), a_vault(), Platform()

    def stock(conn: Connection) -> None:
        trunks.add(conn, vault, TRUNK, now())
        numbers.put_pool(conn, Pool("default"), now())
        numbers.add_numbers(conn, "default", TRUNK.name, [NUMBER], now())

    await db.write(stock)
    routes = StoredRoutes(db, vault, TrunkBook(vault), now, platform=platform)
    with make_bench(asterisk) as bench:
        bench.settings = replace(
            bench.settings, prompts_dir=prompts.sounds_dir, route_timeout_s=3.0
        )
        async with (
            Carrier(CALLER_HOST, 5080, toward=bench.sip, sipp=sipp_argv()) as carrier,
            bench.node() as node,
        ):
            await node.apply_trunks([TRUNK])
            controller = Controller(
                node=node.name,
                login=node.controller_login(),
                routes=routes,
                limits=ControllerLimits(route_timeout_s=3.0),
                on_error=_fail,
            )
            run = asyncio.create_task(controller.run())
            await controller.wait_up(deadline_s=10)
            yield World(bench, node, db, vault, carrier, prompts, platform, controller)
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run
    await db.close()


def _fail(error: BaseException) -> None:
    raise AssertionError from error


async def _talks(world: World, call: Call) -> Call:
    leg = await world.carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await call.hear(CALLEES, 400)
    return leg


def _callee(session: Session) -> str:
    phone = session.participants[1].phone
    assert phone is not None
    return phone


@pytest.mark.parametrize("in_band", [False, True], ids=["rfc4733", "tones"])
@pytest.mark.parametrize("language", Language)
async def test_the_right_pin_reaches_the_other_side_and_enrols_the_phone(
    world: World, in_band: bool, language: Language
) -> None:
    await world.pool(language=language)
    session = await world.session()
    caller = world.stranger()
    world.carrier.on_invite(Answer(ring_ms=300, tone_hz=CALLEES), number=_callee(session))

    keys = {"event_type": None} if in_band else {}
    call = await world.call(caller, **keys)
    await world.asks(call, "ask-pin", language)
    await call.press(PIN, in_band=in_band)
    leg = await _talks(world, call)
    assert leg.dialled == _callee(session)
    assert caller[1:].encode() not in leg.received_bytes
    await call.hang_up()

    record, _ = await world.record(call)
    assert record.outcome is Outcome.ANSWERED
    assert record.session_id == session.id
    assert record.caller_role is Role.BUYER
    # Answered means: by the callee, not by us who asked.
    assert record.answered_at is not None
    assert record.talk_ms < (record.ended_at - record.offered_at).total_seconds() * 1000 - 1500
    again = await world.call(caller)
    await (await _talks(world, again)).hang_up()
    record, _ = await world.record(again)
    assert record.session_id == session.id
    assert PIN not in world.written()


async def test_a_call_by_pin_that_nobody_answers_is_missed(world: World) -> None:
    await world.pool()
    session = await world.session()
    world.carrier.on_invite(Manual(), number=_callee(session))

    call = await world.call(world.stranger())
    await world.asks(call, "ask-pin")
    await call.press(PIN)
    leg = await world.carrier.incoming()
    await leg.ring()
    await asyncio.sleep(0.3)  # it rings
    await call.hang_up()
    await leg.wait_ended()

    record, _ = await world.record(call)
    assert record.outcome is Outcome.MISSED
    assert (record.answered_at, record.talk_ms) == (None, 0)
    assert record.rang_at is not None


async def test_a_caller_who_gives_up_while_being_asked_rang_nobody(world: World) -> None:
    await world.pool()
    await world.session()

    call = await world.call(world.stranger())
    await world.asks(call, "ask-pin")
    await call.hang_up()

    record, _ = await world.record(call)
    assert record.outcome is Outcome.CANCELLED
    assert record.attempts == ()


async def test_three_wrong_ones_lock_the_caller_out_and_nobody_else(world: World) -> None:
    await world.pool()
    session = await world.session()
    caller = world.stranger()

    call = await world.call(caller)
    await world.asks(call, "ask-pin")
    await call.press("000000")
    await world.asks(call, "wrong-digits")
    await call.press("0000#")
    await asyncio.sleep(0.5)
    await call.press("111111")
    await world.asks(call, "locked-out")
    record, said = await world.record(call)
    assert record.reason == "pin_locked"
    assert [(row["n"], row.get("went")) for row in said[-3:]] == [
        ("1", None),
        ("2", "wrong"),
        ("3", "wrong"),
    ]

    locked = await world.call(caller)
    await locked.wait_ended()
    assert locked.status == 403
    assert (await world.record(locked))[0].reason == "pin_locked"
    world.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES), number=_callee(session))
    other = await world.call(world.stranger())
    await world.asks(other, "ask-pin")
    await other.press(PIN)
    await (await _talks(world, other)).hang_up()
    await world.record(other)


async def test_silence_is_asked_again_and_then_refused(world: World) -> None:
    await world.pool(replace(PINS, pin=PinRules(attempts=1)))
    await world.session()

    call = await world.call(world.stranger())
    await call.wait_ended(30)

    record, _ = await world.record(call)
    assert (record.reason, record.outcome) == ("wrong_pin", Outcome.FAILED)


@pytest.mark.parametrize("hostile", ["***###", "ABCD*#", "*" * 30, "12*34A56#9", "#"])
async def test_whatever_is_typed_nobody_is_rung(world: World, hostile: str) -> None:
    await world.pool(replace(PINS, pin=PinRules(attempts=1)))
    await world.session()

    call = await world.call(world.stranger())
    await world.asks(call, "ask-pin")
    await call.press(hostile)
    await call.wait_ended(30)

    record, _ = await world.record(call)
    assert record.reason in ("wrong_pin", "pin_locked")
    assert record.attempts == ()


async def test_a_withheld_caller_may_type_a_pin_too(world: World) -> None:
    await world.pool()
    session = await world.session()
    world.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES), number=_callee(session))

    call = await world.call(None)
    await world.asks(call, "ask-pin")
    await call.press(PIN)
    leg = await _talks(world, call)
    await leg.hang_up()

    record, _ = await world.record(call)
    assert (record.session_id, record.ended_by) == (session.id, "callee")


async def test_the_fixed_destination_sees_the_number_that_was_dialled(world: World) -> None:
    await world.pool(StrangerRules(Stranger.STATIC, Stranger.STATIC))
    caller = world.stranger()
    world.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES), number=DESK)

    call = await world.call(caller)
    leg = await _talks(world, call)
    await call.hang_up()

    assert (leg.dialled, leg.seen_caller) == (DESK, NUMBER)
    assert caller[1:].encode() not in leg.received_bytes
    record, _ = await world.record(call)
    assert record.outcome is Outcome.ANSWERED
    assert (record.session_id, record.caller_role, record.number_out) == (None, None, NUMBER)


def _hook(**more: Any) -> HookRules:  # noqa: ANN401
    return HookRules("https://platform.example/hook", **more)


async def test_the_platform_may_name_a_session_which_keeps_the_number_dialled(
    world: World,
) -> None:
    await world.pool(StrangerRules(), hook=_hook())
    session = await world.session()
    caller = world.stranger()
    world.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES), number=_callee(session))
    buyer = session.participants[0].user_id
    world.platform.asked.clear()
    world.platform.answer = HookAnswer(Said.CONNECT, session_id=session.id, user_id=buyer)

    call = await world.call(caller)
    await (await _talks(world, call)).hang_up()
    await world.record(call)

    [asked] = world.platform.asked
    assert (asked.why, asked.number) == ("unknown_caller", NUMBER)
    assert caller[1:].encode() not in asked.body()
    world.platform.answer = SILENT
    again = await world.call(caller)
    await (await _talks(world, again)).hang_up()
    assert (await world.record(again))[0].session_id == session.id
    assert len(world.platform.asked) == 1, "the number is the caller's own by now"


async def test_the_platform_may_open_a_session_for_the_caller(world: World) -> None:
    await world.pool(StrangerRules(), hook=_hook())
    caller, callee = world.stranger(), world.stranger()
    world.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES), number=callee)
    world.platform.answer = HookAnswer(
        Said.CONNECT,
        session={
            "conversation_id": "chat-9",
            "participants": [
                {"role": "buyer", "user_id": "u-8", "phone": "caller"},
                {"role": "seller", "user_id": "u-9", "phone": callee},
            ],
        },
    )

    call = await world.call(caller)
    leg = await _talks(world, call)
    await leg.hang_up()

    assert leg.dialled == callee
    record, _ = await world.record(call)
    assert record.session_id is not None
    assert record.number_in == NUMBER


@pytest.mark.parametrize(
    ("answer", "fail_open", "reason"),
    [
        (HookAnswer(Said.REFUSE), True, "platform_refused"),
        (SILENT, False, "platform_silent"),
        (SILENT, True, "unknown_caller"),
        (HookAnswer(Said.CONNECT, session={"participants": "x"}), False, "platform_silent"),
        (HookAnswer(Said.CONNECT, session_id="ses_nobody", user_id="u"), False, "platform_silent"),
    ],
)
async def test_the_platform_refuses_or_says_nothing(
    world: World, answer: HookAnswer, fail_open: bool, reason: str
) -> None:
    await world.pool(StrangerRules(), hook=_hook(fail_open=fail_open))
    world.platform.answer = answer

    call = await world.call(world.stranger())
    await call.wait_ended()

    assert not call.answered
    assert (await world.record(call))[0].reason == reason


async def test_both_sides_hear_a_tone_before_the_limit_which_is_ours(world: World) -> None:
    await world.pool(StrangerRules(), ending=EndingRules(warn_before_s=2), max_call_s=4)
    session = await world.session()
    buyer = session.participants[0].phone
    world.carrier.on_invite(Answer(ring_ms=100), number=_callee(session))

    call = await world.call(buyer)
    leg = await world.carrier.incoming()
    await call.wait_up()
    began = asyncio.get_running_loop().time()
    warning = Sound.load(world.prompts.path("en", "warning").with_suffix(".wav"), "warning")
    at_ms, theirs_ms = await asyncio.gather(call.hear_sound(warning), leg.hear_sound(warning))
    await call.wait_ended()

    assert asyncio.get_running_loop().time() - began == pytest.approx(4, abs=0.7)
    assert at_ms == pytest.approx(2000, abs=700)
    assert theirs_ms == pytest.approx(2000, abs=700)
    record, _ = await world.record(call)
    assert record.ended_by == "system"
    assert record.outcome is Outcome.ANSWERED
