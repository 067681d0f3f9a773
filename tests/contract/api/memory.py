"""All that was sent in, answered and logged: searched for every phone, however it is spelt."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass
class Memory:
    """All that was sent in, answered and logged."""

    phones: set[str] = field(default_factory=set)
    answers: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def search(self) -> None:
        """Fail if a phone that was sent in is in any answer or log line, however it is spelt."""
        logged = "\n".join(self.lines).encode()
        for phone in self.phones:
            for spelling in spellings(phone):
                for answer in self.answers:
                    assert spelling not in answer, f"a phone was sent out, as {spelling!r}"
                assert spelling not in logged, f"a phone was logged, as {spelling!r}"


def spellings(phone: str) -> Iterator[bytes]:
    """How a phone may be written: whole, national, in groups, percent-encoded, in hexadecimal."""
    digits = phone.lstrip("+")
    tail = digits[-10:]
    groups = (tail[:3], tail[3:6], tail[6:8], tail[8:])
    texts = [digits, tail, quote(phone), "-".join(groups), " ".join(groups)]
    texts += [f"({groups[0]}) {groups[1]}-{groups[2]}-{groups[3]}", digits.encode().hex()]
    for text in texts:
        if len(text) >= 7:
            yield text.encode()


class Lines(logging.Handler):
    def __init__(self, memory: Memory) -> None:
        super().__init__(logging.DEBUG)
        self._memory = memory
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._memory.lines.append(self.format(record))


def phones_in(value: object) -> Iterator[str]:
    """Every phone in a body."""
    match value:
        case dict():
            for name, inner in value.items():
                if name == "phone" and isinstance(inner, str) and len(inner) >= 8:
                    yield inner
                else:
                    yield from phones_in(inner)
        case list():
            for inner in value:
                yield from phones_in(inner)
        case _:
            pass
