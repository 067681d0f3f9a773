"""A carrier made of bare sockets: says exactly what a test wants, keeps every byte that reaches it.

No SIP stack and no SIPp between the test and the wire. It judges nothing: `planted.py` does.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from maskline.demo import sip
from maskline.demo.g711 import Codec
from maskline.demo.media import MediaEndpoint
from maskline.demo.sip import Message
from maskline.demo.spec import PATIENCE_S

Address = tuple[str, int]
_tokens = itertools.count(1)
_hosts = itertools.count(1)


def tap_host() -> str:
    """A loopback address that no other test and no other test run has."""
    return f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}.{20 + next(_hosts) % 200}"


def token(word: str) -> str:
    """A word that nothing else on the wire holds."""
    return f"{word}{os.getpid()}x{next(_tokens)}q"


class TapMedia(MediaEndpoint):
    """RTP with a tone, and RTCP on the next port; both ways kept raw."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.raw: list[bytes] = []
        self.rtcp = _Keeper()
        self._rtcp_out: asyncio.DatagramTransport | None = None

    @classmethod
    async def pair(cls, host: str) -> Self:
        """Two neighbouring ports of `host`."""
        loop = asyncio.get_running_loop()
        one = cls(host)
        while True:
            port = random.randrange(41_000, 60_000, 2)
            try:
                out, _ = await loop.create_datagram_endpoint(
                    lambda: one.rtcp, local_addr=(host, port + 1)
                )
            except OSError:
                continue
            one._rtcp_out = out
            try:
                await loop.create_datagram_endpoint(lambda: one, local_addr=(host, port))
            except OSError:
                out.close()
                continue
            return one

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep it, whatever it is."""
        self.raw.append(data)
        super().datagram_received(data, addr)

    def send_rtp(self, packet: bytes) -> None:
        """One packet of the test's own making, where the tone goes."""
        assert self._transport is not None
        assert self._target is not None
        self._transport.sendto(packet, self._target)

    def send_rtcp(self, packet: bytes) -> None:
        """The same on the other port."""
        assert self._rtcp_out is not None
        assert self._target is not None
        host, port = self._target
        self._rtcp_out.sendto(packet, (host, port + 1))

    async def close(self) -> None:
        """Free both ports."""
        if self._rtcp_out is not None:
            self._rtcp_out.close()
        await super().close()


