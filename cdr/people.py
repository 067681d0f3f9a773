"""Who stands on the two sides of calls: read from their sessions when the calls are recorded.

Reads ids, roles and cards only; a phone is never touched.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Row, select, type_coerce

from cdr.model import CameBy
from masking.funnel import Variant
from masking.model import Card, Listing, Role
from storage.columns import from_ms
from storage.dialect import one_of
from storage.prepared import Prepared
from storage.schema import participants, sessions


@dataclass(frozen=True, slots=True)
class Person:
    """A participant without the phone."""

    role: Role
    user_id: str
    card: Card


@dataclass(frozen=True, slots=True)
class Parties:
    """What a session says of its calls."""

    conversation_id: str
    listing: Listing | None
    people: tuple[Person, Person]  # in the order of their positions in the session
    pool: str = ""
    until: datetime | None = None  # the session is open so long; None: not known
    variant: Variant | None = None  # what its people had to call with; None: not said

    def position(self, role: Role | None) -> int | None:
        """Where in the session the participant stands."""
        return next((n for n, one in enumerate(self.people) if one.role is role), None)

    def variant_of(self, came_by: CameBy | None) -> Variant:
        """What a call was made with: as the platform said, else as it came."""
        if self.variant is not None:
            return self.variant
        shown = came_by in (None, CameBy.GSM)
        return Variant.SHOWN_NUMBER if shown else Variant.CALL_BUTTON

    def sides(self, caller: Role | None) -> tuple[Person | None, Person | None]:
        """Caller and callee, where `caller` says who called; (None, None) if it names neither."""
        first, second = self.people
        if caller is first.role:
            return first, second
        return (second, first) if caller is second.role else (None, None)


_PEOPLE: Final = Prepared(
    select(
        sessions.c.id,
        sessions.c.conversation_id,
        sessions.c.listing_id,
        sessions.c.listing_title,
        sessions.c.listing_category,
        sessions.c.variant,
        sessions.c.pool,
        type_coerce(sessions.c.expires_at, BigInteger).label("expires_ms"),
        type_coerce(sessions.c.closed_at, BigInteger).label("closed_ms"),
        participants.c.role,
        participants.c.user_id,
        participants.c.name,
        participants.c.rating,
        participants.c.facts,
    )
    .join_from(sessions, participants, participants.c.session_id == sessions.c.id)
    .where(one_of(sessions.c.id, "wanted"))
    .order_by(sessions.c.id, participants.c.position)
)


def parties_of(conn: Connection, session_ids: Collection[str]) -> dict[str, Parties]:
    """The parties of these sessions, by session id; sessions that are gone are left out."""
    found: dict[str, Parties] = {}
    if not session_ids:
        return found
    rows = _PEOPLE.rows(conn, {"wanted": sorted(session_ids)})
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        about = (first.listing_id, first.listing_title, first.listing_category)
        listing = Listing(*about) if first.listing_id else None
        found[first.id] = Parties(
            first.conversation_id,
            listing,
            (_person(first), _person(second)),
            first.pool,
            from_ms(first.closed_ms or first.expires_ms),
            None if first.variant is None else Variant(first.variant),
        )
    return found


_ROLES: Final = MappingProxyType({role.value: role for role in Role})


def _person(row: Row[*tuple[Any, ...]]) -> Person:
    facts = tuple([(key, value) for key, value in row.facts]) if row.facts else ()
    return Person(_ROLES[row.role], row.user_id, Card(row.name, row.rating, facts))
