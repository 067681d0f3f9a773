"""Carriers over TLS, with sealed audio and without: both ways, their certificates, the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from maskline.demo import Answer, Carrier
from maskline.demo.sip import Message
from tests.support.certificate import Authority, certificate
from tests.support.maskline import (
    Maskline,
    Session,
    carrier_host,
    free_tcp_port,
    sipp_command,
)
from tests.support.planted import phone_spellings
from tests.support.quiet import make_quiet
from tests.support.sealed_line import (
    CALLEES,
    CALLERS,
    House,
    Line,
    heard,
    is_a,
    learn,
    until_none_is_live,
)
from tests.support.srtp import SealedMedia
from tests.support.tls_tap import TlsTap, believed, shown
from tests.support.wiretap import tap_host, until

NUMBER = "+74951118001"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "authority")
    cert, key = authority.vouch("127.0.0.1")
    door = ("127.0.0.1", free_tcp_port())
    options = {
        "tls_cert": str(cert),
        "tls_key": str(key),
        "sip_tls": f"{door[0]}:{door[1]}",
        "sip_tls_ca": str(authority.file),
    }
    maskline = Maskline(folder / "house" / "data", options=options)
    try:
        await maskline.start()
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            here, there = [
                await enter(await TlsTap.speaking(door, host, shows=shown(*authority.vouch(host))))
                for host in (tap_host(), tap_host())
            ]
            here.believes = believed(authority.file)
            await enter(there.heard())
            backup = await enter(
                Carrier(
                    carrier_host(), 5080, toward=maskline.sip_address, sipp=sipp_command(), name="b"
                )
            )
            sealed = {"transport": "tls", "media_encryption": "sdes"}
            await maskline.add_trunk("here", here.host, here.port, outbound=False, **sealed)
            await maskline.add_trunk(
                "there", there.host, there.line_port, options_interval_s=1, **sealed
            )
            await maskline.add_trunk("backup", backup.host, backup.port, priority=1)
            await maskline.ask("PUT", "/v1/pools/tls", {})
            await maskline.add_numbers("there", NUMBER, pool="tls")
            yield House(maskline, authority, door, here, there, backup)
            await make_quiet(maskline, backup)
        assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def line(house: House, phone: Iterator[str]) -> AsyncIterator[Line]:
    for tap in (house.here, house.there):
        tap.forget()
    session = await house.maskline.open_session(next(phone), next(phone), pool="tls")
    house.backup.on_invite(Answer(tone_hz=CALLEES), number=session.seller)
    async with AsyncExitStack() as stack:
        yield Line(house, stack, session)
        await until_none_is_live(house.maskline)


async def steps(maskline: Maskline, session: Session) -> list[str]:
    """Which trunks were tried for the session's only call."""
    [record] = await maskline.recorded(session)
    [attempt] = record["attempts"]
    return [step["trunk"] for step in attempt["steps"]]


