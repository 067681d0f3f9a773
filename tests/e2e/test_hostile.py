"""Whatever a caller or a callee's carrier sends, it stays text: nothing is forged by it.

Each test fires one volley of hostile values into one place of SIP, then looks at everything that
was written and heard (events, records, logs), and then carries an honest call.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from maskline.demo import sip
from maskline.demo.g711 import Codec
from maskline.demo.sip import Message
from tests.support.hostile_values import (
    HONEST,
    MARK,
    NUMBER,
    PLACES,
    STRANGER,
    Invite,
    Place,
    values,
)
from tests.support.hostile_world import CALLEES, CALLERS, STRANGERS, World
from tests.support.maskline import Maskline
from tests.support.observer import Observer, header_of
from tests.support.wiretap import Tap, TapMedia, tap_host, token, until

QUIET_S = 0.3  # after so long without an answer there will be none


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    tmp_path_factory: pytest.TempPathFactory, phone: Iterator[str]
) -> AsyncIterator[World]:
    """One Maskline for all volleys: what one leaves behind, the next one meets."""
    folder = tmp_path_factory.mktemp("hostile")
    maskline = Maskline(folder / "data")
    await maskline.start()
    try:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(await Tap.open(maskline.sip_address))
            there = await stack.enter_async_context(await Tap.open(maskline.sip_address))
            busy = {"max_cps": 1000, "max_channels": 1000}
            await maskline.add_trunk(
                "here", here.host, here.port, trusted=True, outbound=False, **busy
            )
            await maskline.add_trunk("there", there.host, there.port, **busy)
            await maskline.add_numbers("there", NUMBER)
            session = await maskline.open_session(next(phone), next(phone))
            ami = await stack.enter_async_context(await Observer.of(maskline.data))
            pid = maskline.asterisk_pid
            assert pid is not None
            yield World(maskline, here, there, ami, session, folder / "trap", pid, stack)
        assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


async def _volley(world: World, place: Place) -> None:
    """Every value in that place, a call each; those that are taken up are given up at once."""
    blank = Invite(world.here.host, world.here.port, world.maskline.sip)
    fresh = (
        replace(blank, call_id=token("callid"), branch="z9hG4bK" + token("branch"))
        for _ in itertools.count()
    )
    shots = {
        one.branch: place(one, value)
        for one, value in zip(fresh, values(world.trap).values(), strict=False)
    }
    world.here.forget()
    for shot in shots.values():
        world.here.send(shot.request("INVITE"))
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    seen, quiet = 0, loop.time() + QUIET_S
    while loop.time() < quiet:
        await asyncio.sleep(0.02)
        for message in map(Message, world.here.raw[seen:]):
            seen += 1
            if message.method == "INVITE" and not message.is_request:
                quiet = loop.time() + QUIET_S
                found = re.search("z9hG4bKbranch[0-9]+x[0-9]+q", message.header("via"))
                if found and 180 <= message.status < 200:
                    world.here.send(shots[found[0]].request("CANCEL"))


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_a_caller_who_writes_rubbish_into(world: World, place: Place) -> None:
    await _volley(world, place)
    await world.settled()

    await world.assert_nothing_forged()
    await world.talk()


async def test_what_was_sent_arrived_as_text(world: World) -> None:
    await _volley(world, PLACES["asserted-name"])
    await world.settled()

    names = b"\n".join(header_of(one, "Identity") for one in world.whole)
    assert f"${{SHELL(touch {world.trap})}}".encode() in names
    assert b"$[1+1]$[${ROUTE_TIMEOUT_S}*2]" in names
    assert b"${UNIQUEID}" in names
    assert b'","eventenum":"LINKEDID_END"' in names


ANSWERS: dict[str, Callable[[str], tuple[str, tuple[str, ...]]]] = {
    "phrase": lambda v: (f"486 {v}", ()),
    "reason": lambda v: ("480 Gone", (f"Reason: Q.850;cause={v};text={v}", f"Reason: {v}")),
    "contact": lambda v: ("302 Moved", (f"Contact: <sip:{v}@x>", f'Contact: "{v}" <sip:1@x>')),
    "other-headers": lambda v: ("404 No", (f"Warning: 399 {v}", f"Server: {v}", f"X-{v}: {v}")),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_callees_carrier_that_writes_rubbish_into(
    world: World, answer: Callable[[str], tuple[str, tuple[str, ...]]]
) -> None:
    for value in values(world.trap).values():
        first, second, invite, (cseq, branch) = await world.ring()
        target = f"sip:{NUMBER}@{world.maskline.sip}"
        status, headers = answer(value)
        world.there.send(world.there.answer(invite, status, headers, tag=second.tag))
        # Where it cannot be read as an answer, there was none; an honest one ends the call then.
        world.there.send(world.there.answer(invite, "486 Busy Here", tag=second.tag))
        heard = await world.here.take(
            lambda one, party=first: one.call_id == party.call_id and one.status > 180  # type: ignore[misc]
        )
        if heard.status < 200:
            first.cancel(cseq, branch, target)
        await first.final("INVITE", cseq, branch)
        await asyncio.gather(first.media.close(), second.media.close())
    await world.settled()

    await world.assert_nothing_forged()
    await world.talk()


async def test_keys_and_texts_inside_a_call(world: World) -> None:
    first, second, _ = await world.call()
    for value in values(world.trap).values():
        for party in (first, second):
            for kind in ("dtmf-relay", "dtmf", "hook-flash"):
                party.send("INFO", (f"Content-Type: application/{kind}",), f"Signal={value}\r\n")
            party.send("INFO", (f"Content-Type: application/{value}",), value)
            party.send("MESSAGE", ("Content-Type: text/plain", f"Subject: {value}"), value)
            party.send("REFER", (f"Refer-To: <sip:{value}@x>",))
    await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))
    assert (await second.request("BYE", (f"Reason: SIP;text={MARK}",))).status == 200
    await asyncio.gather(first.media.close(), second.media.close())
    await world.settled()

    await world.assert_nothing_forged()
    await world.talk()


VICTIM_NAMES = {
    "cut off by a parenthesis and a colon": ('"a <sip:{0}@x>):1"', '"b"', "none"),
    "cut to fit": ('"a <sip:{0}@x> 1):3"', '"b"', "none"),
    "swallowed by a parenthesis in From": ('"b):1"', '"a ("', "none)"),
    "swallowed as far as Privacy": ('"b"', '"a ("', "none)"),
    "argument in the name": ('"a,Identity: <sip:{0}@x>,Complete: yes"', '"b"', "none"),
    "brackets in the name": ('"<sip:{0}@x>"', '"<sip:{0}@x>"', "none"),
    "escaped quote": ('"a\\" <sip:{0}@x>"', '"a\\" <sip:{0}@x>"', "none"),
    "name, no quotes": ("{0}", '"{0}"', "none"),
}


@pytest.mark.parametrize(("asserted", "sender", "privacy"), VICTIM_NAMES.values(), ids=VICTIM_NAMES)
async def test_a_name_cannot_take_the_place_of_the_number_that_the_carrier_asserts(
    world: World, asserted: str, sender: str, privacy: str
) -> None:
    world.here.forget()
    rung = len(world.there.raw)
    buyer = world.session.buyer
    shot = Invite(
        world.here.host,
        world.here.port,
        world.maskline.sip,
        sender=f"{sender.format(buyer)} <sip:{buyer}@carrier.example>",
        headers=(
            f"P-Asserted-Identity: {asserted.format(buyer)} <sip:{STRANGER}@carrier.example>",
            f"Privacy: {privacy}",
        ),
    )
    world.here.send(shot.request("INVITE"))
    await world.here.take(lambda one: one.status >= 183)
    world.here.send(shot.request("CANCEL"))
    await world.settled()

    refused = world.kinds("REFUSE")[-1]["userdeftype"]
    assert re.search("reason=(unknown_caller|withheld_caller|no_controller);", refused), refused
    assert len(world.there.raw) == rung, "nobody is rung"


DIALLED = {
    "hangs the older matcher": "%5F%5B%01-%FF%5D",
    "is a pattern of ours": "%5F%5B+0-9%5DXXXXXXXXXXX",
    "is a pattern with line breaks": "%5F%5B+0-9%5DXXXXXXXXXXX%5B%0D-%0A%5D",
    "picks up": "*8",
    "is the start": "s",
    "is nothing": "",
    "is a context": "s@plan",
    "is too short": "+7495",
    "is too long": NUMBER + "0" * 60,
    "has letters": "+7495111000A",
}


@pytest.mark.parametrize("user", DIALLED.values(), ids=DIALLED.keys())
async def test_a_dialled_user_that(world: World, user: str) -> None:
    world.here.forget()
    before = world.rows()
    shot = Invite(world.here.host, world.here.port, world.maskline.sip, user=user)
    world.here.send(shot.request("INVITE"))

    heard = await world.here.take(lambda one: one.status >= 180)
    assert heard.status >= 400
    assert world.rows() == before, "no channel was made"
    await world.talk()


async def test_messages_larger_than_any_header_should_be(world: World) -> None:
    blank = Invite(world.here.host, world.here.port, world.maskline.sip)
    by_udp = replace(blank, headers=(f'P-Asserted-Identity: "{MARK}{"a" * 55_000}" {HONEST}',))
    world.here.send(by_udp.request("INVITE"))
    _, writer = await asyncio.open_connection(
        *world.maskline.sip_address, local_addr=(world.here.host, 0)
    )
    by_tcp = replace(by_udp, headers=(f"X-Large: {MARK}{'a' * 100_000}",))
    writer.write(by_tcp.request("INVITE").replace(b"/UDP", b"/TCP"))
    await writer.drain()
    await asyncio.sleep(QUIET_S)
    writer.close()
    await world.settled()

    await world.assert_nothing_forged()
    await world.talk()


METHODS = ("INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "NOTIFY", "REFER")


async def test_a_stranger_gets_nothing_worth_having(world: World) -> None:
    """From another address, or where the port tells trunks apart from another one: alike."""
    await world.maskline.add_trunk("beside", world.here.host, 5999)
    for host in (tap_host(), world.here.host):
        async with await Tap.open(world.maskline.sip_address, host) as stranger:
            before = len(world.rows())
            for user in (NUMBER, "+74990000000", "carrier-a", "100"):
                for method in METHODS:
                    shot = Invite(stranger.host, stranger.port, world.maskline.sip, user=user)
                    stranger.send(shot.request("INVITE").replace(b"INVITE", method.encode()))
            await asyncio.sleep(QUIET_S)
            answers = [Message(one) for one in stranger.raw]
            for answer in answers:
                assert answer.status in (401, 489, 405, 481, 501), answer.start_line
                assert answer.body == ""
                for name, value in answer.headers:
                    assert name in HEADERS_TO_STRANGERS, f"{name}: {value}"
            told = {(one.header("cseq"), one.status, one.header("server")) for one in answers}
            assert len(told) <= len(METHODS), "the same for every number"
            assert len(world.rows()) == before


HEADERS_TO_STRANGERS = {
    *("via", "from", "to", "call-id", "cseq", "www-authenticate", "server", "content-length"),
    *("allow", "supported", "accept", "allow-events", "contact"),
}


async def test_a_flood_of_strangers_does_not_disturb_a_call(world: World) -> None:
    first, second, _ = await world.call()
    await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))
    begun = asyncio.get_running_loop().time()
    async with AsyncExitStack() as stack:
        strangers = [
            await stack.enter_async_context(await Tap.open(world.maskline.sip_address))
            for _ in range(4)
        ]
        for n in range(600):
            stranger = strangers[n % 4]
            shot = Invite(stranger.host, stranger.port, world.maskline.sip, user=f"+7495{n:07d}")
            method = METHODS[n % 3].encode()
            stranger.send(shot.request("INVITE").replace(b"INVITE", method))
            await asyncio.sleep(0.002)
        await world.talk()
    heard = first.media.heard(since=begun), second.media.heard(since=begun)
    assert (await first.request("BYE")).status == 200
    await asyncio.gather(first.media.close(), second.media.close())

    for one in heard:
        assert max(one.gaps_ms, default=0) <= 200
    await world.settled()
    await world.assert_nothing_forged()


async def test_a_strangers_sound_is_not_heard_and_none_is_sent_to_them(world: World) -> None:
    first, second, answer = await world.call()
    await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))
    stream = sip.stream_of(answer.body)
    assert stream is not None
    async with await TapMedia.pair(tap_host()) as stranger:
        stranger.tone_hz = STRANGERS
        stranger.send_to(stream.host, stream.port, Codec.ALAW)
        begun = asyncio.get_running_loop().time()
        await until(lambda: stranger.sent_frames >= 50, "a second of a stranger")
        await second.hears(CALLERS, 500)
        heard = second.media.heard(since=begun)
        assert not stranger.raw
        assert not stranger.rtcp.raw
    assert (await first.request("BYE")).status == 200
    await asyncio.gather(first.media.close(), second.media.close())

    assert set(heard.tone_ms) == {CALLERS}
    await world.settled()
