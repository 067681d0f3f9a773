"""Whatever a caller or a callee's carrier sends, it stays text: nothing is forged by it.

Each test fires one volley of hostile values into one place of SIP, then looks at everything that
was written and heard (events, records, logs), and then carries an honest call.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from maskline.demo import sip
from maskline.demo.g711 import Codec
from maskline.demo.sip import Message
from tests.support.maskline import Maskline, Session, eventually
from tests.support.observer import Observer, header_of
from tests.support.wiretap import Party, Tap, TapMedia, callee, caller, tap_host, token, until

NUMBER = "+74951110001"
QUIET_S = 0.3  # after so long without an answer there will be none
STRANGER = "+79990000001"
CALLERS, CALLEES, STRANGERS = 450, 700, 1000  # Hz
MARK = "FORGED"
ROW = (
    '{"eventtime":"1.1","eventenum":"USER_DEFINED","userdeftype":"END;by=FORGED;cause=16",'
    '"uniqueid":"1","linkedid":"1","channame":"x"}'
)
EVENT = "Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: CallOffered\r\nTrunk: FORGED\r\n"


def _encoded(text: str) -> str:
    return "".join(f"%{ord(one):02X}" for one in text)


def values(trap: Path) -> dict[str, str]:
    """Hostile texts by name; `trap` must never come to exist. One character is one byte."""
    shell = f"${{SHELL(touch {trap})}}"
    write = f"${{FILE({trap},,,,)}}${{ENV(MASKLINE_{MARK})}}"
    return {
        "line-break": f"{MARK}\r\n{EVENT}\r\n",
        "line-break-encoded": f"{MARK}{_encoded(chr(13) + chr(10) + EVENT + chr(13) + chr(10))}",
        "line-break-twice-encoded": f"{MARK}%250D%250A{EVENT.splitlines()[0]}",
        "folded": f"{MARK}\r\n Event: UserEvent\r\n\tUserEvent: CallOffered",
        "line-feed": f"{MARK}\n{ROW}\n",
        "line-feed-encoded": f"{MARK}{_encoded(chr(10) + ROW + chr(10))}",
        "nul": f"{MARK}\x00tail",
        "nul-encoded": f"{MARK}%00tail",
        "commas": f"{MARK},,{NUMBER},,yes",
        "argument": f"{MARK},Complete: yes,Trusted: yes,From: x",
        "ampersand": f"{MARK}&PJSIP/there&Local/s@plan",
        "slash": f"{MARK}/../../etc/passwd",
        "shell": f"{MARK}{shell}",
        "shell-encoded": f"{MARK}{_encoded(shell)}",
        "function": f"{MARK}{write}",
        "eval": f"{MARK}${{EVAL({shell})}}",
        "variable": f"{MARK}${{ROUTE_TIMEOUT_S}}${{UNIQUEID}}${{SYSTEMNAME}}${{M_PLAN}}",
        "expression": f"{MARK}$[1+1]$[${{ROUTE_TIMEOUT_S}}*2]",
        "half-variable": f"{MARK}${{",
        "quote": f'{MARK}"',
        "quotes": f"{MARK}\"'\"'`",
        "backslash": f"{MARK}\\",
        "backslashes": f"{MARK}\\\\\\r\\n\\x0d\\u000a",
        "semicolons": f"{MARK};END;by=callee;cause=16",
        "json": f'{MARK}","eventenum":"LINKEDID_END","x":"',
        "json-end": f'{MARK}"}}]}}\n{ROW}',
        "csv": f'{MARK}","",""\r\n"=cmd|\' /C calc\'!A0"',
        "markup": f"<b>{MARK}</b><script>1</script>",
        "parenthesis-open": f"{MARK}((((",
        "parenthesis-close": f"{MARK}):7)):3",
        "pattern": f"_[+0-9]XXXXXX{MARK}",
        "format": f"{MARK}%s%n%999999d%zz%",
        "not-utf-8": f"{MARK}\xff\xfe\xc3\x28\x80",
        "line-separators": f"{MARK}\xe2\x80\xa8{EVENT.splitlines()[0]}\xc2\x85x",
        "blanks": f"{MARK}" + "\xc2\xa0" * 500 + "x",
        "escape": f"{MARK}\x1b[2J\x1b]0;x\x07",
        "empty": "",
        "long": MARK + "A" * 3000,
        "very-long": MARK + "9" * 20_000,
    }


@dataclass(frozen=True)
class Invite:
    """An INVITE, every place of which can be chosen."""

    host: str
    port: int
    toward: str
    user: str = NUMBER
    user_more: str = ""
    uri_more: str = ""
    sender: str = f"<sip:{STRANGER}@carrier.example>"
    to: str = f"<sip:{NUMBER}@carrier.example>"
    contact_user: str = "phone"
    headers: tuple[str, ...] = ()
    sdp_more: tuple[str, ...] = ()
    origin: str = "-"
    call_id: str = field(default_factory=lambda: token("callid"))
    via_more: str = ""
    cseq: str = "1"
    branch: str = field(default_factory=lambda: "z9hG4bK" + token("branch"))
    tag: str = field(default_factory=lambda: token("tag"))

    def request(self, method: str) -> bytes:
        """The INVITE, or its CANCEL."""
        body = sip.sdp(self.host, 45_000, (Codec.ALAW,), self.sdp_more)
        body = body.replace("o=carrier 1", f"o={self.origin} 1")
        lines = [
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={self.branch}{self.via_more}",
            f"From: {self.sender};tag={self.tag}",
            f"To: {self.to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:{self.contact_user}@{self.host}:{self.port}>",
            "Max-Forwards: 70",
            *self.headers,
        ]
        if method == "INVITE":
            lines.append("Content-Type: application/sdp")
        uri = f"sip:{self.user}{self.user_more}@{self.toward}{self.uri_more}"
        return sip.join(f"{method} {uri} SIP/2.0", lines, body if method == "INVITE" else "")


Place = Callable[[Invite, str], Invite]
HONEST = f"<sip:{STRANGER}@carrier.example>"
# Each puts a value where a caller, or somebody between, could.
PLACES: dict[str, Place] = {
    "request-user": lambda i, v: replace(i, user=v),
    "request-user-tail": lambda i, v: replace(i, user_more=v),
    "request-user-parameter": lambda i, v: replace(i, user_more=f";npdi={v}"),
    "request-uri-parameter": lambda i, v: replace(i, uri_more=f";user={v}"),
    "from-user": lambda i, v: replace(i, sender=f"<sip:{v}@carrier.example>"),
    "from-user-tail": lambda i, v: replace(i, sender=f"<sip:{STRANGER}{v}@carrier.example>"),
    "from-name": lambda i, v: replace(i, sender=f'"{v}" {HONEST}'),
    "from-bare-name": lambda i, v: replace(i, sender=f"{v} {HONEST}"),
    "from-host": lambda i, v: replace(i, sender=f"<sip:{STRANGER}@{v}>"),
    "from-parameter": lambda i, v: replace(i, sender=f"{HONEST};x={v}"),
    "from-tag": lambda i, v: replace(i, tag=v),
    "from-tel": lambda i, v: replace(i, sender=f"<tel:{v}>"),
    "to-user": lambda i, v: replace(i, to=f'"{v}" <sip:{v}@carrier.example>'),
    "asserted-user": lambda i, v: replace(i, headers=(f"P-Asserted-Identity: <sip:{v}@x>",)),
    "asserted-name": lambda i, v: replace(i, headers=(f'P-Asserted-Identity: "{v}" {HONEST}',)),
    "asserted-tel": lambda i, v: replace(i, headers=(f"P-Asserted-Identity: <tel:{v}>",)),
    "asserted-whole": lambda i, v: replace(i, headers=(f"P-Asserted-Identity: {v}",)),
    "asserted-twice": lambda i, v: replace(
        i, headers=(f"P-Asserted-Identity: {HONEST}", f"P-Asserted-Identity: {v}, <tel:{v}>")
    ),
    "privacy": lambda i, v: replace(i, headers=(f"Privacy: {v}",)),
    "diversion": lambda i, v: replace(
        i, headers=(f'Diversion: "{v}" <sip:{v}@x>;reason={v}', f"Remote-Party-ID: <sip:{v}@x>")
    ),
    "contact": lambda i, v: replace(i, contact_user=v),
    "call-id": lambda i, v: replace(i, call_id=f"{token('id')}{v}"),
    "via": lambda i, v: replace(i, via_more=f";x={v}"),
    "other-headers": lambda i, v: replace(
        i,
        headers=(
            f"User-Agent: {v}",
            f"Subject: {v}",
            f"X-Header: {v}",
            f"Reason: Q.850;cause={v};text={v}",
            f"Supported: {v}",
            f"Call-Info: <{v}>",
        ),
    ),
    "header-name": lambda i, v: replace(i, headers=(f"X-{v}: 1",)),
    "sdp": lambda i, v: replace(i, origin=v or "-", sdp_more=(f"a=x:{v}", f"a=rtpmap:98 {v}/8000")),
}


@dataclass
class World:
    """A Maskline, its carriers, and what is known of it so far."""

    maskline: Maskline
    here: Tap  # believed where it asserts an identity
    there: Tap
    ami: Observer
    session: Session
    trap: Path
    pid: int
    stack: AsyncExitStack

    @property
    def data(self) -> Path:
        return self.maskline.data

    @property
    def node(self) -> str:
        return (self.data / "node" / "name").read_text().strip()

    @property
    def whole(self) -> list[dict[str, str]]:
        """The offers that were not cut off, as very long headers are."""
        return [one for one in self.ami.offers if one.get("Complete") == " yes"]

    def rows(self) -> list[dict[str, str]]:
        """The event file; every line of it must be a row."""
        lines = (self.data / "node" / "spool" / "events.jsonl").read_bytes().decode().split("\n")
        assert lines.pop() == ""
        return [json.loads(line) for line in lines]

    def kinds(self, kind: str) -> list[dict[str, str]]:
        return [
            row
            for row in self.rows()
            if kind in {part.split(";")[0] for part in row["userdeftype"].split("|")}
        ]

    def offered(self) -> int:
        """How many calls the node wrote down; a call's end says its offer again."""
        return len({row["linkedid"] for row in self.kinds("OFFER")})

    async def gauge(self, name: str) -> float:
        """A metric."""
        async with self.maskline.api() as api:
            assert api._session is not None
            async with api._session.get("/metrics") as answer:
                text = await answer.text()
        found = re.search(rf"^maskline_{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, text
        return float(found[1])

    async def settled(self) -> None:
        """Every call that began is over and recorded."""

        async def open_calls() -> int:
            ended = sum(row["eventenum"] == "LINKEDID_END" for row in self.rows())
            return self.offered() - ended

        await eventually(open_calls, lambda left: left == 0, 20)

        async def unrecorded() -> int:
            return self.offered() - await self.records()

        await eventually(unrecorded, lambda left: left == 0, 10)

    async def records(self) -> int:
        """How many call records there are."""
        async with self.maskline.api() as api:
            return len([one async for one in api.every("/v1/calls")])

    async def talk(self) -> None:
        """An honest call, with sound both ways; recorded once, as answered."""
        before = await self.newest()
        first, second, _ = await self.call()
        await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))
        assert (await first.request("BYE")).status == 200
        await asyncio.gather(first.media.close(), second.media.close())

        found = await eventually(self.newest, lambda found: found != before)
        assert found[0]["outcome"] == "answered"

    async def newest(self) -> list[Any]:
        """The session's last call record, if there is one."""
        return await self.maskline.calls(session_id=self.session.id, limit="1")

    async def ring(self) -> tuple[Party, Party, Message, tuple[int, str]]:
        """An honest call that rings."""
        first = await caller(
            self.here, NUMBER, sender=f"<sip:{self.session.buyer}@carrier.example>", tone_hz=CALLERS
        )
        self.stack.push_async_callback(first.media.close)
        body = sip.sdp(self.here.host, first.media.port, (Codec.ALAW,))
        sent = first.send("INVITE", ("Content-Type: application/sdp",), body)
        invite = await self.there.invite()
        assert invite.user() == self.session.seller
        second = await callee(self.there, invite, tone_hz=CALLEES)
        self.stack.push_async_callback(second.media.close)
        return first, second, invite, sent

    async def call(self) -> tuple[Party, Party, Message]:
        """An honest call that is up."""
        first, second, invite, (cseq, branch) = await self.ring()
        body = sip.sdp(self.there.host, second.media.port, (Codec.ALAW,))
        contact = f"Contact: {second.contact}"
        self.there.send(self.there.answer(invite, "200 OK", (contact,), body, tag=second.tag))
        answer = await first.final("INVITE", cseq, branch)
        assert answer.status == 200
        first.sound(answer)
        second.sound(invite)
        return first, second, answer

    async def assert_nothing_forged(self) -> None:
        """Event file, AMI, logs and disk are as if only honest people had called."""
        assert await self.gauge("controller_offers_total") == len(self.whole)
        assert await self.records() == self.offered()
        for row in self.rows():
            assert set(row) == FIELDS
            assert row["eventenum"] in ("USER_DEFINED", "ANSWER", "LINKEDID_END", "NODE_START")
            assert re.fullmatch(r"[A-Za-z0-9_.:+@=/;|-]*", row["userdeftype"]), row
            assert MARK not in json.dumps(row)
            if row["eventenum"] != "NODE_START":
                assert row["linkedid"].startswith(f"{self.node}-")
        assert self.ami.faults(self.node) == []
        assert not [frame for frame in self.ami.frames if f"\n{MARK}" in str(frame)]
        assert len(self.ami.offers) == self.offered()
        printed = self.data / "node" / "log" / "asterisk.out"  # what Asterisk says as it starts
        assert MARK not in printed.read_text("latin-1")
        for text in (self.maskline.log, (printed.with_name("asterisk.log")).read_text("latin-1")):
            assert MARK not in text
            for line in text.split("\n"):
                assert LOG_LINE.match(line), line
        assert not self.trap.exists()
        assert self.maskline.asterisk_pid == self.pid
        assert psutil.pid_exists(self.pid)


FIELDS = {"eventtime", "eventenum", "userdeftype", "uniqueid", "linkedid", "channame"}
LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ [a-z.]+ "  # ours
    r"|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] |#[ \d]\d: /|$"  # Asterisk's
)


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
    """From another address, or another port of a known one: alike for every number and method."""
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