class _Keeper(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.raw: list[bytes] = []

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.raw.append(data)

    def error_received(self, exc: Exception) -> None:
        """The far end is gone; nothing here depends on it."""


class Tap(_Keeper):
    """One carrier's SIP address. Requests inside a dialog are answered 200 by itself."""

    protocol = "UDP"  # as Via says it

    def __init__(self, host: str, toward: Address) -> None:
        super().__init__()
        self.host, self.toward = host, toward
        self.port = 0
        self.extra: tuple[str, ...] = ()  # header lines of every answer given by itself
        self.sdp = ""  # and the body where one is needed
        self._transport: asyncio.DatagramTransport | None = None
        self._messages: list[Message] = []
        self._taken: set[int] = set()
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, toward: Address, host: str | None = None, port: int = 0) -> Self:
        """Bind a port of `host`."""
        tap = cls(host or tap_host(), toward)
        made, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: tap, local_addr=(tap.host, port)
        )
        tap._transport = made
        tap.port = made.get_extra_info("sockname")[1]
        return tap

    def forget(self) -> None:
        """Begin anew: what came in until now belongs to another test."""
        self.raw.clear()
        self._messages.clear()
        self._taken.clear()
        self.extra, self.sdp = (), ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._transport is not None
        self._transport.close()

    def send(self, data: bytes, to: Address | None = None) -> None:
        """A datagram."""
        assert self._transport is not None
        self._transport.sendto(data, to or self.toward)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep it; answer what has to be answered for the call to go on."""
        self.raw.append(data)
        message = Message(data)
        self._messages.append(message)
        if message.is_request and message.method != "ACK":
            outside = ";tag=" not in message.header("to")
            if message.method == "INVITE" and outside:
                self.send(sip.answer_to(message, "100 Trying"), addr)
            else:
                body = self.sdp if message.method == "INVITE" else ""
                self.send(self.answer(message, "200 OK", self.extra, body, tag=None), addr)
        self._changed.set()

    def answer(
        self,
        request: Message,
        status: str,
        headers: Iterable[str] = (),
        body: str = "",
        *,
        tag: str | None,
    ) -> bytes:
        """A response to `request`; with `body` it is SDP."""
        raw = sip.answer_to(request, status, headers)
        if tag is not None:
            raw = raw.replace(b";tag=carrier", f";tag={tag}".encode(), 1)
        if body:
            head = raw.decode("latin-1").partition("\r\nContent-Length:")[0]
            lines = head.split("\r\n")
            raw = sip.join(lines[0], [*lines[1:], "Content-Type: application/sdp"], body)
        return raw

    async def take(
        self, wanted: Callable[[Message], bool], timeout_s: float = PATIENCE_S
    ) -> Message:
        """The next message that is `wanted` and was not taken yet."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for place, message in enumerate(self._messages):
                        if place not in self._taken and wanted(message):
                            self._taken.add(place)
                            return message
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            got = [one.start_line.partition(" sip:")[0] for one in self._messages[-20:]]
            raise AssertionError(f"not within {timeout_s} s; came in: {got}") from None

    def status(self, call_id: str, cseq: int, method: str) -> int:
        """The final status that a request of ours got; 0 when it got none."""
        wanted = f"{cseq} {method}"
        mine = (one for one in self._messages if one.call_id == call_id)
        return max((one.status for one in mine if one.header("cseq") == wanted), default=0)

    async def invite(self, timeout_s: float = PATIENCE_S) -> Message:
        """The next call that comes in."""
        return await self.take(
            lambda one: (
                one.is_request and one.method == "INVITE" and ";tag=" not in one.header("to")
            ),
            timeout_s,
        )


@dataclass
class Party:
    """One side of one call: its dialog, its words, its sound."""

    tap: Tap
    media: TapMedia
    headers: tuple[str, ...] = ()  # lines of every message it sends
    call_id: str = field(default_factory=lambda: token("callid"))
    tag: str = field(default_factory=lambda: token("tag"))
    contact: str = ""
    local: str = ""  # From (of a caller) with tag
    remote: str = ""  # To, with tag once there is one
    target: str = ""  # request URI in the dialog
    cseq: int = 0

    def _build(self, method: str, cseq: int, branch: str, more: Iterable[str], body: str) -> bytes:
        sent_by = f"{self.tap.protocol} {self.tap.host}:{self.tap.port}"
        lines = [
            f"Via: SIP/2.0/{sent_by};rport;branch={branch}",
            f"From: {self.local}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            "Max-Forwards: 70",
            *self.headers,
            *more,
        ]
        return sip.join(f"{method} {self.target} SIP/2.0", lines, body)

    def send(self, method: str, more: Iterable[str] = (), body: str = "") -> tuple[int, str]:
        """A request; its CSeq and branch."""
        self.cseq += 1
        branch = "z9hG4bK" + token("branch")
        self.tap.send(self._build(method, self.cseq, branch, more, body))
        return self.cseq, branch

    async def request(
        self, method: str, more: Iterable[str] = (), body: str = "", timeout_s: float = PATIENCE_S
    ) -> Message:
        """A request and its final response; an INVITE is acknowledged."""
        cseq, branch = self.send(method, more, body)
        return await self.final(method, cseq, branch, timeout_s)

    async def final(
        self, method: str, cseq: int, branch: str, timeout_s: float = PATIENCE_S
    ) -> Message:
        """The final response to request `cseq`; an INVITE is acknowledged."""
        found = await self.tap.take(lambda one: self._answers(one, method, cseq, 200), timeout_s)
        if method == "INVITE":
            good = found.status < 300
            self.remote = found.header("to")
            if good and found.header("contact"):
                self.target = sip.uri_of(found.header("contact"))
            self.tap.send(
                self._build("ACK", cseq, "z9hG4bK" + token("ack") if good else branch, (), "")
            )
        return found

    async def provisional(self, cseq: int, timeout_s: float = PATIENCE_S) -> Message:
        """A 180 or 183, which makes an early dialog."""
        found = await self.tap.take(
            lambda one: self._answers(one, "INVITE", cseq, 180, 199), timeout_s
        )
        self.remote = found.header("to")
        if found.header("contact"):
            self.target = sip.uri_of(found.header("contact"))
        return found

    def cancel(self, cseq: int, branch: str, target: str, more: Iterable[str] = ()) -> None:
        """CANCEL of the INVITE `cseq`."""
        early, remote = self.target, self.remote
        self.target, self.remote = target, self.remote.partition(";tag=")[0]
        self.tap.send(self._build("CANCEL", cseq, branch, more, ""))
        self.target, self.remote = early, remote

    def _answers(self, one: Message, method: str, cseq: int, low: int, high: int = 699) -> bool:
        mine = one.call_id == self.call_id and one.header("cseq") == f"{cseq} {method}"
        return mine and low <= one.status <= high

    def sound(self, message: Message) -> None:
        """Send our tone to where `message` wants it."""
        stream = sip.stream_of(message.body)
        assert stream is not None, message.start_line
        self.media.send_to(stream.host, stream.port, Codec.ALAW)

    async def hears(self, hz: int, ms: int = 200, timeout_s: float = PATIENCE_S) -> None:
        """Until `ms` of the tone `hz` came in, one stretch."""
        await until(lambda: self.media.heard_enough(hz, ms), f"{hz} Hz", timeout_s)

    @property
    def captured(self) -> bytes:
        """Every byte that reached this party's sockets: SIP, RTP, RTCP."""
        return b"\n".join([*self.tap.raw, *self.media.raw, *self.media.rtcp.raw])


