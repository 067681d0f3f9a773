"""The manager protocol without a socket: bytes in, frames out; actions in, bytes out.

The decoder believes nothing by its looks. Asterisk prints caller-supplied text raw, so a caller
can put CR LF into a value and continue with an event of their own. An unsolicited event is
therefore taken only if it begins exactly as this Asterisk begins its events (`manager.c`,
`__manager_event_sessions_va`), with the node's secret system name:

    Event: Hangup / Privilege: call,all / Timestamp: 1700000000.123456 / SystemName: <secret>

and everything else only if its second line is an ActionID of this very connection, which is as
hard to guess. What a caller adds to a frame instead of starting one shows as a header that stands
twice (`Frame.get`) or, if the frame is ended before its true headers, by the debris behind it:
such an event is rejected, such an item of a list loses all its headers. (In the few lists whose
items carry their ActionID last, it is the debris before an item that tells; they are marked, and
not believed unless asked for.) The encoder in turn refuses whatever Asterisk would read as
something else.

This module must never do I/O, look at a clock, or keep more than one unfinished frame.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from telephony.ami.errors import FrameTooLong, NotAmi, NotSendable
from telephony.ami.frames import Event, Greeting, Rejected, Rejection, Response

__all__ = [
    "MAX_HEADERS",
    "MAX_LINE_BYTES",
    "Action",
    "Decoder",
    "Headers",
    "Received",
    "encode_action",
]

MAX_LINE_BYTES = 1024
"""Longest line Asterisk reads, its CR LF included (`inbuf[1025]` holds a NUL as well)."""
MAX_HEADERS = 128
"""Most lines Asterisk reads in one action (`AST_MAX_MANHEADERS`)."""
MAX_GREETING_BYTES = 256

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Received: TypeAlias = Greeting | Event | Response | Rejected

_EOL = b"\r\n"
_END = b"\r\n\r\n"
_GREETING = b"Asterisk Call Manager/"
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_UNSENDABLE = re.compile(rb"[\r\n\0]")
_BEGINNINGS = (b"Event: ", b"Response: ", _EOL)
# The one event Asterisk prints by hand, straight after the answer to a login (`action_login`).
_LOGIN_BOOT = re.compile(
    rb"Event: FullyBooted\r\nPrivilege: [^\r\n]*\r\nUptime: \d+\r\nLastReload: \d+\r\n"
    rb"Status: Fully Booted"
)


@dataclass(frozen=True, slots=True, repr=False)
class Action:
    """Something to ask of Asterisk. Headers keep their order and may repeat."""

    name: str
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: str, headers: Headers = ()) -> Action:
        """Build an action from a mapping or from pairs."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        return cls(name, tuple(pairs))

    def __repr__(self) -> str:
        return f"<Action {self.name}: {', '.join(name for name, _ in self.headers)}>"


def encode_action(action: Action, action_id: str) -> bytes:
    """Return the bytes of an action.

    Raises `NotSendable` for CR, LF or NUL anywhere, a header name that is none, a line over
    `MAX_LINE_BYTES` or more than `MAX_HEADERS` lines.
    """
    if len(action.headers) + 2 > MAX_HEADERS:
        raise NotSendable(f"over {MAX_HEADERS} headers", action.name)
    lines = [_line("Action", action.name), _line("ActionID", action_id)]
    for name, value in action.headers:
        if name.lower() in ("action", "actionid"):
            raise NotSendable("header is set by the client", name)
        lines.append(_line(name, value))
    lines.append(_EOL)
    return b"".join(lines)


def _line(name: str, value: str) -> bytes:
    if not _HEADER_NAME.fullmatch(name):
        raise NotSendable("not a header name", "a header's name")
    try:
        data = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise NotSendable("not encodable as UTF-8", name) from None
    if _UNSENDABLE.search(data):
        raise NotSendable("CR, LF or NUL", name)
    line = b"%b: %b\r\n" % (name.encode(), data)
    if len(line) > MAX_LINE_BYTES:
        raise NotSendable(f"line over {MAX_LINE_BYTES} bytes", name)
    return line


