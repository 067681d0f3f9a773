"""Sessions as rows: the one query that reads whole sessions, and how its rows become values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Row, Select, and_, exists, null, select

from masking.funnel import Variant
from masking.model import (
    Card,
    ChannelPolicy,
    Lease,
    Listing,
    NumberState,
    Participant,
    Phone,
    ProxyNumber,
    Role,
    Session,
    TtlFrom,
)
from storage.schema import blocks, leases, numbers, participants, sessions
from storage.vault import Vault

OWN: Final = 0
"""The slot of the lease of a participant's own phone; enrolled ones come after it."""

_other = participants.alias("other")
_between: Final = (
    select(_other.c.user_id)
    .where(
        _other.c.session_id == participants.c.session_id,
        _other.c.position != participants.c.position,
    )
    .correlate(participants)
    .scalar_subquery()
)

BLOCKS_OTHER: Final = (
    exists()
    .where(blocks.c.user_id == participants.c.user_id, blocks.c.blocked_user_id == _between)
    .correlate(participants)
    .label("blocks_other")
)
"""Column for a query over participants: this one has blocked the other one of the session."""

SIDES: Final = (
    sessions.join(participants, participants.c.session_id == sessions.c.id)
    .outerjoin(
        leases,
        and_(
            leases.c.session_id == participants.c.session_id,
            leases.c.position == participants.c.position,
            leases.c.slot == OWN,
        ),
    )
    .outerjoin(numbers, numbers.c.id == leases.c.number_id)
)
"""Two rows a session, one a side."""

_OF_SIDE: Final = (
    sessions,
    participants.c.position,
    participants.c.role,
    participants.c.user_id,
    participants.c.phone_sealed,
    participants.c.name,
    participants.c.rating,
    participants.c.facts,
    participants.c.recording_consent,
)
_OF_NUMBER: Final = (
    numbers.c.id.label("number_id"),
    numbers.c.e164,
    numbers.c.pool.label("number_pool"),
    numbers.c.trunk,
    numbers.c.state.label("number_state"),
)
COLUMNS: Final = (
    *_OF_SIDE,
    leases.c.expires_at.label("lease_expires_at"),
    leases.c.reserved_until,
    leases.c.extension,
    leases.c.pin,
    leases.c.why,
    *_OF_NUMBER,
)
HELD: Final = leases.alias("held")
HELD_SIDES: Final = (
    HELD.join(sessions, sessions.c.id == HELD.c.session_id)
    .join(participants, participants.c.session_id == sessions.c.id)
    .outerjoin(numbers, numbers.c.id == participants.c.number_id)
)
"""Two rows for a lease that is held: the sides of its session, without a look at their leases."""

HELD_COLUMNS: Final = (
    *_OF_SIDE,
    HELD.c.expires_at.label("lease_expires_at"),
    HELD.c.reserved_until,
    HELD.c.extension,
    null().label("pin"),
    null().label("why"),
    *_OF_NUMBER,
)
"""As `COLUMNS`, where `HELD` is the own lease of one side: those of both end together.

What stands for the other side's extension is not theirs, and nobody's PIN is read.
"""


def sides() -> Select[Any]:
    """A query for the sides of sessions, to be narrowed and sorted."""
    return select(*COLUMNS).select_from(SIDES)


def sessions_of(rows: Iterable[Row[Any]], vault: Vault | None) -> tuple[Session, ...]:
    """Sessions from rows sorted by session and position.

    Without a vault the phones stay sealed and are None. Raises SealBroken.
    """
    grouped = groupby(rows, key=lambda row: row.id)
    return tuple(session_of(tuple(two), vault) for _, two in grouped)


