"""Just enough SIP (RFC 3261) and SDP (RFC 8866) to watch a call and to write requests of one's own.

Never a SIP stack: transactions and dialogs are SIPp's business. Never any I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from maskline.demo.g711 import Codec

_COMPACT = {
    "f": "from",
    "t": "to",
    "i": "call-id",
    "v": "via",
    "m": "contact",
    "l": "content-length",
}
EVENT_TYPE = 101  # the payload type that everybody gives to telephone-events
_NAMES = {Codec.ALAW: "PCMA/8000", Codec.ULAW: "PCMU/8000"}


@dataclass(frozen=True)
class Message:
    """One datagram, as it was on the wire. `repr` shows its first line without the numbers."""

    raw: bytes = field(repr=False)

    @cached_property
    def text(self) -> str:
        """Every byte as a character (ISO 8859-1), so that nothing is lost."""
        return self.raw.decode("latin-1")

    @cached_property
    def _head_and_body(self) -> tuple[str, str]:
        head, _, body = self.text.partition("\r\n\r\n")
        return head, body

    @cached_property
    def start_line(self) -> str:
        """Request line or status line."""
        return self._head_and_body[0].partition("\r\n")[0]

    @cached_property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names in lower case and in full, with their values, in order."""
        lines = self._head_and_body[0].split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if ":" in line)
        return tuple(
            (_COMPACT.get(low := name.strip().lower(), low), value.strip())
            for name, _, value in pairs
        )

    @property
    def body(self) -> str:
        """What follows the headers."""
        return self._head_and_body[1]

    @property
    def is_request(self) -> bool:
        """A request, else a response."""
        return not self.start_line.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        """Of a request its own; of a response that of its CSeq."""
        if self.is_request:
            return self.start_line.partition(" ")[0]
        return self.header("cseq").rpartition(" ")[2]

    @property
    def status(self) -> int:
        """Status code of a response; 0 for a request."""
        return 0 if self.is_request else int(self.start_line[8:11])

    @property
    def reason_phrase(self) -> str:
        """Of a response."""
        return self.start_line[12:]

    @property
    def uri(self) -> str:
        """Request URI of a request."""
        return self.start_line.split(" ")[1] if self.is_request else ""

    @property
    def call_id(self) -> str:
        """Call-ID; empty if there is none."""
        return self.header("call-id")

    def header(self, name: str) -> str:
        """First value of `name` (any case); empty if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), "")

    def all(self, name: str) -> tuple[str, ...]:
        """All values of `name` in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)

    def user(self, name: str | None = None) -> str:
        """User part of the request URI, or of the URI in header `name`."""
        return user_of(self.uri if name is None else self.header(name))


def user_of(value: str) -> str:
    """User part of the first SIP URI in `value`; empty if there is none."""
    found = re.search(r"sips?:([^@;>\s]*)@", value)
    return found[1] if found else ""


def uri_of(value: str) -> str:
    """The URI of a name-addr header value."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.partition(";")[0].strip()


@dataclass(frozen=True, slots=True)
class Stream:
    """Where the other side wants its audio, and in which codecs, by preference."""

    host: str
    port: int
    codecs: tuple[Codec, ...]
    event_type: int | None = None  # payload type of telephone-events, where it takes them


def stream_of(body: str) -> Stream | None:
    """The audio stream of an SDP body; None if it has none that we could speak."""
    address = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    media = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", body, re.MULTILINE)
    if address is None or media is None:
        return None
    known = {int(codec): codec for codec in Codec}
    codecs = tuple(known[int(word)] for word in media[2].split() if int(word) in known)
    events = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", body, re.MULTILINE | re.IGNORECASE)
    event_type = int(events[1]) if events and events[1] in media[2].split() else None
    return Stream(address[1], int(media[1]), codecs, event_type) if codecs else None


def sdp(
    host: str,
    port: int,
    codecs: Sequence[Codec],
    extra: Iterable[str] = (),
    event_type: int | None = EVENT_TYPE,
) -> str:
    """An SDP body with one audio stream; lines end in CR LF. `event_type` None: no RFC 4733."""
    types = [*map(int, codecs), *([event_type] if event_type is not None else [])]
    lines = [
        "v=0",
        f"o=carrier 1 1 IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(map(str, types))}",
        *(f"a=rtpmap:{int(codec)} {_NAMES[codec]}" for codec in codecs),
    ]
    if event_type is not None:
        lines += [f"a=rtpmap:{event_type} telephone-event/8000", f"a=fmtp:{event_type} 0-16"]
    return "\r\n".join([*lines, "a=ptime:20", "a=sendrecv", *extra]) + "\r\n"


def answer_to(request: Message, status: str, headers: Iterable[str] = ()) -> bytes:
    """A response without body to `request`: `status` is code and phrase."""
    kept = [f"Via: {via}" for via in request.all("via")]
    kept += [f"{name}: {request.header(name)}" for name in ("From", "Call-ID", "CSeq")]
    to = request.header("to")
    kept.append(f"To: {to}" if ";tag=" in to else f"To: {to};tag=carrier")
    return join(f"SIP/2.0 {status}", [*kept, *headers])


def join(start_line: str, headers: Iterable[str], body: str = "") -> bytes:
    """A whole message; Content-Length is added."""
    lines = [start_line, *headers, f"Content-Length: {len(body.encode('latin-1'))}", "", body]
    return "\r\n".join(lines).encode("latin-1")


def with_headers(raw: bytes, lines: Iterable[str]) -> bytes:
    """`raw` with header `lines` put in; a line of a name that is there already replaces it."""
    head, _, body = raw.decode("latin-1").partition("\r\n\r\n")
    start, *kept = head.split("\r\n")
    added = list(lines)
    names = {line.partition(":")[0].strip().lower() for line in added} - {"via", "record-route"}
    kept = [line for line in kept if line.partition(":")[0].strip().lower() not in names]
    return ("\r\n".join([start, *kept, *added]) + "\r\n\r\n" + body).encode("latin-1")
