"""The rules of a pool: how numbers are chosen, what strangers get, how things end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NewType

Phone = NewType("Phone", str)
"""A phone number in E.164 with the leading plus, e.g. ``+79161234567``."""


class Sticky(StrEnum):
    """Whether a pair gets the numbers of its last session again."""

    PREFER = "prefer"  # where they are free
    AVOID = "avoid"  # others, where there are any
    STRICT = "strict"  # these or none: refused where they are not free


class Exhausted(StrEnum):
    """What happens when a participant holds every number."""

    REFUSE = "refuse"
    RECYCLE_IDLE = "recycle_idle"  # close the session of theirs that was idle longest
    EXTENSION = "extension"  # share a number; digits typed after it tell sessions apart


class Stranger(StrEnum):
    """What a caller gets who holds no lease on the number dialled."""

    ANNOUNCE = "announce"
    PIN = "pin"
    STATIC = "static"  # the pool's fixed destination, e.g. the support desk (`PoolSecrets`)


class Late(StrEnum):
    """What a caller gets whose lease is cooling. Nobody is ever rung for a cooling lease."""

    ANNOUNCE = "announce"  # told; the platform is told as well
    ASK = "ask"  # the platform is asked first


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How the numbers of new leases are chosen."""

    sticky: Sticky = Sticky.PREFER
    geo: bool = True  # callee's area, caller's, `areas`, then any
    areas: tuple[str, ...] = ()  # E.164 prefixes with plus, or ISO 3166-1 countries, in order
    exhausted: Exhausted = Exhausted.REFUSE
    recycle_after: timedelta = timedelta(hours=3)  # idle at least so long; above any call's limit
    extension_length: int = 3  # 2 to 6 digits
    max_sessions: int | None = None  # of one participant in this pool, live; None: no limit
    low_percent: int = 20  # pool.low when a participant has so little of the pool left; 0: never


@dataclass(frozen=True, slots=True)
class PinRules:
    """PINs typed on the keypad by callers we do not know."""

    length: int = 6  # 4 to 10 digits
    attempts: int = 3  # in one call, 1 to 5
    lock_out: timedelta = timedelta(minutes=15)  # after so many failed in a row
    enrol: bool = True  # the phone of whoever typed the right one is known from then on


@dataclass(frozen=True, slots=True)
class StrangerRules:
    """What callers without a live lease get."""

    unknown: Stranger = Stranger.ANNOUNCE
    withheld: Stranger = Stranger.ANNOUNCE
    late: Late = Late.ANNOUNCE
    pin: PinRules = PinRules()


@dataclass(frozen=True, slots=True)
class HookRules:
    """The platform's `out_of_session` hook: asked before a stranger gets anything else."""

    url: str
    deadline_ms: int = 1500  # 100 to 2000
    fail_open: bool = False  # a dead hook: True, on with the pool's rules; False, refused


@dataclass(frozen=True, slots=True)
class ListingRules:
    """Numbers shown on listings."""

    shared: bool = False  # several listings show one number, told apart by digits typed after it
    extension_length: int = 5  # 3 to 8 digits
    rotate_after: timedelta | None = None
    rotate_after_callers: int | None = None
    rest: timedelta = timedelta(days=30)  # a number no longer shown still reaches its listing
    link: timedelta = timedelta(days=30)  # a caller's link to the seller, from the last call
    links_a_day: int = 20  # listings that one caller may call for the first time in a day


@dataclass(frozen=True, slots=True)
class EndingRules:
    """How calls and sessions draw to their end."""

    warn_before_s: int = 0  # a tone so long before a call's hard limit; 0: none
    notice: timedelta = timedelta(days=1)  # session.ending so long before; 0: none


class Handover(StrEnum):
    """What happens when one side of a call sounds bad and could go on another way."""

    OFFER = "offer"  # their app is offered it
    AUTO = "auto"  # done without asking
    OFF = "off"  # only on request


@dataclass(frozen=True, slots=True)
class AppRules:
    """Calls that ring in an app."""

    ring_s: int = 25  # 5 to 120; before the plan goes on


@dataclass(frozen=True, slots=True)
class PushRules:
    """The platform's hook that wakes an app which is not registered."""

    url: str
    deadline_ms: int = 2000  # 100 to 10,000; of the push's answer
    wake_s: int = 20  # 1 to 60; how long the app is waited for


@dataclass(frozen=True, slots=True)
class CapRules:
    """How often somebody may call who is not answered, or at all. 0: no limit."""

    unanswered_in_row: int = 0  # of one side of a session; answered or called back, it begins anew
    pair_an_hour: int = 0  # calls of one user to another
    caller_an_hour: int = 0  # calls of one user to anybody


@dataclass(frozen=True, slots=True)
class HandoverRules:
    """When a side of a call that is up is offered another way."""

    mode: Handover = Handover.OFFER
    below_mos: float = 3.1  # ITU-T G.107, over a window; 1.0 to 4.5
    above_mos: float = 3.6  # again well from here on; above `below_mos`


class RecordingMode(StrEnum):
    """Which calls are recorded."""

    NEVER = "never"
    CONSENT = "consent"  # those of sessions in which both participants have consented
    ALWAYS = "always"


class RecordingNotice(StrEnum):
    """What both sides hear before a recorded talk: the sound files below ``maskline/``."""

    PLAIN = "recorded"
    QUALITY = "recorded-for-quality"


@dataclass(frozen=True, slots=True)
class RecordingRules:
    """Whether talks are recorded. They never are unless both sides heard the notice in full."""

    mode: RecordingMode = RecordingMode.NEVER
    retention: timedelta = timedelta(days=30)  # 1 to 3,650 days, from the call's end
    announcement: RecordingNotice = RecordingNotice.PLAIN


@dataclass(frozen=True, slots=True)
class PoolRules:
    """All of it."""

    numbers: NumberRules = NumberRules()
    strangers: StrangerRules = StrangerRules()
    listings: ListingRules = ListingRules()
    ending: EndingRules = EndingRules()
    hook: HookRules | None = None
    app: AppRules = AppRules()
    push: PushRules | None = None
    caps: CapRules = CapRules()
    handover: HandoverRules = HandoverRules()
    recording: RecordingRules = RecordingRules()


@dataclass(frozen=True, slots=True)
class PoolSecrets:
    """What belongs to the rules but is kept sealed and opened only when it is needed."""

    static: Phone | None = field(default=None, repr=False)  # where `Stranger.STATIC` leads
    hook_secret: str | None = field(default=None, repr=False)  # Standard Webhooks, whsec_...
    push_secret: str | None = field(default=None, repr=False)  # the same, of the push
