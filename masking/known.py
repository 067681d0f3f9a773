"""What is known about an offer, and what can be asked or has to be done because of it. Values only.

A fact may be missing: then nobody is put through because of it. Enquiries name what has to be found
out before there is a decision, deeds what has to be written together with it; who carries them out
does so in one transaction with the facts that they follow from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from masking.caps import NOTHING_TAKEN, Taken
from masking.listing import Link, LinkRefusal, ListingNumber
from masking.model import (
    Lease,
    LeaseState,
    Participant,
    Phone,
    Pool,
    ProxyNumber,
    Role,
    Session,
    SessionState,
)
from masking.plan import RefusalReason
from masking.switches import DEFAULT_SWITCHES, Switches
from masking.trunks import Trunk

OWN_SLOT = 0
"""The place of a participant's own phone among the phones that may call as them."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease with its session: who may call as whom. `repr` never shows the phone."""

    lease: Lease
    session: Session
    phone: Phone | None = field(repr=False)  # for which it was looked up; None: by PIN or platform
    blocked: bool = False  # one of the two has blocked the other
    slot: int = OWN_SLOT  # from 1: a phone that was enrolled for the participant
    once: bool = False  # enrolled for one call

    @property
    def holder(self) -> Participant | None:
        """As whom the caller calls; None where lease and session do not belong together."""
        if self.lease.session_id != self.session.id:
            return None
        sides = self.session.participants
        return next((one for one in sides if one.role is self.lease.role), None)

    def live(self, now: datetime) -> bool:
        """Whether it carries calls."""
        return self.lease.state(now) is LeaseState.LIVE and self.open(now)

    def open(self, now: datetime) -> bool:
        """Whether its session permits calls."""
        return self.session.state(now) is SessionState.OPEN

    def active(self, now: datetime) -> bool:
        """Whether it is live or cools down."""
        return self.lease.state(now) is not LeaseState.FREE


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong PINs in a row: of a caller on a number, or of all withheld ones of a trunk on it."""

    failed: int = 0
    at: datetime | None = None  # of the last one
    locked_until: datetime | None = None


class Answer(StrEnum):
    """What the platform said when it was asked about a caller."""

    REFUSE = "refuse"
    CONTINUE = "continue"  # with what the pool's rules give such a caller
    CONNECT = "connect"
    SILENT = "silent"  # nothing in time, or nothing that makes sense


@dataclass(frozen=True, slots=True)
class Told:
    """The platform's answer."""

    answer: Answer
    reached: Held | None = None  # CONNECT: as whom the caller calls, in a session that exists
    conversation_id: str | None = None  # CONTINUE with a listing's caller: the name of the new one


@dataclass(frozen=True, slots=True)
class AppCaller:
    """As whom an app calls, or the one rung first: a participant of the session that is called."""

    session: Session
    role: Role
    until: datetime | None  # its credential is good before it; None: none was needed
    blocked: bool = False  # one of the two has blocked the other


@dataclass(frozen=True, slots=True)
class Callee:
    """What is known of the one to be reached, beyond the session."""

    session_id: str
    role: Role
    user_id: str = ""
    switches: Switches = DEFAULT_SWITCHES
    opted_in: bool = False  # of a company: for the session's listing
    zone: tzinfo = UTC  # of the quiet hours
    app_until: datetime | None = None  # when the last credential ever given expires; None: no app
    devices: tuple[str, ...] = ()  # user names of devices that are registered
    taken: Taken = NOTHING_TAKEN  # what the caller has had of what caps allow


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """All that is known about an offer when it is decided."""

    number: ProxyNumber | None = None  # None: none of ours
    pool: Pool | None = None  # of the number
    held: tuple[Held, ...] = ()  # the caller's on the number: live and cooling
    over: Held | None = None  # where there is none of these: the last one
    trunks: tuple[Trunk, ...] = ()  # all of them; the order is of no account
    # What the place shows that was dialled: the number with the extension typed so far.
    shown: ListingNumber | None = None
    shares: bool = False  # the number shows listings that are told apart by extension
    by_pin: Held | None = None  # whose PIN on the number the digits are
    longest_pin: int = 0  # digits of the longest PIN on the number
    tries: Tries = Tries()
    static: Phone | None = field(default=None, repr=False)  # the pool's fixed destination
    told: Told | None = None  # None: the platform has not been asked
    link: Link | LinkRefusal | None = None  # None: it was not tried to open one
    via_app: AppCaller | None = None  # None: by a trunk, or no participant of what was called
    callee: Callee | None = None  # None: it has not been looked who it is


class Why(StrEnum):
    """Why the platform is asked."""

    UNKNOWN_CALLER = "unknown_caller"
    WITHHELD_CALLER = "withheld_caller"
    COOLING = "cooling"
    LISTING_CALLER = "listing_caller"


@dataclass(frozen=True, slots=True)
class AskPlatform:
    """Ask the platform's hook, then decide with `RoutingFacts.told`."""

    why: Why
    held: Held | None = None  # the lease that cools
    listing: ListingNumber | None = None  # the one that is called


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Give the caller a way to the listing's seller, then decide with `RoutingFacts.link`."""

    listing: ListingNumber
    extension: str  # of the place that was dialled
    conversation_id: str | None


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look up the one to be reached, then decide with `RoutingFacts.callee`."""

    session: Session
    caller: Role


Enquiry = AskPlatform | OpenLink | LookUp


@dataclass(frozen=True, slots=True)
class CountWrong:
    """A wrong PIN was typed."""

    failed: int  # in a row, with this one
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class ForgetWrong:
    """The right PIN was typed: the row of wrong ones is over."""


@dataclass(frozen=True, slots=True)
class Enrol:
    """Know the caller's phone from now on as one of the participant's."""

    session_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class UseUp:
    """The phone was enrolled for one call, and this is the call."""

    session_id: str
    role: Role
    slot: int


Deed = CountWrong | ForgetWrong | Enrol | UseUp

LINK_REFUSALS = {
    LinkRefusal.OVER: RefusalReason.UNKNOWN_CALLER,
    LinkRefusal.TOO_MANY: RefusalReason.TOO_MANY_LISTINGS,
    LinkRefusal.OWN_LISTING: RefusalReason.UNKNOWN_CALLER,
    LinkRefusal.PROXY_CALLER: RefusalReason.UNKNOWN_CALLER,
    LinkRefusal.BLOCKED: RefusalReason.BLOCKED,
    LinkRefusal.EXHAUSTED: RefusalReason.POOL_EXHAUSTED,
}
