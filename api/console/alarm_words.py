"""An alarm in a person's language, and figures as the board says them. Texts, nothing of a person.

For the page and for what the platform is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.console import look
from api.console.alarms import Condition, Fact
from api.console.texts import Texts

MB: Final = 1024 * 1024
_MINUTE_S: Final = 60


class Words:
    """Says figures in one language."""

    def __init__(self, texts: Texts) -> None:
        self._t = texts

    def number(self, value: float | None, digits: int = 0) -> str:
        """As the language spells it; a dash for none."""
        return look.figure(value, self._t.language, digits)

    def share(self, value: float | None) -> str:
        """In percent."""
        return self._unit("percent", None if value is None else value * 100, 0)

    def seconds(self, value: float | None) -> str:
        """A duration, from seconds."""
        return look.duration(None if value is None else round(value) * 1000, tenths=False)

    def lag(self, value: float) -> str:
        """How late something is: seconds, and above two minutes a duration."""
        if value < 2 * _MINUTE_S:
            return self._unit("s", value, 0)
        return look.duration(round(value) * 1000)

    def delay(self, ms: float | None) -> str:
        """A delay, from milliseconds."""
        return self._unit("s", None if ms is None else ms / 1000, 1)

    def room(self, size: float) -> str:
        """How much a disk has."""
        return self._unit("mb", size / MB, 0)

    def part(self, name: str) -> str:
        """A part of the service."""
        key = f"board.part.{name}"
        return self._t(key) if key in self._t else name

    def _unit(self, unit: str, value: float | None, digits: int) -> str:
        if value is None:
            return self.number(None)
        return self._t(f"board.unit.{unit}", value=self.number(value, digits))


def told(
    condition: str, subject: str, facts: Mapping[str, Fact], t: Texts, words: Words | None = None
) -> str:
    """What is wrong, in one sentence."""
    words = words or Words(t)
    if condition == Condition.PART_UNWELL:
        subject = words.part(subject)
    said = {name: _said(name, value, t, words) for name, value in facts.items()}
    return t(f"board.alarm.{condition}", subject=subject, **said)


_DIRECTIONS: Final[Mapping[str, str]] = {"in": "board.incoming", "out": "board.outgoing"}


def _said(name: str, value: Fact, t: Texts, words: Words) -> str:
    if isinstance(value, str):
        return t(_DIRECTIONS[value]) if name == "direction" else value
    match name:
        case "now" | "usual":
            return words.share(value)
        case "oldest" | "lag":
            return words.lag(value)
        case "room":
            return words.room(value)
        case _:
            return words.number(value)
