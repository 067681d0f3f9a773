"""What a dialled number can mean for the one who dials it: values, which `dialled` finds."""

from __future__ import annotations

from dataclasses import dataclass

from masking.known import AskPlatform, Deed, Held, OpenLink
from masking.model import Phone, ProxyNumber
from masking.plan import Asked, Heard, RefusalReason


@dataclass(frozen=True, slots=True)
class Reach:
    """The other side of `held`'s session."""

    held: Held
    heard: Heard | None = None
    with_plan: tuple[Deed, ...] = ()  # to be done if somebody is rung
    deeds: tuple[Deed, ...] = ()  # to be done anyhow


@dataclass(frozen=True, slots=True)
class Divert:
    """To the pool's fixed destination."""

    to: Phone


@dataclass(frozen=True, slots=True)
class Tell:
    """Nobody: say why."""

    reason: RefusalReason
    held: Held | None = None  # whose history it belongs to
    heard: Heard | None = None
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """It depends on what the caller types."""

    asked: Asked
    digits_min: int
    digits_max: int
    attempts: int
    heard: Heard | None = None
    deeds: tuple[Deed, ...] = ()


Meaning = Reach | Divert | Tell | Ask | AskPlatform | OpenLink


@dataclass(frozen=True, slots=True)
class Dialled:
    """A number of ours, who dialled it, and what was asked and typed since."""

    number: ProxyNumber
    caller: Phone | None  # None: withheld
    asked: Asked | None = None
    digits: str | None = None
