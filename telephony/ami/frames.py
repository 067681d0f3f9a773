"""What comes out of the decoder: immutable frames that read their headers only when asked.

A frame keeps Asterisk's bytes and looks headers up in them, so an event nobody reads costs almost
nothing. Header names are matched as Asterisk spells them, letter case included. Values are UTF-8;
bytes that are not come out as U+FFFD, so that no caller can smuggle a string that fails to encode
into a database or a JSON document later. The exact bytes stay in `raw`.

A frame never shows values in its `repr`: they may be phone numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

__all__ = ["Event", "Frame", "Greeting", "Rejected", "Rejection", "Response"]

_EOL = b"\r\n"


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One message of Asterisk: header lines joined by CR LF, without the empty line at the end."""

    raw: bytes

    def get(self, header: str) -> str | None:
        """Return the value of a header that stands exactly once: "" if empty, None if not there.

        A header that stands twice gives None as well: the second may have been smuggled in
        through another header's value, and then neither can be trusted. Where Asterisk itself
        repeats a header (`Output`, `ChanVariable`), use `get_all`.
        """
        first, needle = _needles(header)
        raw = self.raw
        at = raw.find(needle)
        if raw.startswith(first):  # The first line has no CR LF before it.
            return _value(raw, len(first)) if at < 0 else None
        if at < 0 or raw.find(needle, at + 2) >= 0:
            return None
        return _value(raw, at + len(needle))

    def get_all(self, header: str) -> tuple[str, ...]:
        """Return all values of a header in the order in which they came."""
        return tuple(value for name, value in self.headers() if name == header)

    def headers(self) -> Iterator[tuple[str, str]]:
        """Give (name, value) pairs in order; lines without a colon are no headers."""
        for line in self.raw.split(_EOL):
            name, colon, value = line.partition(b":")
            if colon:
                yield _text(name), _text(value[1:] if value.startswith(b" ") else value)


@dataclass(frozen=True, slots=True, repr=False)
class Event(Frame):
    """An event. `action_id` is None for an unsolicited one, else that of the list it is part of.

    With `trailing_id`, the ActionID stands behind values that may come from a caller. An item
    that a caller has tampered with has no headers, and in that case no name.
    """

    name: str
    action_id: str | None = None
    trailing_id: bool = False

    @classmethod
    def unsolicited(cls, raw: bytes) -> Event:
        """Make an unsolicited event of bytes that have been checked before."""
        return cls(raw, _text(raw[len(b"Event: ") : raw.find(_EOL)]))

    @property
    def timestamp_s(self) -> float | None:
        """Seconds since 1970 at which Asterisk wrote the event; None for a list's item."""
        stamp = _TIMESTAMP.match(self.raw)
        return float(stamp[1]) if stamp is not None else None

    def __repr__(self) -> str:
        return f"<Event {self.name}, {len(self.raw)} bytes>"


@dataclass(frozen=True, slots=True, repr=False)
class Response(Frame):
    """The answer to the action with this `action_id`."""

    action_id: str

    @property
    def ok(self) -> bool:
        """Whether Asterisk took the action."""
        return self.raw.startswith(_GOOD)

    @property
    def message(self) -> str:
        """Asterisk's own words; may quote what was sent."""
        return self.get("Message") or ""

    def __repr__(self) -> str:
        return f"<Response {'ok' if self.ok else 'not ok'}, {len(self.raw)} bytes>"


@dataclass(frozen=True, slots=True)
class Greeting:
    """The first line of a connection, with the manager protocol's version, such as "10.0.0"."""

    version: str


class Rejection(Enum):
    """Why a frame was thrown away."""

    MALFORMED = "malformed"
    """It begins neither as an event nor as a response."""
    FORGED = "forged"
    """An event that does not begin as this Asterisk begins its events, and part of no list."""
    TAMPERED = "tampered"
    """An event that was ended early: what follows it is no frame."""
    FOREIGN = "foreign"
    """A response whose second line is no ActionID of this connection."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A frame that must not be believed; of its contents only the size is kept."""

    reason: Rejection
    size_bytes: int


_GOOD = (b"Response: Success\r\n", b"Response: Goodbye\r\n")
_TIMESTAMP = re.compile(rb"Event: [^\r\n]+\r\nPrivilege: [^\r\n]*\r\nTimestamp: (\d+\.\d+)")


@lru_cache(maxsize=256)
def _needles(header: str) -> tuple[bytes, bytes]:
    """How the first line begins if it is that header, and how any other does."""
    first = f"{header}:".encode()
    return first, _EOL + first


def _value(raw: bytes, start: int) -> str:
    end = raw.find(_EOL, start)
    if raw.startswith(b" ", start):
        start += 1
    return (raw[start:] if end < 0 else raw[start:end]).decode("utf-8", "replace")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