class Decoder:
    """Cuts a connection's bytes into frames and says which of them may be believed.

    `systemname` is the node's secret `systemname` (asterisk.conf), None where it has none, which
    leaves forged events to be told by their first lines' order alone. `action_id_prefix` begins
    every ActionID of this connection. `max_frame_bytes` bounds an unfinished frame.
    """

    def __init__(
        self,
        *,
        systemname: str | None,
        action_id_prefix: str,
        max_frame_bytes: int = 1 << 20,
    ) -> None:
        self._head = _head_pattern(systemname)
        self._own = b"\r\nActionID: " + action_id_prefix.encode()
        self._max_frame_bytes = max_frame_bytes
        self._unfinished = bytearray()
        self._finished: deque[bytes] = deque()
        self._heads: deque[re.Match[bytes] | None] = deque()
        self._greeting: Greeting | None = None
        self._greeted = False
        self._boot_event_may_follow = False
        self._after_rejected = False

    @property
    def unfinished_bytes(self) -> int:
        """How much of an unfinished frame is kept."""
        return len(self._unfinished)

    @property
    def has_frames(self) -> bool:
        """Whether `frames` would give something."""
        return bool(self._finished) or self._greeting is not None

    def allow_boot_event(self) -> None:
        """Let the next frame be the FullyBooted that Asterisk prints after a login's answer."""
        self._boot_event_may_follow = True

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; raises `NotAmi` or `FrameTooLong`, after which it is spent."""
        buffer = self._unfinished
        # Everything but the last three bytes is known to hold no end of frame.
        looked = max(0, len(buffer) - 3)
        buffer += data
        if not self._greeted:
            if not self._take_greeting():
                return
            looked = 0
        end = buffer.rfind(_END, looked)
        if end >= 0:
            with memoryview(buffer) as view:
                finished = bytes(view[:end])
            del buffer[: end + len(_END)]
            frames = _strip(finished).split(_END)
            heads = list(map(self._head.match, frames))
            if None in heads and any(not frame or frame.startswith(_EOL) for frame in frames):
                # More CR LF than needed between two frames belongs to neither.
                frames = [frame for frame in map(_strip, frames) if frame]
                heads = list(map(self._head.match, frames))
            self._finished.extend(frames)
            self._heads.extend(heads)
        if len(buffer) > self._max_frame_bytes:
            raise FrameTooLong

    def _take_greeting(self) -> bool:
        buffer = self._unfinished
        end = buffer.find(_EOL)
        length = len(buffer) if end < 0 else end
        if not _GREETING.startswith(buffer[: len(_GREETING)]) or length > MAX_GREETING_BYTES:
            raise NotAmi
        if end < 0:
            return False
        self._greeting = Greeting(buffer[len(_GREETING) : end].decode("utf-8", "replace"))
        self._greeted = True
        del buffer[: end + len(_EOL)]
        return True

    def frames(self) -> Iterator[Received]:
        """Give the finished frames in order; may be left and begun again at any time."""
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            yield greeting
        finished, heads, unfinished = self._finished, self._heads, self._unfinished
        while finished:
            frame = finished.popleft()
            head = heads.popleft()
            if self._boot_event_may_follow:
                self._boot_event_may_follow = False
                if _LOGIN_BOOT.fullmatch(frame):
                    yield Event(frame, "FullyBooted")
                    continue
            if head is None:
                judged = self._judge(frame)
                self._after_rejected = isinstance(judged, Rejected)
                yield judged
            elif (heads[0] is None if heads else unfinished) and self._debris_follows():
                self._after_rejected = True
                yield Rejected(Rejection.TAMPERED, len(frame))
            else:
                self._after_rejected = False
                yield Event(frame, head[1].decode("utf-8", "replace"))

    def _debris_follows(self) -> bool:
        """Look whether what comes next cannot be a frame of its own.

        Then a caller has ended the frame before it early, and may have written its last headers.
        Asterisk writes an event at once, so the rest of it is here when its beginning is.
        """
        if self._finished:
            return self._heads[0] is None and isinstance(
                self._classify(self._finished[0]), Rejected
            )
        start = len(_EOL) if self._unfinished.startswith(_EOL) else 0
        begun = bytes(self._unfinished[start : start + len(b"Response: ")])
        return not any(word.startswith(begun[: len(word)]) for word in _BEGINNINGS)

    def _judge(self, frame: bytes) -> Received:
        """Classify a frame that is no unsolicited event; what may be a caller's loses its headers.

        A list stays whole by that, but nothing is known of this item.
        """
        judged = self._classify(frame)
        match judged:
            case Event(trailing_id=False) if self._debris_follows():
                cut = b"\r\n".join(frame.split(_EOL, 2)[:2])
                return Event(cut, judged.name, judged.action_id)
            case Event(trailing_id=True) if self._after_rejected:
                return Event(b"", "", judged.action_id, trailing_id=True)
            case Rejected(Rejection.MALFORMED) if (at := frame.find(self._own)) >= 0:
                return Event(b"", "", self._action_id(frame, at), trailing_id=True)
            case _:
                return judged

    def _classify(self, frame: bytes) -> Event | Response | Rejected:
        first_end = frame.find(_EOL)
        leads = frame.startswith(self._own, first_end)
        if frame.startswith(b"Event: "):
            at = first_end if leads else frame.find(self._own)
            if at < 0:
                return Rejected(Rejection.FORGED, len(frame))
            name = frame[len(b"Event: ") : first_end].decode("utf-8", "replace")
            return Event(frame, name, self._action_id(frame, at), trailing_id=not leads)
        if frame.startswith(b"Response: "):
            if not leads:
                return Rejected(Rejection.FOREIGN, len(frame))
            return Response(frame, self._action_id(frame, first_end))
        return Rejected(Rejection.MALFORMED, len(frame))

    def _action_id(self, frame: bytes, at: int) -> str:
        start = at + len(b"\r\nActionID: ")
        end = frame.find(_EOL, start)
        return (frame[start:] if end < 0 else frame[start:end]).decode("utf-8", "replace")


def _strip(data: bytes) -> bytes:
    """Take CR LF pairs off both ends."""
    start, end = 0, len(data)
    while data.startswith(_EOL, start):
        start += 2
    while end > start and data.endswith(_EOL, start, end):
        end -= 2
    return data[start:end]


def _head_pattern(systemname: str | None) -> re.Pattern[bytes]:
    head = rb"Event: ([^\r\n]+)\r\nPrivilege: [^\r\n]*\r\nTimestamp: \d+\.\d{6}"
    if systemname is not None:
        head += rb"\r\nSystemName: " + re.escape(systemname.encode())
    return re.compile(head + rb"(?=\r\n|\Z)")
