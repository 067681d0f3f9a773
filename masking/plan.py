"""Plans: what is to be done with an offer.

Values only; `routing` makes them, `telephony` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from masking.model import Card, Language, Listing, Phone, Role
from masking.recording import Taping


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
    GAVE_UP_ASKING = "gave-up-asking"
    LOCKED_OUT = "locked-out"
    QUIET_HOURS = "quiet-hours"
    TOO_MANY_CALLS = "too-many-calls"


class Question(StrEnum):
    """What a caller is asked to type: the names of the sound files below ``maskline/``."""

    PIN = "ask-pin"
    EXTENSION = "ask-extension"
    WHICH = "ask-which"  # 1: the conversation they had, 2: the listing that shows the number
    LISTING = "ask-listing"  # their conversation is over; 1: the listing that shows the number


class Went(StrEnum):
    """What became of a question."""

    OK = "ok"
    WRONG = "wrong"
    NONE = "none"  # nothing was typed


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
    WRONG_PIN = "wrong_pin"
    PIN_LOCKED = "pin_locked"  # so many wrong ones in a row that no other is heard for a while
    WRONG_EXTENSION = "wrong_extension"
    NOTHING_CHOSEN = "nothing_chosen"  # a number meant two people and the caller did not say whom
    TOO_MANY_LISTINGS = "too_many_listings"  # called for the first time within a day
    POOL_EXHAUSTED = "pool_exhausted"  # no number is left for a listing's new caller
    PLATFORM_REFUSED = "platform_refused"
    PLATFORM_SILENT = "platform_silent"  # it did not answer in time, and the pool says: then no
    NOT_A_PARTICIPANT = "not_a_participant"  # of the session that an app called, if there is one
    IN_APP_OFF = "in_app_off"  # the callee takes no in-app call, and nothing else is permitted
    QUIET_HOURS = "quiet_hours"  # the callee's
    UNANSWERED_IN_ROW = "unanswered_in_row"  # so many calls to the callee that nobody answered
    PAIR_AN_HOUR = "pair_an_hour"  # so many calls to the callee within an hour
    CALLER_AN_HOUR = "caller_an_hour"  # so many calls to anybody within an hour
    OVERLOADED = "overloaded"  # the node has begun all the calls it may within a second
    DISK_FULL = "disk_full"  # what became of the call could not be written down
    NO_CONTROLLER = "no_controller"  # said by the dialplan alone, when nobody answered the offer


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it comes back with its answer: all that the next decision needs of this one.

    It holds no PIN. `session_id` and `listing_number_id` are the meanings that were offered: what
    is chosen is what was meant then, whatever the number has come to mean meanwhile.
    """

    question: Question
    attempt: int = 1
    extension: str = field(default="", repr=False)  # typed before a choice
    session_id: str = ""
    listing_number_id: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """How the last question went. For the record: without the digits."""

    question: Question
    attempt: int
    went: Went


@dataclass(frozen=True, slots=True)
class Offer:
    """An incoming leg that waits for a routing decision. `repr` never shows the caller."""

    call_id: str
    node: str
    channel: str  # Asterisk's channel name
    trunk: str  # "" of a call from an app
    called: str  # as the carrier spelt it: digits, maybe a leading plus; from an app a session's id
    caller: str | None = field(repr=False)  # as the carrier spelt it; None: withheld
    at: datetime
    asked: Asked | None = None  # the question that was put to the caller before
    digits: str | None = field(default=None, repr=False)  # the answer; "": nothing was typed
    app: str | None = None  # the user name of the device that calls; None: it came by a trunk
    # The platform asked for the call of a session, and this participant, rung first, has answered.
    clicked: Role | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One trunk to try within an attempt; the next one only after a cause that allows it."""

    trunk: str
    dial: str = field(repr=False)  # the callee's phone as this trunk spells it
    caller_id: str  # the callee's proxy number, as this trunk spells it


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to reach the callee.

    In the app: all `devices` ring at once and the first answer wins. Where there are none, or none
    of them can be had, the app is woken and waited for; what registers by then is rung.
    """

    channel: Channel
    steps: tuple[Step, ...]  # GSM only
    ring_s: int
    devices: tuple[str, ...] = ()  # APP only: user names of devices that are registered
    wake_s: int = 0  # APP only: how long a woken app is waited for; 0: it cannot be woken


@dataclass(frozen=True, slots=True)
class CallerCard:
    """What the callee's app shows of a call: who calls, about what. No number, no address."""

    call_id: str
    session_id: str
    conversation_id: str | None  # None: it has no name yet
    role: Role  # the caller's
    card: Card  # the caller's
    listing: Listing | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Carry the call on: the attempts in their order.

    Without a session it leads to a fixed destination of the pool's, and has no roles.
    """

    session_id: str | None
    caller: Role | None
    callee: Role | None
    number_in: Phone | None  # the proxy number that the caller dialled; None: called from an app
    number_out: Phone | None  # the proxy number that the callee's phone sees; None: it has none
    attempts: tuple[Attempt, ...]
    language: Language
    max_call_s: int
    warn_before_s: int = 0  # a tone for both so long before the limit; 0: none
    heard: Heard | None = None
    card: CallerCard | None = None  # there wherever the callee's app is rung
    call_id: str = ""  # by which a recording is named
    taping: Taping | None = None  # None: the pool asks for no recording


@dataclass(frozen=True, slots=True)
class Refusal:
    """Do not carry the call on: what the caller hears, and with which cause the leg ends."""

    reason: RefusalReason
    announcement: Announcement | None  # None: to an app, which is told by the SIP status
    cause: int  # ITU-T Q.850
    language: Language
    session_id: str | None = None  # where one is known: the call belongs to its history
    caller: Role | None = None
    number_in: Phone | None = None
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Answer, ask the caller for digits, and offer the call again with them."""

    asked: Asked
    digits_min: int
    digits_max: int  # so many end the typing; fewer are ended by # or by silence
    attempts: int  # of this question in this call
    language: Language
    number_in: Phone
    session_id: str | None = None
    heard: Heard | None = None  # of the question before: it is said that it went wrong


Decision = Plan | Refusal | Prompt
