"""Carriers over TCP: both ways, kept alive, cut off, silent; and strangers who only connect."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

import pytest
import pytest_asyncio

from maskline.demo import Answer, Carrier
from maskline.demo.sip import Message
from maskline.demo.spec import PATIENCE_S
from tests.support.maskline import Maskline, Session
from tests.support.planted import Person
from tests.support.tcp_tap import TcpTap
from tests.support.wiretap import Party, callee, caller, tap_host

CALLERS, CALLEES = 450, 700  # Hz
NUMBER = "+74951119001"
SDP = "Content-Type: application/sdp"
TIMER_B_S = 6.4


@dataclass
class Line:
    """A caller's and a callee's carrier, both over TCP, and a session across them."""

    maskline: Maskline
    here: TcpTap
    there: TcpTap
    stack: AsyncExitStack
    session: Session
    people: tuple[Person, Person] = field(init=False)

    def __post_init__(self) -> None:
        self.people = (
            Person(self.session.buyer, "Zinaida Kuznetsova", self.here.host, (self.here.port,)),
            Person(self.session.seller, "Valentin Shapiro", self.there.host, (self.there.port,)),
        )

    async def dial(self, contact: str = ";transport=tcp") -> tuple[Party, tuple[int, str]]:
        """The buyer's INVITE is on its way."""
        one = self.people[0]
        own = f"<sip:phone@{self.here.host}:{self.here.port}{contact}>"
        party = await caller(
            self.here, self.session.buyer_dials, sender=one.sender, tone_hz=CALLERS, contact=own
        )
        self.stack.push_async_callback(party.media.close)
        party.headers = one.headers("calling")
        return party, party.send("INVITE", (SDP,), one.sdp(party.media.port))

    async def answer(self, contact: str = ";transport=tcp") -> Party:
        """The seller's carrier has the call, and takes it."""
        invite = await self.there.invite()
        own = f"<sip:phone@{self.there.host}:{self.there.port}{contact}>"
        party = await callee(self.there, invite, tone_hz=CALLEES, contact=own)
        self.stack.push_async_callback(party.media.close)
        party.headers = self.people[1].headers("called")
        told = (f"Contact: {own}", *party.headers)
        for status, body in (
            ("180 Ringing", ""),
            ("200 OK", self.people[1].sdp(party.media.port)),
        ):
            self.there.send(self.there.answer(invite, status, told, body, tag=party.tag))
        party.sound(invite)
        return party

    async def talk(self, contact: str = ";transport=tcp") -> tuple[Party, Party]:
        """A call that is up and heard both ways."""
        first, (cseq, branch) = await self.dial(contact)
        second = await self.answer(contact)
        answered = await first.final("INVITE", cseq, branch)
        assert answered.status == 200
        first.sound(answered)
        await self.heard(first, second)
        return first, second

    async def heard(self, first: Party, second: Party) -> None:
        """Sound passes both ways."""
        await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def silent(shared: Maskline) -> AsyncIterator[asyncio.StreamReader]:
    """A stranger's connection, over which nothing is said; first of all that happens here."""
    reader, writer = await asyncio.open_connection(*shared.sip_address, local_addr=(tap_host(), 0))
    yield reader
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def carriers(shared: Maskline) -> AsyncIterator[tuple[TcpTap, TcpTap]]:
    """Two carriers over TCP."""
    async with (
        await TcpTap.open(shared.sip_address) as here,
        await TcpTap.open(shared.sip_address) as there,
    ):
        await shared.add_trunk("tcp-here", here.host, here.port, outbound=False, transport="tcp")
        await shared.add_trunk(
            "tcp-there", there.host, there.port, transport="tcp", options_interval_s=1
        )
        await shared.ask("PUT", "/v1/pools/tcp", {})
        await shared.add_numbers("tcp-there", NUMBER, pool="tcp")
        yield here, there
        await shared.ask("DELETE", "/v1/trunks/tcp-here")
        await shared.ask("PATCH", "/v1/trunks/tcp-there", {"enabled": False})


