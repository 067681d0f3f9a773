"""Listing numbers: what a listing shows to people we do not know, and what becomes of it.

Pure: who stores it, and which places are taken at the moment, is none of its business. A *place* is
a proxy number with the digits typed after it; each place is of one listing at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from masking.errors import ListingNumberOver, PhoneMissing, TtlOutOfRange
from masking.lifecycle import MAX_TTL, MIN_TTL
from masking.model import ChannelPolicy, Lease, Listing, Participant, ProxyNumber, Role, Session
from masking.rules import ListingRules


class ListingState(StrEnum):
    """What a listing number does at a moment: it takes new callers (`live`) or none."""

    LIVE = "live"
    CLOSED = "closed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a listing shows another number."""

    after: timedelta | None = None  # it was shown so long; None: not by time
    after_callers: int | None = None  # it brought so many new callers; None: not by count


@dataclass(frozen=True, slots=True)
class Shown:
    """A number that the listing shows, or showed and still answers."""

    number: ProxyNumber
    extension: str  # digits typed after the number; "" where none are
    shown_at: datetime
    hidden_at: datetime | None = None
    callers: int = 0  # new callers it brought


@dataclass(frozen=True, slots=True)
class ListingNumber:
    """A listing that strangers may call, and the one they reach."""

    id: str
    listing: Listing
    pool: str
    callee: Participant  # the seller, with a phone
    created_at: datetime
    expires_at: datetime
    shown: Shown | None  # what it shows, or showed last; of a number that is asked about: that one
    closed_at: datetime | None = None
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM
    rotation: Rotation = Rotation()

    def state(self, now: datetime) -> ListingState:
        """`closed` wins over `expired`: it says what the platform did."""
        if self.closed_at is not None and self.closed_at <= now:
            return ListingState.CLOSED
        return ListingState.EXPIRED if self.expires_at <= now else ListingState.LIVE

    def live(self, now: datetime) -> bool:
        """Whether new callers reach it at `now`."""
        return self.state(now) is ListingState.LIVE


@dataclass(frozen=True, slots=True)
class ListingDraft:
    """What a platform asks for, with the phone already read; `check` says whether it may be."""

    listing: Listing
    callee: Participant
    pool: str
    ttl: timedelta
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM
    rotation: Rotation | None = None  # None: as the pool's rules have it


class LinkRefusal(StrEnum):
    """Why a caller whom we do not know is not put through to a listing's seller."""

    OVER = "over"  # the listing ended, or its number shows another one by now
    TOO_MANY = "too_many"  # they called as many listings for the first time as a day allows
    OWN_LISTING = "own_listing"  # the seller calls their own listing
    PROXY_CALLER = "proxy_caller"  # the caller's number is one of ours: a circle
    BLOCKED = "blocked"  # the seller blocked them before
    EXHAUSTED = "exhausted"  # the pool has no number left for the seller to see


@dataclass(frozen=True, slots=True)
class Link:
    """A caller's way to a seller."""

    session: Session
    lease: Lease  # the caller's, on the place dialled wherever that is free for them
    opened: bool  # by this call; False: they had talked about this listing before


def check(draft: ListingDraft) -> None:
    """Raise a child of InvalidInput unless `draft` may be a listing number."""
    if draft.callee.phone is None:
        raise PhoneMissing("the seller has no phone: send it", field="seller.phone")
    if not MIN_TTL <= draft.ttl <= MAX_TTL:
        raise TtlOutOfRange(field="ttl_s")


def begin(draft: ListingDraft, rules: ListingRules, *, new_id: str, now: datetime) -> ListingNumber:
    """The listing number of `draft`, which shows nothing yet. Raises what `check` raises."""
    check(draft)
    usual = Rotation(rules.rotate_after, rules.rotate_after_callers)
    return ListingNumber(
        id=new_id,
        listing=draft.listing,
        pool=draft.pool,
        callee=draft.callee,
        created_at=_whole_ms(now),
        expires_at=_whole_ms(now) + draft.ttl,
        shown=None,
        channel_policy=draft.channel_policy,
        rotation=usual if draft.rotation is None else draft.rotation,
    )


def extend(number: ListingNumber, expires_at: datetime, now: datetime) -> ListingNumber:
    """Let it end at another time, 60 s to 365 days from `now`.

    Raises TtlOutOfRange, ListingNumberOver: what is over is not revived, for another listing may
    show its number.
    """
    must_live(number, now)
    if not MIN_TTL <= expires_at - now <= MAX_TTL:
        raise TtlOutOfRange(field="expires_at")
    return replace(number, expires_at=_whole_ms(expires_at))


def close(number: ListingNumber, now: datetime) -> ListingNumber:
    """End it now. One that is over stays as it is."""
    return replace(number, closed_at=_whole_ms(now)) if number.live(now) else number


def must_live(number: ListingNumber, now: datetime) -> None:
    """Raise ListingNumberOver unless new callers reach it at `now`."""
    if not number.live(now):
        raise ListingNumberOver


def reached(number: ListingNumber, rest: timedelta, now: datetime) -> bool:
    """Whether new callers of the place in `number.shown` reach the listing.

    A place that is no longer shown goes on reaching it while it rests, that is for `rest` or until
    another listing wants the place.
    """
    if number.shown is None or not number.live(now):
        return False
    hidden_at = number.shown.hidden_at
    return hidden_at is None or now < hidden_at + rest


def same_conversation(number: ListingNumber, session: Session, caller: Role) -> bool:
    """Whether `session` is already what a new caller of `number` would get.

    That is, a talk with the same seller on the same phone about the same listing; `caller` is the
    caller's role in it.
    """
    other = session.other(caller)
    about = session.listing.id if session.listing is not None else None
    seller = (number.callee.user_id, number.callee.phone, number.listing.id)
    return (other.user_id, other.phone, about) == seller


def due_at(rotation: Rotation, shown_at: datetime) -> datetime | None:
    """When a number shown since `shown_at` has been shown long enough; None: never by time."""
    return None if rotation.after is None else shown_at + rotation.after


def full(rotation: Rotation, callers: int) -> bool:
    """Whether a number has brought as many new callers as it is shown for."""
    return rotation.after_callers is not None and callers >= rotation.after_callers


def caller_role(callee: Role) -> Role:
    """The role of whoever calls a listing: buyer, unless that is what the callee is."""
    return Role.SELLER if callee is Role.BUYER else Role.BUYER


def extension(length: int, entropy: Callable[[int], bytes]) -> str:
    """So many digits at random: whoever mistypes one hardly ever reaches another listing."""
    return f"{int.from_bytes(entropy(8)) % 10**length:0{length}}"


def _whole_ms(at: datetime) -> datetime:
    """Cut to what is stored, so that a value made here equals the one read back."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
