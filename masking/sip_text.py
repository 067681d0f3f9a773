"""SIP as it may be seen: what of a message may be searched, and what of it staff may read. Pure.

Whatever could be a phone is struck out wherever it stands and however it is spelt; only proxy
numbers of ours are shown. Of apps no address is shown either, and of nobody a secret. What is
struck out by mistake (a long number in a Call-ID) costs a reader little; the other way costs a
person their number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

__all__ = ["Kind", "Piece", "could_be_a_phone", "pieces", "searchable", "spellings"]

STRUCK: Final = "•"
_DIGIT: Final = r"(?:\d|%3\d)"
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|\d?\d)"
_IPV4: Final = rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.])"
_IPV6: Final = r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,7}(?![\w:])"
_RUN: Final = rf"(?:\+|%2[Bb])?{_DIGIT}(?:(?:[ \t ().\-/]|%20){{0,3}}{_DIGIT}){{6,}}"
_MAY_BE_A_PHONE: Final = re.compile(rf"(?P<address>{_IPV4}|{_IPV6})|(?P<run>{_RUN})")
# In SDP numbers stand side by side (ports, payload types): there only what stands together counts.
_IN_SDP: Final = re.compile(rf"(?P<address>{_IPV4}|{_IPV6})|(?P<run>\+?{_DIGIT}{{7,}})")
_SDP_LINE: Final = re.compile(r"[mabctvr]=")
_DIGITS: Final = re.compile(r"\d")
_WORDS: Final = re.compile(r"[0-9A-Fa-f]|\d")
_ENCODED: Final = re.compile(r"%3(\d)")

_COMPACT: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}
"""RFC 3261, 7.3.3, and those registered since."""
_ADDRESSES: Final = frozenset(
    (
        *("from", "to", "contact", "route", "record-route", "diversion", "history-info"),
        *("p-asserted-identity", "p-preferred-identity", "remote-party-id", "referred-by"),
        *("refer-to", "p-called-party-id", "reply-to"),
    )
)
_SECRET: Final = frozenset(
    (
        *("authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"),
        *("authentication-info", "identity", "x-maskline-card"),
    )
)
_PRIVATE: Final = frozenset(
    ("subject", "organization", "call-info", "alert-info", "geolocation", "p-access-network-info")
)
_DULL: Final = frozenset(("cseq", "content-length", "max-forwards"))
_TECHNICAL: Final = frozenset(
    (
        *("accept", "allow", "allow-events", "call-id", "content-type", "date", "event", "expires"),
        *("min-expires", "min-se", "mime-version", "privacy", "reason", "require", "rseq", "rack"),
        *("retry-after", "server", "session-expires", "supported", "unsupported", "user-agent"),
        *("via", "warning", "proxy-require", "accept-language", "accept-encoding", "priority"),
    )
)
_THE_SAME: Final = _TECHNICAL - {"call-id", "via", "date", "warning", "reason"}
_HAS_DIGITS: Final = re.compile(
    r"\d.{0,9}\d|:.*:"
)  # what may be struck out has two together, nearly
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_LONGEST_METHOD: Final = 16
_URI: Final = re.compile(r"\b(sips?|tel):([^\s<>;,\"]*)", re.IGNORECASE)
_PLAIN_STATUS: Final = re.compile(r"SIP/2\.0 \d{3} [A-Za-z ]*")  # with nothing to strike out
# As nearly every address stands in a header: there is no other in it.
_ONE_ADDRESS: Final = re.compile(r"<(sips?):[^\s<>;:,\"@]*@([^\s<>;,\"@]+)>[^:<>\"]*")
_NAMED: Final = re.compile(r"[ \t]*[^ \t<].*?(?=<(?:sips?|tel):)", re.IGNORECASE)
_HIDDEN: Final = STRUCK * 8
_TOKEN: Final = re.compile(r"(?=[A-Za-z0-9+/_-]*\d)[A-Za-z0-9+/_-]{14,}={0,2}")


def searchable(messages: Iterable[str], *, person: bool) -> str:
    """Lines ``name: value`` in lower case, each once, of what the messages say in their headers.

    ``:request`` holds a method, ``:status`` a status with its phrase. `person`: the other end is
    somebody's device, whose address is not kept here.
    """
    raw: dict[str, None] = {}  # most lines of a dialog are said again and again
    for message in messages:
        head = message.partition("\r\n\r\n")[0]
        if "\r\n " in head or "\r\n\t" in head:
            head = _FOLD.sub(" ", head)
        raw.update(dict.fromkeys(head.split("\r\n")))
    lines: dict[str, None] = {}
    for one in raw:
        if (line := _line(one, person)) is not None:
            lines[line] = None
    return "\n".join(("", *lines, ""))


def _line(raw: str, person: bool) -> str | None:  # noqa: FBT001 - private, and asked very often
    if raw.startswith("SIP/2.0 "):
        status = f":status: {raw[8:].strip()}"
        return status.lower() if _PLAIN_STATUS.fullmatch(raw) else _struck(status, person)
    name, colon, value = raw.partition(":")
    name = _name(name)
    if not colon or " " in name:  # the request's line: INVITE sip:…
        method = raw.partition(" ")[0][:_LONGEST_METHOD]
        return f":request: {method.lower() if method.isalpha() else _struck(method, person)}"
    if name in _DULL:
        return None
    value = value.strip()
    if name in _THE_SAME:
        return _known(f"{name}: {value}", person)
    if name == "via":
        return _of_hosts(f"{name}: {value.partition(';')[0]}", person)
    if name in _ADDRESSES:
        return _of_hosts(f"{name}: {_without_people(value)}", person)
    if name in _SECRET or name in _PRIVATE:
        return f"{name}: {STRUCK}"
    return _struck(f"{name}: {value if name in _TECHNICAL else _TOKEN.sub(STRUCK, value)}", person)


@lru_cache(maxsize=256)
def _name(spelt: str) -> str:
    """A header's name, however it is spelt."""
    name = spelt.strip().lower()
    return _COMPACT.get(name, name)


