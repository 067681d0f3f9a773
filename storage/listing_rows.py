"""Listing numbers as rows: the one query that reads them whole, and how its rows become values."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, and_, select

from masking.listing import ListingNumber, Rotation, Shown
from masking.model import (
    Card,
    ChannelPolicy,
    Listing,
    NumberState,
    Participant,
    Phone,
    ProxyNumber,
    Role,
)
from storage.schema import listing_numbers, numbers, shown_numbers
from storage.vault import Vault

_SECOND: Final = timedelta(seconds=1)

COLUMNS: Final = (
    listing_numbers,
    shown_numbers.c.number_id,
    shown_numbers.c.extension,
    shown_numbers.c.shown_at,
    shown_numbers.c.hidden_at,
    shown_numbers.c.callers,
    numbers.c.e164,
    numbers.c.pool.label("number_pool"),
    numbers.c.trunk,
    numbers.c.state.label("number_state"),
)
"""A listing number with one of the places it shows or showed."""

_LAST: Final = and_(
    shown_numbers.c.listing_number_id == listing_numbers.c.id,
    shown_numbers.c.turn == listing_numbers.c.turn,
)


def with_last() -> Select[Any]:
    """A query for listing numbers with what they show, or showed last; to be narrowed."""
    return select(*COLUMNS).select_from(
        listing_numbers.outerjoin(shown_numbers, _LAST).outerjoin(
            numbers, numbers.c.id == shown_numbers.c.number_id
        )
    )


def with_place() -> Select[Any]:
    """A query for places that are taken, each with its listing number; to be narrowed."""
    return select(*COLUMNS).select_from(
        shown_numbers.join(
            listing_numbers, listing_numbers.c.id == shown_numbers.c.listing_number_id
        ).join(numbers, numbers.c.id == shown_numbers.c.number_id)
    )


def listing_number_of(row: Row[Any], vault: Vault | None) -> ListingNumber:
    """The listing number in a row of either query.

    Without a vault the phone stays sealed and is None. Raises SealBroken.
    """
    facts = tuple((name, value) for name, value in row.facts or ())
    after = row.rotate_after_s
    return ListingNumber(
        id=row.id,
        listing=Listing(row.listing_id, row.listing_title, row.listing_category),
        pool=row.pool,
        callee=Participant(
            Role(row.role),
            row.user_id,
            None if vault is None else vault.open(row.phone_sealed),
            Card(row.name, row.rating, facts),
        ),
        created_at=row.created_at,
        expires_at=row.expires_at,
        shown=None if row.number_id is None else _shown(row),
        closed_at=row.closed_at,
        channel_policy=ChannelPolicy(row.channel_policy),
        rotation=Rotation(
            None if after is None else timedelta(seconds=after), row.rotate_after_callers
        ),
    )


def listing_row(number: ListingNumber, phone: Phone, vault: Vault) -> dict[str, Any]:
    """The row of `listing_numbers`; `phone` is the callee's."""
    one = number.callee
    return {
        "id": number.id,
        "listing_id": number.listing.id,
        "listing_title": number.listing.title,
        "listing_category": number.listing.category,
        "pool": number.pool,
        "role": one.role.value,
        "user_id": one.user_id,
        "phone_sealed": vault.seal(phone),
        "phone_index": vault.index(phone),
        "name": one.card.name,
        "rating": one.card.rating,
        "facts": one.card.facts,
        "channel_policy": number.channel_policy.value,
        "created_at": number.created_at,
        "expires_at": number.expires_at,
        "closed_at": number.closed_at,
        "turn": 0,
    } | rotation_columns(number.rotation)


def rotation_columns(rotation: Rotation) -> dict[str, Any]:
    """The columns of `listing_numbers` that say when it shows another number."""
    return {
        "rotate_after_s": None if rotation.after is None else rotation.after // _SECOND,
        "rotate_after_callers": rotation.after_callers,
    }


def shown_row(
    number: ListingNumber, turn: int, shown: Shown, rotate_at: datetime | None
) -> dict[str, Any]:
    """The row of `shown_numbers` of what `number` shows from now on."""
    return {
        "listing_number_id": number.id,
        "turn": turn,
        "pool": number.pool,
        "number_id": shown.number.id,
        "extension": shown.extension,
        "shown_at": shown.shown_at,
        "hidden_at": None,
        "callers": shown.callers,
        "active": True,
        "free_from": number.expires_at,
        "rotate_at": rotate_at,
    }


def _shown(row: Row[Any]) -> Shown:
    number = ProxyNumber(
        id=row.number_id,
        e164=Phone(row.e164),
        pool=row.number_pool,
        trunk=row.trunk,
        state=NumberState(row.number_state),
    )
    return Shown(number, row.extension, row.shown_at, row.hidden_at, row.callers)
