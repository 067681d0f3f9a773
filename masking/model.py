"""The nouns of the domain, as frozen values.

A value never checks the world, only itself; what may be done with it is decided by the functions
of the neighbouring modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from masking.funnel import Variant
from masking.rules import Phone, PoolRules

__all__ = [
    "Card",
    "ChannelPolicy",
    "Language",
    "Lease",
    "LeaseState",
    "Listing",
    "NumberState",
    "Participant",
    "Phone",
    "Pool",
    "ProxyNumber",
    "Role",
    "Session",
    "SessionState",
    "TtlFrom",
]


class Role(StrEnum):
    """Which side of a session a participant stands on."""

    BUYER = "buyer"
    SELLER = "seller"
    COURIER = "courier"
    SUPPORT = "support"


class ChannelPolicy(StrEnum):
    """Through what the callee may be reached."""

    APP_THEN_GSM = "app_then_gsm"
    APP_ONLY = "app_only"
    GSM_ONLY = "gsm_only"


class SessionState(StrEnum):
    """What a session permits at a moment: calls (`open`) or none."""

    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


class LeaseState(StrEnum):
    """What a lease does at a moment: it routes, it only warns late callers, or it binds nobody."""

    LIVE = "live"
    COOLING = "cooling"
    FREE = "free"


class NumberState(StrEnum):
    """Whether a proxy number may be given to new leases."""

    ACTIVE = "active"
    DRAINING = "draining"
    RESERVED = "reserved"  # only to those who ask for this very number


class TtlFrom(StrEnum):
    """From when a session's time to live counts."""

    CREATION = "creation"
    LAST_CALL = "last_call"  # every answered call begins it anew, up to the hard expiry


class Language(StrEnum):
    """The language of announcements."""

    RU = "ru"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Listing:
    """What the conversation is about, as the platform names it."""

    id: str
    title: str | None = None
    category: str | None = None  # what analytics counts it under


@dataclass(frozen=True, slots=True)
class Card:
    """What the other side sees instead of a number."""

    name: str | None = None
    rating: float | None = None  # 0.0 to 5.0
    facts: tuple[tuple[str, str], ...] = ()  # trust facts of the platform, in its order


@dataclass(frozen=True, slots=True)
class Participant:
    """One side of a session. `repr` never shows the phone."""

    role: Role
    user_id: str
    phone: Phone | None = field(repr=False)  # None: reachable in the app only
    card: Card = Card()
    recording_consent: bool = False  # their calls of this session may be recorded


@dataclass(frozen=True, slots=True)
class Pool:
    """A named set of proxy numbers with its rules."""

    name: str
    cool_down: timedelta = timedelta(days=7)  # 0 to 90 days
    language: Language = Language.RU
    ring_s: int = 40  # how long a callee's phone rings, 5 to 180
    max_call_s: int = 7200  # hard limit of a call, 60 to 86,400
    rules: PoolRules = field(default_factory=PoolRules)


@dataclass(frozen=True, slots=True)
class ProxyNumber:
    """A number of ours that stands in for a person."""

    id: int
    e164: Phone
    pool: str
    trunk: str
    state: NumberState = NumberState.ACTIVE
    # A listing shows it, or showed it lately. Filled in where numbers are chosen, else False.
    shown: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """This participant reaches this session through this proxy number."""

    session_id: str
    role: Role
    number: ProxyNumber
    expires_at: datetime  # live before it
    reserved_until: datetime  # cooling before it, free from it on
    extension: str = ""  # digits that follow the number; "" where none do
    pin: str | None = field(default=None, repr=False)  # by which another phone may call as them
    why: tuple[tuple[str, str], ...] = ()  # how the number was chosen, for operators

    def state(self, now: datetime) -> LeaseState:
        """What the lease does at `now`."""
        if now < self.expires_at:
            return LeaseState.LIVE
        return LeaseState.COOLING if now < self.reserved_until else LeaseState.FREE


@dataclass(frozen=True, slots=True)
class Session:
    """A permission for two participants to call each other until it expires or is closed."""

    id: str
    conversation_id: str
    pool: str
    participants: tuple[Participant, Participant]
    created_at: datetime
    expires_at: datetime
    listing: Listing | None = None
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM
    closed_at: datetime | None = None
    leases: tuple[Lease, ...] = ()  # at most one per participant: of their own phone
    ttl_from: TtlFrom = TtlFrom.CREATION
    ttl: timedelta = timedelta(0)
    hard_expires_at: datetime | None = None  # calls extend it no further
    last_call_at: datetime | None = None
    closed_why: str | None = None  # None: the platform asked
    listing_number_id: str | None = None  # by which the caller came
    conversation_held: bool = False  # its conversation has no name yet
    variant: Variant | None = None  # what its people had to call with, where the platform said so

    def state(self, now: datetime) -> SessionState:
        """`closed` wins over `expired`: it says what the platform did."""
        if self.closed_at is not None and self.closed_at <= now:
            return SessionState.CLOSED
        return SessionState.EXPIRED if self.expires_at <= now else SessionState.OPEN

    def participant(self, role: Role) -> Participant:
        """The participant in `role`. Raises KeyError if there is none."""
        for participant in self.participants:
            if participant.role is role:
                return participant
        raise KeyError(role)

    def other(self, role: Role) -> Participant:
        """The participant that `role` talks to. Raises KeyError if `role` is not in the session."""
        self.participant(role)
        first, second = self.participants
        return second if first.role is role else first

    def lease(self, role: Role) -> Lease | None:
        """The lease of the participant in `role`, if it has one."""
        return next((lease for lease in self.leases if lease.role is role), None)