def _struck(line: str, person: bool) -> str:  # noqa: FBT001 - as above
    def mark(one: re.Match[str]) -> str:
        return one[0] if one["address"] and not person else STRUCK

    return (_MAY_BE_A_PHONE.sub(mark, line) if _HAS_DIGITS.search(line) else line).lower()


_known: Final = lru_cache(maxsize=512)(_struck)
"""Of headers that software writes and never people, and of hosts that are no person's: the same in
a thousand calls."""


def _of_hosts(line: str, person: bool) -> str:  # noqa: FBT001 - as above
    """A line in which nobody is left but hosts: of a person's nothing is remembered."""
    return _struck(line, person) if person else _known(line, person)


def _without_people(value: str) -> str:
    """Of addresses the hosts alone: neither who it is nor how they are called, however quoted."""
    if (usual := _ONE_ADDRESS.fullmatch(value)) is not None:
        return f"<{usual[1]}:{STRUCK}@{usual[2]}>"
    return ", ".join(f"<{_host(uri)}>" for uri in _URI.finditer(value))


def _host(uri: re.Match[str]) -> str:
    user, at, host = uri[2].rpartition("@")
    if uri[1].lower() == "tel":
        return f"tel:{STRUCK}"
    return f"{uri[1]}:{STRUCK}@{host}" if at else f"{uri[1]}:{host if not user else STRUCK}"


class Kind(StrEnum):
    """What a piece of a message is."""

    PLAIN = "plain"
    PROXY = "proxy"  # a number of ours
    STRUCK = "struck"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message as it may be read."""

    text: str
    kind: Kind = Kind.PLAIN


def pieces(message: str, ours: Callable[[str], bool], *, person: bool, node: str) -> list[Piece]:
    """`message` as staff may read it. `ours`: whether digits are a proxy number; `node`: its host.

    `person`: the other end is somebody's device.
    """
    found: list[Piece] = []
    head, gap, body = message.partition("\r\n\r\n")
    whole = _FOLD.sub(" ", head) + gap + body  # so that nothing is cut in two by a fold
    for line in whole.replace("\r\n", "\n").split("\n"):
        label, _, rest = line.partition(":")
        name = label.strip().lower()
        name = _COMPACT.get(name, name)
        if name in _SECRET:
            found += [Piece(f"{label}: "), Piece(_HIDDEN, Kind.STRUCK)]
        elif name in _ADDRESSES and (named := _NAMED.match(rest)):
            # Whose name a carrier or a device says is nobody's business either.
            found += [Piece(f"{label}: "), Piece(_HIDDEN, Kind.STRUCK), Piece(" ")]
            found += _of_line(rest[named.end() :], ours, person=person, node=node)
        else:
            found += _of_line(line, ours, person=person, node=node)
        found.append(Piece("\n"))
    return _joined(found[:-1])


def _of_line(line: str, ours: Callable[[str], bool], *, person: bool, node: str) -> Iterator[Piece]:
    at = 0
    pattern = _IN_SDP if _SDP_LINE.match(line) else _MAY_BE_A_PHONE
    for one in pattern.finditer(line):
        yield Piece(line[at : one.start()])
        at = one.end()
        if one["address"] and (not person or one[0] == node):
            yield Piece(one[0])
        elif one["run"] and ours(_plain(one[0])):
            yield Piece(one[0], Kind.PROXY)
        else:
            yield Piece(_WORDS.sub(STRUCK, _ENCODED.sub(STRUCK, one[0])), Kind.STRUCK)
    yield Piece(line[at:])


def could_be_a_phone(text: str) -> bool:
    """Whether something in `text` would be struck out."""
    return any(one["run"] for one in _MAY_BE_A_PHONE.finditer(text))


def spellings(messages: Iterable[str]) -> set[str]:
    """All that could be a number, as digits: to be looked up among ours."""
    return {
        _plain(one["run"])
        for message in messages
        for one in _MAY_BE_A_PHONE.finditer(message)
        if one["run"]
    }


def _plain(run: str) -> str:
    return "".join(_DIGITS.findall(_ENCODED.sub(r"\1", run)))


def _joined(found: Iterable[Piece]) -> list[Piece]:
    whole: list[Piece] = []
    for one in found:
        if not one.text:
            continue
        if whole and whole[-1].kind is one.kind:
            whole[-1] = Piece(whole[-1].text + one.text, one.kind)
        else:
            whole.append(one)
    return whole