async def caller(
    tap: Tap,
    number: str,
    *,
    sender: str,
    contact: str = "",
    tone_hz: int,
    media: TapMedia | None = None,
) -> Party:
    """A party that is about to dial `number`; `sender` is its From without tag."""
    media = media or await TapMedia.pair(tap.host)
    media.tone_hz = tone_hz
    party = Party(tap, media)
    party.local = f"{sender};tag={party.tag}"
    party.target = f"sip:{number}@{tap.toward[0]}:{tap.toward[1]}"
    party.remote = f"<{party.target}>"
    party.contact = contact or f"<sip:phone@{tap.host}:{tap.port}>"
    return party


async def callee(
    tap: Tap,
    invite: Message,
    *,
    contact: str = "",
    tone_hz: int,
    media: TapMedia | None = None,
) -> Party:
    """The party that `invite` rings."""
    media = media or await TapMedia.pair(tap.host)
    media.tone_hz = tone_hz
    party = Party(tap, media, call_id=invite.call_id)
    party.local = f"{invite.header('to')};tag={party.tag}"
    party.remote = invite.header("from")
    party.target = sip.uri_of(invite.header("contact"))
    party.contact = contact or f"<sip:phone@{tap.host}:{tap.port}>"
    party.cseq = 500
    return party


async def until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for `condition`; `what` names it where it does not come."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {what}") from None


def source_description(ssrc: int, items: Iterable[tuple[int, str]]) -> bytes:
    """An empty sender report and an SDES chunk (RFC 3550, 6.4.1 and 6.5)."""
    report = struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, 1, 0, 1, 1)
    chunk = struct.pack("!I", ssrc)
    for kind, text in items:
        chunk += bytes([kind, len(text)]) + text.encode()
    chunk += bytes(4 - len(chunk) % 4)
    return report + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk


def extended_packet(ssrc: int, sequence: int, text: str) -> bytes:
    """RTP with a contributing source and a header extension that says `text` (RFC 3550, 5.3.1)."""
    data = text.encode()
    data += bytes(-len(data) % 4)
    head = struct.pack("!BBHIII", 0x91, 8, sequence & 0xFFFF, 160 * sequence, ssrc, ssrc ^ 1)
    return head + struct.pack("!HH", 0xBEDE, len(data) // 4) + data + bytes([0xD5]) * 160
