"""Someone who gives themselves away in every header there is, and a search for what got through.

The search knows every usual spelling of a number; tests/unit/support shows that it finds them.
"""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote_to_bytes

from tests.support.wiretap import token


@dataclass(frozen=True)
class Person:
    """A participant, with all that must stay on their own side."""

    phone: str  # +7 and ten digits
    name: str
    host: str  # address of their carrier's socket
    ports: tuple[int, ...] = ()
    extra: tuple[str, ...] = ()  # Call-ID, tags: whatever the test made up for this side
    domain: str = field(default_factory=lambda: token("home") + ".example")
    device: str = field(default_factory=lambda: token("Nokia"))
    session: str = field(default_factory=lambda: token("session"))

    @property
    def uri(self) -> str:
        """Their own address."""
        return f"sip:{self.phone}@{self.domain}"

    @property
    def quoted(self) -> str:
        """Their name and number as a display name."""
        return f'"{self.name} {self.phone}"'

    @property
    def sender(self) -> str:
        """From, without tag."""
        return f"{self.quoted} <{self.uri}>"

    @property
    def contact(self) -> str:
        """Contact, with number, device and instance."""
        return (
            f"{self.quoted} <sip:{self.phone}@{self.host}:{self.ports[0]};x-device={self.device}>"
            f';+sip.instance="<urn:uuid:{self.session}>"'
        )

    def headers(self, party: str) -> tuple[str, ...]:
        """Every header that could say who this is; `party` is calling or called."""
        national = "8" + self.phone[2:]
        spaced = f"{self.phone[:2]} {self.phone[2:5]} {self.phone[5:8]}-{self.phone[8:10]}"
        return (
            f"P-Asserted-Identity: {self.sender}",
            f"P-Asserted-Identity: <tel:{self.phone}>",
            f"P-Preferred-Identity: {self.sender}",
            f"Remote-Party-ID: {self.sender};party={party};privacy=off;screen=yes",
            f"P-Called-Party-ID: <{self.uri}>",
            f"P-Charge-Info: <{self.uri}>",
            f"P-Charging-Vector: icid-value={self.session};orig-ioi={self.domain}",
            f'P-Access-Network-Info: 3GPP-GERAN;cgi-3gpp="{self.session}{national}"',
            f"Diversion: {self.sender};reason=unconditional;counter=1",
            f"History-Info: <{self.uri}?Reason=SIP%3Bcause%3D302>;index=1",
            f"Call-Info: <http://{self.domain}/{self.phone}.jpg>;purpose=icon",
            f"Alert-Info: <http://{self.domain}/{national}.wav>",
            f"Error-Info: <{self.uri}>",
            f"User-Agent: {self.device} {self.phone}",
            f"Server: {self.device} {self.phone}",
            f"Organization: {self.domain}",
            f"Subject: {self.name} {spaced}{self.phone[10:]}",
            f'Reason: SIP;cause=200;text="{self.name} {self.phone}"',
            f'Reason: Q.850;cause=16;text="{self.name} {self.phone}"',
            f'Warning: 399 {self.domain} "{self.name} {self.phone}"',
            f"Referred-By: <{self.uri}>",
            f"Reply-To: <{self.uri}>",
            f"In-Reply-To: {self.session}@{self.domain}",
            f"Geolocation: <cid:{self.phone}@{self.domain}>",
            f"Identity: {base64.b64encode(self.phone.encode()).decode()};info=<x:{self.domain}>",
            f"User-to-User: {self.phone.encode().hex()};encoding=hex",
            f"Session-ID: {self.session};remote=00000000000000000000000000000000",
            f"Accept-Contact: *;x-who={self.session}",
            f"X-Real-Number: {self.phone}",
            f"X-Real-Name: {self.name}",
            f"X-Encoded: {''.join(f'%{ord(c):02X}' for c in self.phone)}",
            f"P-Early-Media: sendrecv;who={self.session}",
            "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO, REFER, MESSAGE, OPTIONS, NOTIFY",
            "Supported: replaces, norefersub, histinfo, from-change, timer",
        )

    def sdp(self, port: int, version: int = 1) -> str:
        """A description in which every line says who this is."""
        lines = (
            "v=0",
            f"o={self.phone} {self.phone[1:]} {version} IN IP4 {self.host}",
            f"s={self.name} {self.phone}",
            f"i={self.device} {self.phone}",
            f"u=http://{self.domain}/{self.phone}",
            f"e={self.phone}@{self.domain} ({self.name})",
            f"p={self.phone}",
            f"c=IN IP4 {self.host}",
            "t=0 0",
            f"a=tool:{self.device}",
            f"a=x-number:{self.phone}",
            f"m=audio {port} RTP/AVP 8 0 101",
            f"i={self.name}",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000",
            f"a=fmtp:8 who={self.session}",
            "a=fmtp:101 0-16",
            f"a=rtcp:{port + 1} IN IP4 {self.host}",
            f"a=ssrc:7 cname:{self.phone}@{self.domain}",
            f"a=label:{self.session}",
            f"a=mid:{self.session}",
            f"a=candidate:1 1 UDP 2130706431 {self.host} {port} typ host",
            "a=ptime:20",
            "a=sendrecv",
        )
        return "\r\n".join(lines) + "\r\n"

    def leaks(self, captured: bytes) -> list[str]:
        """What of this person stands in `captured`: empty when nothing does."""
        return sorted(set(self._leaks(captured)))

    def _leaks(self, captured: bytes) -> Iterator[str]:
        yield from (f"phone {how}" for how in phone_spellings(self.phone, captured))
        for text in Haystack(captured).texts:
            for word in (*self.name.split(), self.domain, self.device, self.session, *self.extra):
                if word.lower() in text:
                    yield f"word {word}"
            if re.search(rf"(?<![\d.]){re.escape(self.host)}(?![\d.])", text):
                yield f"address {self.host}"
            for port in self.ports:
                if re.search(rf":{port}(?!\d)|m=audio {port} ", text):
                    yield f"port {port}"
        if socket.inet_aton(self.host) in captured:
            yield f"address {self.host}, packed"


