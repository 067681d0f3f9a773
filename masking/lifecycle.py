"""The life of a session: what may be opened, how it is extended, what closing it leaves behind.

Pure: takes sessions and the time, gives sessions. Who stores them, and whether a number is still
free at that moment, is none of its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from masking.allocation import NO_WISH, Place, Wish
from masking.errors import (
    BeyondHardExpiry,
    HardTtlOutOfRange,
    NoCommonParticipant,
    PhoneMissing,
    SamePhone,
    SameRole,
    SameUser,
    SessionClosed,
    SessionExpired,
    TtlOutOfRange,
    WrongParticipants,
)
from masking.funnel import Variant
from masking.model import (
    ChannelPolicy,
    Lease,
    Listing,
    Participant,
    Pool,
    Role,
    Session,
    SessionState,
    TtlFrom,
)

MIN_TTL = timedelta(seconds=1)
MAX_TTL = timedelta(days=365)
RECYCLED = "recycled"


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """What a platform asks for, with phones already read; `check` says whether it may be."""

    conversation_id: str
    participants: tuple[Participant, ...]
    pool: str
    ttl: timedelta
    listing: Listing | None = None
    channel_policy: ChannelPolicy = ChannelPolicy.APP_THEN_GSM
    ttl_from: TtlFrom = TtlFrom.CREATION
    hard_ttl: timedelta | None = None  # from creation; nothing lets the session live longer
    more_pools: tuple[str, ...] = ()  # tried in order where `pool` has no number
    wishes: tuple[Wish, Wish] = (NO_WISH, NO_WISH)  # of the participants, in their order
    same_number_as: str | None = None  # a session; see `team_side`
    listing_number_id: str | None = None
    conversation_held: bool = False
    variant: Variant | None = None


def check(draft: SessionDraft) -> tuple[Participant, Participant]:
    """The two participants of `draft`, if it may be a session. Raises a child of InvalidInput."""
    match draft.participants:
        case (first, second):
            pass
        case _:
            raise WrongParticipants(field="participants")
    if first.role is second.role:
        raise SameRole(field="participants")
    if first.user_id == second.user_id:
        raise SameUser(field="participants")
    if first.phone is not None and first.phone == second.phone:
        raise SamePhone(field="participants")
    phones = (first.phone, second.phone)
    if draft.channel_policy is ChannelPolicy.GSM_ONLY and None in phones:
        raise PhoneMissing(field="participants")
    if not MIN_TTL <= draft.ttl <= MAX_TTL:
        raise TtlOutOfRange(field="ttl_s")
    if draft.hard_ttl is not None and not draft.ttl <= draft.hard_ttl <= MAX_TTL:
        raise HardTtlOutOfRange(field="hard_ttl_s")
    return first, second


def begin(
    draft: SessionDraft,
    pool: Pool,
    places: Sequence[Place | None],
    *,
    session_id: str,
    now: datetime,
) -> Session:
    """Open a session with a lease for each participant who has a phone.

    `places` are those of `allocation.choose`, in the order of the participants; None where there is
    no phone. Raises what `check` raises.
    """
    participants = check(draft)
    now = _whole_ms(now)
    expires_at = now + draft.ttl
    reserved_until = expires_at + pool.cool_down
    leases = tuple(
        Lease(
            session_id,
            participant.role,
            place.number,
            expires_at,
            reserved_until,
            extension=place.extension,
            pin=place.pin,
            why=place.why,
        )
        for participant, place in zip(participants, places, strict=True)
        if place is not None
    )
    return Session(
        id=session_id,
        conversation_id=draft.conversation_id,
        pool=pool.name,
        participants=participants,
        created_at=now,
        expires_at=expires_at,
        listing=draft.listing,
        channel_policy=draft.channel_policy,
        leases=leases,
        ttl_from=draft.ttl_from,
        ttl=draft.ttl,
        hard_expires_at=None if draft.hard_ttl is None else now + draft.hard_ttl,
        listing_number_id=draft.listing_number_id,
        conversation_held=draft.conversation_held,
        variant=draft.variant,
    )


def team_side(common: Session, participants: tuple[Participant, Participant]) -> tuple[int, Lease]:
    """How one who is in `common` and in a new session keeps the number by which they are known.

    In `common` the other side dials and sees some number: theirs, as it seems. The new other side
    is to have the same one: its position among `participants`, and the lease that says which.
    Raises NoCommonParticipant.
    """
    known = {one.user_id for one in common.participants}
    there = [one for one in participants if one.user_id in known]
    if len(there) != 1:
        raise NoCommonParticipant(field="same_number_as")
    me = there[0].user_id
    for lease in common.leases:
        if common.participant(lease.role).user_id != me:
            return (1 if participants[0].user_id == me else 0), lease
    raise NoCommonParticipant(field="same_number_as")


def recycle(session: Session, role: Role, *, cool_down: timedelta, now: datetime) -> Session:
    """Close an open session because the participant in `role` needs their place for a new one.

    Theirs is free at once; the other side's cools as after any end.
    """
    closed = close(session, cool_down=cool_down, now=now)
    leases = tuple(
        replace(lease, reserved_until=lease.expires_at) if lease.role is role else lease
        for lease in closed.leases
    )
    return replace(closed, leases=leases, closed_why=RECYCLED)


def extend(
    session: Session,
    expires_at: datetime | None,
    *,
    cool_down: timedelta,
    now: datetime,
    ttl: timedelta | None = None,
    ttl_from: TtlFrom | None = None,
) -> Session:
    """Give an open session another expiry, later or earlier, 60 s to 365 days from `now`.

    And another time to live, which counts for the calls to come; None leaves each as it is.
    Raises TtlOutOfRange, BeyondHardExpiry, SessionClosed, SessionExpired. A session that is over is
    not revived: its leases may be cooling, and what late callers were told has to stay true.
    """
    match session.state(now):
        case SessionState.OPEN if session.closed_at is None:
            pass
        case SessionState.OPEN | SessionState.CLOSED:  # closed, if by a clock ahead of ours
            raise SessionClosed
        case SessionState.EXPIRED:
            raise SessionExpired
        case never:
            assert_never(never)
    session = replace(session, ttl=ttl or session.ttl, ttl_from=ttl_from or session.ttl_from)
    if expires_at is None:
        return session
    if not MIN_TTL <= expires_at - now <= MAX_TTL:
        raise TtlOutOfRange(field="expires_at")
    expires_at = _whole_ms(expires_at)
    if session.hard_expires_at is not None and expires_at > session.hard_expires_at:
        raise BeyondHardExpiry(field="expires_at")
    return replace(
        session, expires_at=expires_at, leases=_ending(session.leases, expires_at, cool_down)
    )


def close(session: Session, *, cool_down: timedelta, now: datetime) -> Session:
    """End an open session now; its leases begin to cool. One that is over stays as it is.

    Also one that was closed by a clock ahead of ours: its places may be somebody else's by now.
    """
    if session.closed_at is not None or session.state(now) is not SessionState.OPEN:
        return session
    now = _whole_ms(now)
    return replace(session, closed_at=now, leases=_ending(session.leases, now, cool_down))


def call_ended(
    session: Session, ended_at: datetime, *, answered: bool, cool_down: timedelta
) -> Session:
    """Note a call of `session`; an answered one may begin its time to live anew.

    So it does for one that was up when the session expired: the caller of this makes sure that its
    leases bind their numbers still. A closed session stays closed.
    """
    ended_at = _whole_ms(ended_at)
    last = session.last_call_at
    session = replace(session, last_call_at=ended_at if last is None else max(last, ended_at))
    expires_at = expiry_after_call(session, ended_at, answered=answered)
    if expires_at == session.expires_at:
        return session
    return replace(
        session, expires_at=expires_at, leases=_ending(session.leases, expires_at, cool_down)
    )


class Term(Protocol):
    """The part of a session that says how long it lives."""

    @property
    def expires_at(self) -> datetime:
        """Its end as it stands."""

    @property
    def closed_at(self) -> datetime | None:
        """When the platform ended it, if it did."""

    @property
    def ttl_from(self) -> TtlFrom:
        """From when the time to live counts."""

    @property
    def ttl(self) -> timedelta:
        """How long it lives from then on."""

    @property
    def hard_expires_at(self) -> datetime | None:
        """Nothing moves its end beyond."""


def expiry_after_call(term: Term, ended_at: datetime, *, answered: bool) -> datetime:
    """When a session ends, now that a call of it ended at `ended_at`: never earlier than before."""
    if not answered or term.ttl_from is TtlFrom.CREATION or term.closed_at is not None:
        return term.expires_at
    until = ended_at + term.ttl
    if term.hard_expires_at is not None:
        until = min(until, term.hard_expires_at)
    return max(until, term.expires_at)


def _ending(leases: tuple[Lease, ...], at: datetime, cool_down: timedelta) -> tuple[Lease, ...]:
    return tuple(replace(lease, expires_at=at, reserved_until=at + cool_down) for lease in leases)


def _whole_ms(at: datetime) -> datetime:
    """Cut to what is stored, so that a value made here equals the one read back."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
