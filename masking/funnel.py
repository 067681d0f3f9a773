"""The funnel a marketplace asks for: shown or pressed, rang, answered, talked. Pure.

A *contact* is a session in which somebody called: people call again and back, and a talk that took
three tries is one success. What a contact reached, and when it began, come out the same in
whatever order its calls are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

TALKED_MS: Final = 10_000
"""Who talked longer than this talked; a shorter answer may be a voice mail, or a wrong number."""


class Variant(StrEnum):
    """What somebody had before them to call with."""

    CALL_BUTTON = "call_button"
    SHOWN_NUMBER = "shown_number"
    BOTH = "both"


class ImpressionKind(StrEnum):
    """What the platform saw somebody do before there was any call."""

    NUMBER_SHOWN = "number_shown"
    CALL_PRESSED = "call_pressed"


class Level(IntEnum):
    """How far a call, or a contact, came; whoever reached a level reached those before it."""

    CALLED = 1
    RANG = 2
    ANSWERED = 3
    TALKED = 4


def level_of(*, rang: bool, answered: bool, talk_ms: int) -> Level:
    """How far a call came. An answer counts as having rung: not every network says that it does."""
    if answered:
        return Level.TALKED if talk_ms > TALKED_MS else Level.ANSWERED
    return Level.RANG if rang else Level.CALLED


@dataclass(frozen=True, slots=True)
class Contact:
    """A session in which somebody called."""

    at_ms: int  # its first call's offer, since 1970
    variant: Variant  # of its first call
    reached: Level

    def joined(self, other: Contact) -> Contact:
        """Both together: the earlier beginning, and the further of what was reached."""
        first = min(self, other, key=lambda one: (one.at_ms, one.variant))
        return Contact(first.at_ms, first.variant, max(self.reached, other.reached))