def phone_spellings(phone: str, captured: bytes | Haystack) -> Iterator[str]:
    """How `phone` is spelt in `captured`; nothing if it does not stand there."""
    hay = captured if isinstance(captured, Haystack) else Haystack(captured)
    ten = phone[-10:]
    for text, joined in zip(hay.texts, hay.joined, strict=True):
        for spelling in (phone, phone[1:], "8" + ten, ten):
            if spelling in text:
                yield spelling
        if ten in joined:
            yield f"{ten} with separators"
        if ten.encode().hex() in text:
            yield f"{ten} in hexadecimal"
    for lead in ("", "x", "xx"):
        inner = base64.b64encode((lead + ten).encode()).decode()[4 if lead else 0 : -4]
        if inner.encode() in hay.raw:
            yield f"{ten} in base64"
    if ten.encode("utf-16-le") in hay.raw or ten.encode("utf-16-be") in hay.raw:
        yield f"{ten} in UTF-16"


@dataclass(frozen=True)
class Haystack:
    """Bytes to be searched for many phones: read once."""

    raw: bytes = field(repr=False)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The bytes as they are, and with percent-encoding undone once and twice; lower case."""
        read, found = self.raw, []
        for _ in range(3):
            found.append(read.decode("latin-1").lower())
            if b"%" not in read:
                break
            read = unquote_to_bytes(read)
        return tuple(found)

    @cached_property
    def joined(self) -> tuple[str, ...]:
        """The same, without what stands between digits."""
        return tuple(
            re.sub(r"(?<=[\d+])[\s().,/\-]{1,3}(?=[\d(])", "", text) for text in self.texts
        )