async def test_a_sealed_call_from_carrier_to_carrier(line: Line) -> None:
    first, second = await line.talk()
    there = line.house.there
    invites = [one for raw in there.raw if (one := Message(raw)).method == "INVITE"]
    assert {one.header("via").split()[0] for one in invites if one.is_request} == {"SIP/2.0/TLS"}
    assert (await second.request("BYE")).status == 200
    await line.house.here.take(is_a("BYE"))

    [record] = await line.house.maskline.recorded(line.session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    buyer, seller = line.people
    assert buyer.leaks(second.captured) == []
    assert seller.leaks(first.captured) == []
    for party in (first, second):
        assert isinstance(party.media, SealedMedia)
        assert party.media.unsealed == 0, "nothing came in clear, or by another key"


async def test_who_hears_the_wire_learns_nobody(line: Line) -> None:
    first, second = await line.talk()
    assert (await first.request("BYE")).status == 200
    await line.house.there.take(is_a("BYE"))

    wire = bytes(line.house.there.wire)
    assert wire
    for number in (line.session.buyer, line.session.seller, NUMBER):
        assert list(phone_spellings(number, wire)) == []
    assert not any(word in wire for word in (b"INVITE", b"SIP/2.0", b"a=crypto", b"sip:"))
    said = {frame.payload for frame in second.media.frames}
    assert said
    assert not any(payload in raw for payload in said for raw in second.media.raw[:200])


async def test_a_carrier_is_kept_alive_over_the_connection_of_its_calls(line: Line) -> None:
    there = line.house.there
    await there.take(is_a("OPTIONS"))
    made = there.came_in
    first, _ = await line.talk()
    assert (await first.request("BYE")).status == 200
    await there.take(is_a("BYE"))
    await there.take(is_a("OPTIONS"))
    assert there.came_in == made


async def test_a_call_outlives_its_connections(line: Line) -> None:
    first, second = await line.talk()
    for tap in (line.house.here, line.house.there):
        tap.cut()
    for party in (first, second):
        party.media.frames.clear()
    await heard(first, second)
    assert (await first.request("BYE")).status == 200
    await line.house.there.take(is_a("BYE"))


async def test_plain_audio_is_not_taken_from_a_trunk_that_is_to_seal_it(line: Line) -> None:
    first, sent = await line.dial(sealed=False)
    assert (await first.final("INVITE", *sent)).status == 488
    assert await line.house.maskline.live() == []


async def test_a_carrier_that_does_not_seal_is_followed_by_the_next(line: Line) -> None:
    first, sent = await line.dial()
    there = line.house.there
    there.send(there.answer(await there.invite(), "488 Not Acceptable Here", tag="no"))
    await line.taken_by_the_next(first, sent)
    assert await steps(line.house.maskline, line.session) == ["there", "backup"]


async def test_a_carrier_that_takes_a_sealed_call_in_clear_hears_nothing(line: Line) -> None:
    """RFC 3264, 6, forbids it. It has answered, so there is no other trunk to be tried."""
    first, sent = await line.dial()
    second = await line.answer(sealed=False)
    answered = await first.final("INVITE", *sent)
    learn(first, answered)
    first.sound(answered)
    since = first.media.sent_frames
    await until(lambda: first.media.sent_frames > since + 100, "two seconds of sound")
    assert not [raw for raw in second.media.raw if len(raw) == 172], "a frame of A-law in RTP"
    assert not second.media.heard_enough(CALLERS, 20)
    assert not first.media.heard_enough(CALLEES, 20)
    assert (await first.request("BYE")).status == 200
    await line.house.there.take(is_a("BYE"))


@pytest.mark.parametrize("whose", ["nobodys", "another-hosts", "expired"])
async def test_a_carrier_with_a_wrong_certificate_is_not_spoken_to(
    line: Line, whose: str, phone: Iterator[str], tmp_path: Path
) -> None:
    house, host = line.house, tap_host()
    maskline, authority = house.maskline, house.authority
    match whose:
        case "nobodys":
            pair = certificate(tmp_path, host)
        case "another-hosts":
            pair = authority.vouch(tap_host())
        case _:
            pair = authority.vouch(host, days=-1)
    number = f"+7495111801{ord(whose[0]) % 10}"
    async with await TlsTap.speaking(house.door, host, shows=shown(*pair)) as liar:
        await maskline.add_trunk(whose, host, liar.port, transport="tls", inbound=False)
        await maskline.ask("PUT", f"/v1/pools/{whose}", {})
        await maskline.add_numbers(whose, number, pool=whose)
        session = await maskline.open_session(next(phone), next(phone), pool=whose)
        house.backup.on_invite(Answer(tone_hz=CALLEES), number=session.seller)
        tried = Line(house, line.stack, session)
        await tried.taken_by_the_next(*await tried.dial())
        assert await steps(maskline, session) == [whose, "backup"]
        assert liar.raw == []
        await maskline.ask("PATCH", f"/v1/trunks/{whose}", {"enabled": False})
