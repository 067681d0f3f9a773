"""At the end of a run: does any phone of anybody stand in anything that was written or sent?

Every phone that tests hand out is known here; whatever a Maskline wrote (data folder, database and
its log, event files, Asterisk's own logs and database, stderr), answered or sent to a platform is
searched for all of them at once, in every usual spelling, when that Maskline is gone. A finding
fails the run. The search is itself tested: tests/unit/support/test_leaks.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

SOUNDS: Final = (".wav", ".gsm", ".alaw", ".ulaw", ".sln", ".sln16", ".g722", ".raw", ".opus")
_LARGEST: Final = 256 * 1024 * 1024  # bytes of one file; a larger one is a finding
_RUN: Final = re.compile(rb"\d{10,12}(?!\d)")
_SEPARATED: Final = re.compile(rb"(?<!\d)[+(]?\d(?:[ \t().,/\xa0\-]{0,3}\d){9,11}(?!\d)")
_WIDE: Final = re.compile(rb"(?:\d\x00){10,12}|(?:\x00\d){10,12}")
_HEX: Final = re.compile(rb"(?:3[0-9]){10,12}")
_TOKEN: Final = re.compile(rb"[A-Za-z0-9+/_-]{14,4096}={0,2}")
_ESCAPED: Final = re.compile(rb"\\u00(3[0-9])")
_NOT_DIGITS: Final = re.compile(rb"\D+")


@dataclass(frozen=True, slots=True)
class Leak:
    """A phone that stands somewhere; which one is not said, for this is printed."""

    where: str
    spelling: str
    count: int = 1


@dataclass
class Watch:
    """Phones, and what was searched for them."""

    phones: set[bytes] = field(default_factory=set)  # national, ten digits
    found: list[Leak] = field(default_factory=list)
    files: int = 0
    sent: int = 0
    _seen: set[bytes] = field(default_factory=set)  # digests of what was searched already
    _heard: list[tuple[str, bytes]] = field(default_factory=list)

    def hand_out(self, phone: str) -> str:
        """Know of a phone; the same phone."""
        self.phones.add(phone[-10:].encode())
        return phone

    def hear(self, where: str, what: bytes | str) -> None:
        """Something was answered or sent. It is searched later, when all phones are known."""
        self._heard.append((where, what.encode() if isinstance(what, str) else what))

    def search_heard(self) -> None:
        """All that was heard since the last time, in one piece for each place."""
        together: dict[str, list[bytes]] = {}
        for where, what in self._heard:
            together.setdefault(where, []).append(what)
        self.sent += len(self._heard)
        self._heard.clear()
        for where, parts in together.items():
            self.look(where, b"\n".join(parts))

    def search_folder(self, folder: Path) -> None:
        """Every file below `folder` that is no sound. Read again only if it has changed."""
        for path in sorted(folder.rglob("*")):
            if path.suffix in SOUNDS or path.is_symlink() or not path.is_file():
                continue
            self.search_file(path)

    def search_file(self, path: Path) -> None:
        """One file."""
        try:
            if path.stat().st_size > _LARGEST:
                self.found.append(Leak(path.name, "too large to be searched"))
                return
            content = path.read_bytes()
        except OSError:
            return  # it was moved or removed under us
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if digest not in self._seen:
            self._seen.add(digest)
            self.files += 1
            self.look("/".join(path.parts[-3:]), content)

    def look(self, where: str, content: bytes) -> None:
        """Search `content`, note what is found."""
        counts: dict[str, int] = {}
        for spelling in self.spellings(content):
            counts[spelling] = counts.get(spelling, 0) + 1
        self.found += [Leak(where, how, count) for how, count in counts.items()]

    def spellings(self, content: bytes) -> Iterator[str]:
        """How phones are spelt in `content`, once for each time one stands there."""
        yield from self._plain(content, "")
        if b"%" in content:
            once = unquote_to_bytes(content)
            yield from self._more(content, once, "percent-encoded")
            if b"%" in once:
                yield from self._more(once, unquote_to_bytes(once), "percent-encoded twice")
        if b"\\u00" in content:
            plain = _ESCAPED.sub(lambda one: bytes.fromhex(one[1].decode()), content)
            yield from self._more(content, plain, "in JSON escapes")
        for found in _WIDE.findall(content):
            if self._known(found.replace(b"\0", b"")):
                yield "in UTF-16"
        for found in _HEX.findall(content.lower()):
            if self._known(bytes.fromhex(found.decode())):
                yield "in hexadecimal"
        for token in _TOKEN.findall(content):
            for decoded in _decoded(token):
                if any(self._plain(decoded, "")):
                    yield "in base64"

    def _more(self, before: bytes, after: bytes, how: str) -> Iterator[str]:
        """What can only be seen in `after`."""
        had = sum(1 for _ in self._plain(before, ""))
        yield from list(self._plain(after, f" {how}"))[had:]

    def _plain(self, content: bytes, how: str) -> Iterator[str]:
        for found in _RUN.findall(content):
            if self._known(found):
                yield f"in digits{how}"
        for found in _SEPARATED.findall(content):
            digits = _NOT_DIGITS.sub(b"", found)
            if len(digits) != len(found.lstrip(b"+")) and self._known(digits):
                yield f"with separators{how}"

    def _known(self, digits: bytes) -> bool:
        return digits[-10:] in self.phones


def _decoded(token: bytes) -> Iterable[bytes]:
    """What a token is in base64, in either alphabet, wherever in a stream it was cut."""
    token = token.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    for skip in range(4):
        cut = token[skip:]
        cut = cut[: len(cut) // 4 * 4] if len(cut) % 4 == 1 else cut
        try:
            yield base64.b64decode(cut + b"=" * (-len(cut) % 4))
        except (binascii.Error, ValueError):
            continue


WATCH: Final = Watch()
"""Of this process: one run of tests, or one worker of it."""
