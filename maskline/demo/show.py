"""`maskline demo`: real calls both ways, and what each party saw and heard of them.

Everything printed was measured: numbers are read from the SIP messages that the phones received,
tones from the audio that they received, the rest from the API.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from maskline import instance
from maskline.client import ApiClient
from maskline.demo import Answer, Call, Carrier, Heard, Ring
from maskline.demo.errors import DemoError
from maskline.demo.platform import ANNA, PETR, Person, Platform
from maskline.demo.sip import user_of
from maskline.demo.sipp import free_port
from maskline.errors import PartFailed
from maskline.toolbox import ToolboxSettings, find_sipp

HOST = "127.0.0.2"
TALK_S = 1.5


@dataclass(frozen=True, slots=True)
class Scene:
    """One call of the demo, over."""

    caller: Person
    callee: Person
    there: Call  # the caller's
    here: Call  # the callee's


async def show(data: Path, environ: dict[str, str]) -> None:
    """Run the demo against the Maskline on `data` and print it. Raises MasklineError."""
    running = instance.find(data)
    sipp = find_sipp(ToolboxSettings.from_env(environ)).argv
    port = free_port(HOST)
    conversation_id = f"demo-{time.time_ns() // 1_000_000:x}"
    carrier = Carrier(HOST, port, toward=running.sip_address, sipp=sipp, name="phones")
    try:
        async with ApiClient.of(data) as api, carrier:
            await _play(Platform(api), carrier, conversation_id)
    except DemoError as error:
        raise PartFailed(f"the demo's call did not go as it should:\n{error}") from error


async def _play(platform: Platform, carrier: Carrier, conversation_id: str) -> None:
    await platform.make_ready(carrier.host, carrier.port)
    session = await platform.open_session(conversation_id)
    dial = {one["role"]: one["dial"]["gsm"] for one in session["participants"]}
    try:
        _title(session, dial)
        scenes = [
            await _talk(carrier, ANNA, PETR, dial[ANNA.role]),
            await _talk(carrier, PETR, ANNA, dial[PETR.role]),
            await _miss(carrier, ANNA, PETR, dial[ANNA.role]),
        ]
        for number, scene in enumerate(scenes, start=1):
            _scene(number, scene)
        history = await _recorded(platform, conversation_id, len(scenes))
        _history(conversation_id, history)
        for person in (PETR, ANNA):
            _log(person, await platform.call_log(person.user_id, session["id"]))
    finally:
        try:
            await platform.close_session(session["id"])
        finally:
            await platform.leave()


async def _talk(carrier: Carrier, caller: Person, callee: Person, number: str) -> Scene:
    carrier.on_invite(Answer(ring_ms=400, tone_hz=callee.tone_hz), number=callee.phone)
    there = await carrier.call(number, from_=caller.phone, tone_hz=caller.tone_hz)
    here = await carrier.incoming()
    await asyncio.gather(there.wait_up(), here.wait_up())
    await asyncio.gather(there.hear(callee.tone_hz), here.hear(caller.tone_hz))
    await asyncio.sleep(TALK_S)
    await there.hang_up()
    await here.wait_ended()
    return Scene(caller, callee, there, here)


async def _miss(carrier: Carrier, caller: Person, callee: Person, number: str) -> Scene:
    carrier.on_invite(Ring(), number=callee.phone)
    there = await carrier.call(number, from_=caller.phone, tone_hz=caller.tone_hz)
    here = await carrier.incoming()
    await there.wait_ringing()
    await asyncio.sleep(TALK_S)
    await there.cancel()
    await here.wait_ended()
    return Scene(caller, callee, there, here)


async def _recorded(platform: Platform, conversation_id: str, wanted: int) -> Sequence[Any]:
    """The history, once all calls stand in it."""
    async with asyncio.timeout(15):
        while len(found := await platform.history(conversation_id)) < wanted:
            await asyncio.sleep(0.1)
    return found


def _title(session: Any, dial: dict[str, str]) -> None:  # noqa: ANN401 (JSON)
    print(f"\n{ANNA.name} and {PETR.name} talk about {session['listing']['title']}.")
    print(f"Session {session['id']}, open until {_clock(session['expires_at'])} UTC.\n")
    for one in (ANNA, PETR):
        other = PETR if one is ANNA else ANNA
        print(f"  {one.name}'s phone is {one.phone}; to reach {other.name} dial {dial[one.role]}")


def _scene(number: int, scene: Scene) -> None:
    there, here = scene.there, scene.here
    caller, callee = scene.caller.name, scene.callee.name
    end = "answered" if there.answered else "not answered"
    print(f"\n{number}. {caller} calls {callee}: {end}")
    asserted = user_of(here.invite.header("p-asserted-identity")) or "none"
    _line(f"{caller} dialled", there.dialled)
    _line(f"{callee}'s phone showed", f"{here.seen_caller}  (P-Asserted-Identity {asserted})")
    if there.answered:
        _line(f"{caller} heard", _sound(there.heard(), callee))
        _line(f"{callee} heard", _sound(here.heard(), caller))
    for name, call, hidden in (
        (callee, here, scene.caller),
        (caller, there, scene.callee),
    ):
        what = f"{hidden.name}'s number in {len(call.received)} messages to {name}"
        _line(what, _found(call, hidden.phone))


def _found(call: Call, phone: str) -> str:
    """Whether the number stands in any byte that reached the party, spelt in any usual way."""
    digits = re.sub(rb"[^0-9]", b"", phone.encode())[-10:]
    plain = re.sub(rb"[^0-9]", b"", call.received_bytes)
    return "FOUND" if digits in plain or digits in call.received_bytes else "nowhere"


def _sound(heard: Heard, who: str) -> str:
    if heard.loudest_hz is None:
        return "nothing"
    gaps = f"gaps {', '.join(map(str, heard.gaps_ms))} ms" if heard.gaps_ms else "no gap"
    return f"{heard.loudest_hz} Hz for {heard.tone_ms[heard.loudest_hz]} ms, {gaps}  ({who}'s tone)"


def _history(conversation_id: str, entries: Sequence[Any]) -> None:
    names = {ANNA.role: ANNA.name, PETR.role: PETR.name}
    print(f"\nHistory of {conversation_id}, each call once")
    for entry in entries:
        who = f"{names[entry['caller']['role']]} → {names[entry['callee']['role']]}"
        times = f"rang {entry['ring_s']:.1f} s, talked {entry['talk_s']:.1f} s"
        print(f"  {_clock(entry['at'])}  {who}  {entry['outcome']:<9}  {times}")


def _log(person: Person, entries: Sequence[Any]) -> None:
    print(f"\n{person.name}'s call log")
    for entry in entries:
        arrow = "↙" if entry["direction"] == "in" else "↗"
        unread = "  unread" if entry["unread"] else ""
        card = entry["card"]
        who = f"{arrow} {card['name']} ★{card['rating']}"
        print(f"  {_clock(entry['at'])}  {who}  {entry['outcome']}{unread}")


def _line(what: str, value: str) -> None:
    print(f"   {what:<44} {value}")


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%H:%M:%S")