@pytest_asyncio.fixture(loop_scope="session")
async def line(
    shared: Maskline, carriers: tuple[TcpTap, TcpTap], phone: Iterator[str]
) -> AsyncIterator[Line]:
    """A session between two people of the two carriers."""
    here, there = carriers
    here.forget()
    there.forget()
    session = await shared.open_session(next(phone), next(phone), pool="tcp")
    async with AsyncExitStack() as stack:
        yield Line(shared, here, there, stack, session)


def _is_bye(message: Message) -> bool:
    return message.is_request and message.method == "BYE"


def _is_options(message: Message) -> bool:
    return message.is_request and message.method == "OPTIONS"


@pytest.mark.parametrize("parameter", [";transport=tcp", ""], ids=["said", "unsaid"])
async def test_a_call_from_carrier_to_carrier(line: Line, parameter: str) -> None:
    """Also where a carrier does not say in his Contact that he speaks TCP."""
    first, second = await line.talk(parameter)
    assert (await second.request("BYE")).status == 200
    await line.here.take(_is_bye)

    [record] = await line.maskline.recorded(line.session)
    assert (record["outcome"], record["ended_by"]) == ("answered", "callee")
    buyer, seller = line.people
    assert buyer.leaks(second.captured) == []
    assert seller.leaks(first.captured) == []
    asked = [Message(raw) for raw in line.there.raw]
    assert {one.header("via").split()[0] for one in asked if one.is_request} == {"SIP/2.0/TCP"}


async def test_a_carrier_is_kept_alive_over_the_connection_of_its_calls(line: Line) -> None:
    await line.there.take(_is_options)
    made = line.there.came_in
    first, _ = await line.talk()
    assert (await first.request("BYE")).status == 200
    await line.there.take(_is_bye)
    await line.there.take(_is_options)
    assert line.there.came_in == made


@pytest.mark.parametrize("by", ["caller", "callee"])
async def test_a_call_outlives_its_connections(line: Line, by: str) -> None:
    first, second = await line.talk()
    made = line.there.came_in
    for tap in (line.here, line.there):
        tap.cut()
    for party in (first, second):
        party.media.frames.clear()
    await line.heard(first, second)

    one, other = (first, line.there) if by == "caller" else (second, line.here)
    assert (await one.request("BYE")).status == 200
    await other.take(_is_bye)  # over a connection that was made for it, or for the keep-alive
    [record] = await line.maskline.recorded(line.session)
    assert (record["outcome"], record["ended_by"]) == ("answered", by)

    again, _ = await line.talk()
    assert line.there.came_in > made
    assert (await again.request("BYE")).status == 200
    await line.there.take(_is_bye)


async def test_a_connection_that_is_cut_before_it_rings_leads_to_the_next_trunk(
    line: Line, carrier: Carrier
) -> None:
    carrier.on_invite(Answer(tone_hz=CALLEES), number=line.session.seller)
    first, (cseq, branch) = await line.dial()
    await line.there.invite()
    line.there.cut()

    leg = await carrier.incoming()
    answered = await first.final("INVITE", cseq, branch)
    assert answered.status == 200
    first.sound(answered)
    await asyncio.gather(first.hears(CALLEES), leg.hear(CALLERS, 200))
    assert (await first.request("BYE")).status == 200
    await leg.wait_ended()
    assert await _trunks(line.maskline, line.session) == ["tcp-there", "carrier-a"]