def session_of(two: tuple[Row[Any], ...], vault: Vault | None) -> Session:
    """The session in its two rows, sorted by position. Raises SealBroken."""
    first, second = two
    return Session(
        id=first.id,
        conversation_id=first.conversation_id,
        pool=first.pool,
        participants=(_participant(first, vault), _participant(second, vault)),
        created_at=first.created_at,
        expires_at=first.expires_at,
        listing=None
        if first.listing_id is None
        else Listing(first.listing_id, first.listing_title, first.listing_category),
        channel_policy=ChannelPolicy(first.channel_policy),
        closed_at=first.closed_at,
        leases=tuple(_lease(row) for row in two if row.number_id is not None),
        ttl_from=TtlFrom(first.ttl_from),
        ttl=timedelta(seconds=first.ttl_s),
        hard_expires_at=first.hard_expires_at,
        last_call_at=first.last_call_at,
        closed_why=first.closed_why,
        listing_number_id=first.listing_number_id,
        conversation_held=first.conversation_held,
        variant=None if first.variant is None else Variant(first.variant),
    )


def session_row(session: Session, pair_index: bytes | None = None) -> dict[str, Any]:
    """The row of `sessions`; `pair_index` is that of both phones together."""
    listing = session.listing
    return {
        "id": session.id,
        "conversation_id": session.conversation_id,
        "pool": session.pool,
        "listing_id": listing.id if listing else None,
        "listing_title": listing.title if listing else None,
        "listing_category": listing.category if listing else None,
        "variant": None if session.variant is None else session.variant.value,
        "channel_policy": session.channel_policy.value,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "closed_at": session.closed_at,
        "closed_why": session.closed_why,
        "ttl_from": session.ttl_from.value,
        "ttl_s": session.ttl // timedelta(seconds=1),
        "hard_expires_at": session.hard_expires_at,
        "last_call_at": session.last_call_at,
        "noticed_at": None,
        "pair_index": pair_index,
        "listing_number_id": session.listing_number_id,
        "conversation_held": session.conversation_held,
        "contact_at": None,
        "contact_variant": None,
        "contact_reached": None,
    }


def participant_rows(session: Session, vault: Vault) -> list[dict[str, Any]]:
    """The rows of `participants`."""
    return [
        {
            "session_id": session.id,
            "position": position,
            "role": one.role.value,
            "user_id": one.user_id,
            "phone_sealed": None if one.phone is None else vault.seal(one.phone),
            "name": one.card.name,
            "rating": one.card.rating,
            "facts": one.card.facts,
            "recording_consent": one.recording_consent,
            "number_id": None if (lease := session.lease(one.role)) is None else lease.number.id,
        }
        for position, one in enumerate(session.participants)
    ]


def lease_rows(
    session: Session, indexes: tuple[bytes | None, bytes | None]
) -> list[dict[str, Any]]:
    """The rows of `leases`, sorted by `indexes`.

    Everyone who inserts leases takes the phones in this order, so that two who wait for each
    other's rows cannot wait in a circle.
    """
    rows = []
    for position, (one, index) in enumerate(zip(session.participants, indexes, strict=True)):
        lease = session.lease(one.role)
        if lease is not None and index is not None:
            rows.append(
                {
                    "session_id": session.id,
                    "position": position,
                    "slot": OWN,
                    "number_id": lease.number.id,
                    "phone_index": index,
                    "extension": lease.extension,
                    "pin": lease.pin,
                    "once": False,
                    "since": session.created_at,
                    "why": dict(lease.why) or None,
                    "expires_at": lease.expires_at,
                    "reserved_until": lease.reserved_until,
                    "active": True,
                }
            )
    return sorted(rows, key=lambda row: row["phone_index"])


def _participant(row: Row[Any], vault: Vault | None) -> Participant:
    sealed = row.phone_sealed
    phone: Phone | None = None if sealed is None or vault is None else vault.open(sealed)
    facts = tuple((name, value) for name, value in row.facts or ())
    card = Card(row.name, row.rating, facts)
    return Participant(
        Role(row.role), row.user_id, phone, card, recording_consent=bool(row.recording_consent)
    )


def _lease(row: Row[Any]) -> Lease:
    number = ProxyNumber(
        id=row.number_id,
        e164=Phone(row.e164),
        pool=row.number_pool,
        trunk=row.trunk,
        state=NumberState(row.number_state),
    )
    return Lease(
        row.id,
        Role(row.role),
        number,
        row.lease_expires_at,
        row.reserved_until,
        extension=row.extension,
        pin=row.pin,
        why=tuple((row.why or {}).items()),
    )
