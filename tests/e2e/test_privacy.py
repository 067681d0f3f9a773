"""Neither leg ever carries the other side's number, name, address or device.

Both carriers are bare sockets that put who they are into every message of a call, early and late,
and keep every byte that reaches them: SIP, RTP and RTCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from maskline.demo.sip import Message
from tests.support.maskline import Maskline, Session
from tests.support.planted import Person, phone_spellings
from tests.support.wiretap import (
    Party,
    Tap,
    callee,
    caller,
    extended_packet,
    source_description,
    until,
)

CALLERS, CALLEES = 450, 700  # Hz
ANNA, PETR = "Zinaida Kuznetsova", "Valentin Shapiro"
SOURCE = 0x5EC2E7  # an RTP source of our own making
SDP = "Content-Type: application/sdp"
NUMBER = "+74951110001"


@dataclass
class Line:
    """The caller's carrier and the callee's, and the participant behind each."""

    here: Tap
    there: Tap
    one: Person
    two: Person
    session: Session
    stack: AsyncExitStack

    async def dial(self) -> tuple[Party, tuple[int, str]]:
        """The caller's INVITE is on its way, full of the caller."""
        party = await caller(
            self.here, NUMBER, sender=self.one.sender, tone_hz=CALLERS, contact=self.one.contact
        )
        self.stack.push_async_callback(party.media.close)
        party.headers = self.here.extra = self.one.headers("calling")
        self.here.sdp = self.one.sdp(party.media.port, 3)
        ports = (*self.one.ports, party.media.port)
        self.one = replace(self.one, ports=ports, extra=(party.call_id, party.tag))
        own = f"<sip:{self.one.phone}@{self.here.host}:{self.here.port};lr>"
        way = f"Via: SIP/2.0/UDP {self.one.domain};branch=z9hG4bK{self.one.session}"
        headers = (SDP, f"Record-Route: {own}", way)
        return party, party.send("INVITE", headers, self.one.sdp(party.media.port))

    async def ring(self) -> tuple[Party, Message]:
        """The callee's carrier has the call."""
        invite = await self.there.invite()
        party = await callee(self.there, invite, tone_hz=CALLEES, contact=self.two.contact)
        self.stack.push_async_callback(party.media.close)
        party.headers = self.there.extra = self.two.headers("called")
        self.there.sdp = self.two.sdp(party.media.port, 3)
        ports = (*self.two.ports, party.media.port)
        self.two = replace(self.two, ports=ports, extra=(party.tag,))
        return party, invite

    def reply(self, party: Party, invite: Message, status: str, *more: str, body: str = "") -> None:
        """The callee's carrier answers, full of the callee."""
        headers = (f"Contact: {party.contact}", *party.headers, *more)
        self.there.send(self.there.answer(invite, status, headers, body, tag=party.tag))

    def assert_nothing_passed(self, first: Party, second: Party | None = None) -> None:
        """Neither carrier's sockets were reached by anything of the other side."""
        at_callee = second.captured if second is not None else b"\n".join(self.there.raw)
        assert self.one.leaks(at_callee) == []
        assert self.two.leaks(first.captured) == []
        # The taps hear and the search finds: each side's own number comes back to it.
        assert list(phone_spellings(self.one.phone, first.captured))
        assert list(phone_spellings(self.two.phone, at_callee))
        assert list(phone_spellings(NUMBER, at_callee)), "the callee sees the proxy number"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wired(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Maskline, Tap, Tap]]:
    """A Maskline between two carriers of ours; all calls go out by the second."""
    maskline = Maskline(tmp_path_factory.mktemp("privacy") / "data")
    await maskline.start()
    try:
        async with (
            await Tap.open(maskline.sip_address) as here,
            await Tap.open(maskline.sip_address) as there,
        ):
            await maskline.add_trunk("here", here.host, here.port, outbound=False)
            await maskline.add_trunk("there", there.host, there.port)
            await maskline.add_numbers("there", NUMBER)
            yield maskline, here, there
        assert await maskline.stop() == 0, maskline.log
    finally:
        await maskline.kill()


@pytest_asyncio.fixture(params=["buyer-calls", "seller-calls"], loop_scope="session")
async def line(
    request: pytest.FixtureRequest, wired: tuple[Maskline, Tap, Tap], phone: Iterator[str]
) -> AsyncIterator[Line]:
    """A session between two people, one of whom is about to call the other."""
    maskline, here, there = wired
    here.forget()
    there.forget()
    session = await maskline.open_session(next(phone), next(phone))
    ends = [session.buyer, session.seller]
    if request.param == "seller-calls":
        ends.reverse()
    one = Person(ends[0], ANNA, here.host, (here.port,))
    two = Person(ends[1], PETR, there.host, (there.port,))
    async with AsyncExitStack() as stack:
        yield Line(here, there, one, two, session, stack)


def _all(person: Person) -> str:
    return f"{person.name} {person.phone} {person.uri} {person.device}"


