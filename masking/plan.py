"""Plans: what is to be done with an offer.

Values only; `routing` makes them, `telephony` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from masking.model import Language, Phone, Role


class Channel(StrEnum):
    """Through what an attempt reaches the callee."""

    APP = "app"
    GSM = "gsm"


class Announcement(StrEnum):
    """What a refused caller hears: the names of the sound files below ``maskline/``."""

    NO_LONGER_SERVES = "no-longer-serves"
    NOT_IN_SERVICE = "not-in-service"
    TRY_AGAIN = "try-again"
    WITHHELD = "withheld"
    BLOCKED = "blocked"
    BUSY_LINES = "busy-lines"
    UNAVAILABLE = "unavailable"


class RefusalReason(StrEnum):
    """Why an offer is not carried on. Kept in the call record."""

    UNKNOWN_NUMBER = "unknown_number"
    UNKNOWN_CALLER = "unknown_caller"
    WITHHELD_CALLER = "withheld_caller"
    COOLING = "cooling"
    SESSION_CLOSED = "session_closed"
    SESSION_EXPIRED = "session_expired"
    BLOCKED = "blocked"
    TRUNK_FULL = "trunk_full"
    NO_TRUNK = "no_trunk"
    CALLEE_UNREACHABLE = "callee_unreachable"
    NO_CONTROLLER = "no_controller"  # said by the dialplan alone, when nobody answered the offer


@dataclass(frozen=True, slots=True)
class Offer:
    """An incoming leg that waits for a routing decision. `repr` never shows the caller."""

    call_id: str
    node: str
    channel: str  # Asterisk's channel name
    trunk: str
    called: str  # as the carrier spelt it: digits, maybe a leading plus
    caller: str | None = field(repr=False)  # as the carrier spelt it; None: withheld
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One trunk to try within an attempt; the next one only after a cause that allows it."""

    trunk: str
    dial: str = field(repr=False)  # the callee's phone as this trunk spells it
    caller_id: str  # the callee's proxy number, as this trunk spells it


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to reach the callee."""

    channel: Channel
    steps: tuple[Step, ...]
    ring_s: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Carry the call on: the attempts in their order."""

    session_id: str
    caller: Role
    callee: Role
    number_in: Phone  # the proxy number that the caller dialled
    number_out: Phone | None  # the proxy number that the callee sees; None: app only
    attempts: tuple[Attempt, ...]
    language: Language
    max_call_s: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Do not carry the call on: what the caller hears, and with which cause the leg ends."""

    reason: RefusalReason
    announcement: Announcement
    cause: int  # ITU-T Q.850
    language: Language
    session_id: str | None = None  # where one is known: the call belongs to its history
    caller: Role | None = None
    number_in: Phone | None = None


Decision = Plan | Refusal