async def test_carriers_that_take_no_connection_are_followed_by_the_next(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    """One refuses it; one never answers a SYN: timer B then (6.4 s), not TCP's own patience."""
    host = tap_host()
    with contextlib.ExitStack() as stack:
        refuses, mute = (stack.enter_context(socket.socket()) for _ in range(2))
        for door in (refuses, mute):
            door.bind((host, 0))
        # Its queue is full, so that the kernel leaves the next SYN alone.
        mute.listen(0)
        stack.enter_context(socket.create_connection(mute.getsockname()))
        for name, door in (("tcp-refuses", refuses), ("tcp-mute", mute)):
            port = door.getsockname()[1]
            await shared.add_trunk(name, host, port, transport="tcp", inbound=False, priority=1)
        await shared.ask("PUT", "/v1/pools/tcp-in-vain", {})
        await shared.add_numbers("tcp-refuses", "+74951119002", pool="tcp-in-vain")
        session = await shared.open_session(next(phone), next(phone), pool="tcp-in-vain")
        carrier.on_invite(Answer(tone_hz=CALLEES), number=session.seller)

        clock = asyncio.get_running_loop().time
        since = clock()
        call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=CALLERS)
        leg = await carrier.incoming()
        assert clock() - since < 20, "Linux gives up on a SYN after two minutes"
        await asyncio.gather(call.wait_up(), leg.wait_up())
        await call.hang_up()
        await leg.wait_ended()
        assert await _trunks(shared, session) == ["tcp-refuses", "tcp-mute", "carrier-a"]
        await shared.ask("DELETE", "/v1/trunks/tcp-mute")
        await shared.ask("PATCH", "/v1/trunks/tcp-refuses", {"enabled": False})


async def test_a_carrier_that_leaves_options_unanswered_is_passed_over_at_once(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    """It takes connections and says nothing: no call waits for that once it is known."""
    async with asyncio.timeout(PATIENCE_S), contextlib.AsyncExitStack() as stack:
        asked: asyncio.Queue[bytes] = asyncio.Queue(64)

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            stack.callback(writer.close)
            while line := await reader.readline():
                await asked.put(line)

        door = await stack.enter_async_context(await asyncio.start_server(keep, tap_host(), 0))
        await shared.add_trunk(
            "tcp-silent",
            *door.sockets[0].getsockname(),
            transport="tcp",
            inbound=False,
            priority=1,
            options_interval_s=1,
        )
        stack.push_async_callback(shared.ask, "PATCH", "/v1/trunks/tcp-silent", {"enabled": False})
        await shared.ask("PUT", "/v1/pools/tcp-silent", {})
        await shared.add_numbers("tcp-silent", "+74951119003", pool="tcp-silent")
        session = await shared.open_session(next(phone), next(phone), pool="tcp-silent")
        carrier.on_invite(Answer(tone_hz=CALLEES), number=session.seller)
        times_asked = 0
        while times_asked < 4:  # a second between them, and two for each to be answered
            times_asked += (await asked.get()).startswith(b"OPTIONS ")

        call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=CALLERS)
        leg = await carrier.incoming()
        await asyncio.gather(call.wait_up(), leg.wait_up())
        await call.hang_up()
        await leg.wait_ended()
        [record] = await shared.recorded(session)
        [attempt] = record["attempts"]
        passed, taken = attempt["steps"]
        assert (passed["trunk"], taken["trunk"]) == ("tcp-silent", "carrier-a")
        began, ended = (datetime.fromisoformat(passed[at]) for at in ("started_at", "ended_at"))
        assert (ended - began).total_seconds() < TIMER_B_S / 2


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER"])
async def test_a_stranger_over_tcp_is_challenged_and_gets_nothing(
    shared: Maskline, method: str
) -> None:
    async with await TcpTap.open(shared.sip_address) as stranger:
        party = await caller(stranger, NUMBER, sender="<sip:+79161234567@nobody>", tone_hz=CALLERS)
        try:
            answer = await party.request(
                method, (SDP,), Person("+7", "", stranger.host, (1,)).sdp(9)
            )
        finally:
            await party.media.close()
        assert answer.status == 401
        assert "asterisk" not in answer.text.lower()
        assert await shared.live() == []


async def test_a_connection_that_says_nothing_is_closed(
    silent: asyncio.StreamReader,
) -> None:
    """Opened before all the other tests here."""
    async with asyncio.timeout(PATIENCE_S):
        assert (await silent.read()).strip() == b"", "line ends alone, which keep it alive"


async def _trunks(maskline: Maskline, session: Session) -> list[str]:
    """Which were tried for the session's only call."""
    [record] = await maskline.recorded(session)
    [attempt] = record["attempts"]
    return [step["trunk"] for step in attempt["steps"]]