async def _in_dialog(party: Party, person: Person) -> None:
    """Say everything that can be said inside a dialog, full of `person`."""
    text = "Content-Type: text/plain"
    away = f"Refer-To: <sip:{person.phone}@{person.host}:{person.ports[0]}>"
    refused = [
        (method, party.send(method, headers, _all(person))[0])
        for method, headers in (
            ("INFO", ("Info-Package: who", text)),
            ("MESSAGE", (text,)),
            ("NOTIFY", ("Event: talk", "Subscription-State: active", text)),
            ("SUBSCRIBE", ("Event: dialog", "Expires: 60", text)),
            ("REFER", (away, text)),
            ("PUBLISH", ("Event: presence", text)),
            ("X-WHO", (text,)),
        )
    ]
    for method, headers, body in (
        ("UPDATE", (), ""),
        ("INFO", ("Content-Type: application/dtmf-relay",), f"Signal=5\r\n{_all(person)}"),
        ("INFO", ("Content-Type: application/dtmf",), f"7 {_all(person)}"),
        ("INFO", (), ""),
        ("OPTIONS", ("Accept: application/sdp",), ""),
    ):
        assert (await party.request(method, headers, body)).status == 200
    for method, cseq in refused:
        assert not 200 <= party.tap.status(party.call_id, cseq, method) < 300, method


async def test_a_call_that_is_answered(line: Line) -> None:
    first, (cseq, branch) = await line.dial()
    second, invite = await line.ring()

    # Early: ringing, progress with sound, and all the requests of an early dialog, both ways.
    line.reply(second, invite, "180 Ringing")
    await first.provisional(cseq)
    line.reply(second, invite, "183 Session Progress", body=line.two.sdp(second.media.port))
    first.sound(await first.provisional(cseq))
    second.sound(invite)
    await first.hears(CALLEES)
    await asyncio.gather(_in_dialog(first, line.one), _in_dialog(second, line.two))
    line.reply(second, invite, "181 Call Is Being Forwarded")
    line.reply(second, invite, "182 Queued")

    # Answered.
    line.reply(second, invite, "200 OK", body=line.two.sdp(second.media.port, 2))
    assert (await first.final("INVITE", cseq, branch)).status == 200
    await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))

    # Late: the same again, and re-INVITE and UPDATE that change who one is and where one hears.
    await asyncio.gather(_in_dialog(first, line.one), _in_dialog(second, line.two))
    for party, person in ((first, line.one), (second, line.two)):
        for method in ("INVITE", "UPDATE"):
            held = person.sdp(party.media.port, 9).replace("a=sendrecv", "a=sendonly")
            assert (await party.request(method, (SDP,), held)).status == 200
            back = person.sdp(party.media.port, 10)
            assert (await party.request(method, (SDP,), back)).status == 200
        party.media.send_rtp(extended_packet(SOURCE, 9999, _all(person)[:200]))
        names = [(kind, f"{person.phone} {person.name}") for kind in range(1, 8)]
        party.media.send_rtcp(source_description(SOURCE, names))
    # Asterisk's own reports come every five seconds: they name their source.
    await until(lambda: all((first.media.rtcp.raw, second.media.rtcp.raw)), "RTCP both ways")
    await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))
    by = first if line.one.phone == line.session.buyer else second
    assert (await by.request("BYE")).status == 200

    line.assert_nothing_passed(first, second)
    sources = [{frame.ssrc for frame in party.media.frames} for party in (first, second)]
    assert sources[0].isdisjoint(sources[1])
    assert not {SOURCE, SOURCE ^ 1} & (sources[0] | sources[1])


@pytest.mark.parametrize(
    "status",
    ["302 Moved Temporarily", "404 Not Found", "486 Busy Here", "603 Decline", "500 Error"],
)
async def test_a_call_that_is_refused(line: Line, status: str) -> None:
    first, (cseq, branch) = await line.dial()
    target = first.target
    second, invite = await line.ring()
    line.reply(second, invite, "180 Ringing")
    # Heard by the caller before it is refused: a 302 would overtake it within Asterisk.
    assert (await first.provisional(cseq)).status == 180
    elsewhere = f"Contact: {line.two.quoted} <sip:{line.two.phone}@{line.two.host}:5099>"
    line.reply(second, invite, f"{status} {line.two.name} {line.two.phone}", elsewhere)
    if status[:3] in ("486", "603"):
        assert (await first.final("INVITE", cseq, branch)).status >= 400
    else:  # an announcement says so; that is as long as it is
        assert (await first.provisional(cseq)).status == 183
        first.cancel(cseq, branch, target)
        assert (await first.final("INVITE", cseq, branch)).status == 487
    line.assert_nothing_passed(first, second)
    calls = [one for one in line.there.raw if one.startswith(b"INVITE")]
    assert len({Message(one).call_id for one in calls}) == 1, "nobody else is rung"


async def test_a_call_that_is_given_up(line: Line) -> None:
    first, (cseq, branch) = await line.dial()
    target = first.target
    second, invite = await line.ring()
    line.reply(second, invite, "180 Ringing")
    await first.provisional(cseq)
    first.cancel(cseq, branch, target, (f'Reason: SIP;cause=200;text="{_all(line.one)}"',))
    await line.there.take(lambda one: one.method == "CANCEL" and one.is_request)
    line.reply(second, invite, "487 Request Terminated")
    assert (await first.final("INVITE", cseq, branch)).status == 487

    line.assert_nothing_passed(first, second)
