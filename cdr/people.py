"""Who stands on the two sides of calls: read from their sessions when the calls are recorded.

Reads ids, roles and cards only; a phone is never touched.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select

from masking.model import Card, Listing, Role
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
    people: tuple[Person, Person]

    def sides(self, caller: Role | None) -> tuple[Person | None, Person | None]:
        """Caller and callee, where `caller` says who called; (None, None) if it names neither."""
        first, second = self.people
        if caller is first.role:
            return first, second
        return (second, first) if caller is second.role else (None, None)


_PEOPLE = (
    select(
        sessions.c.id,
        sessions.c.conversation_id,
        sessions.c.listing_id,
        sessions.c.listing_title,
        participants.c.role,
        participants.c.user_id,
        participants.c.name,
        participants.c.rating,
        participants.c.facts,
    )
    .join_from(sessions, participants, participants.c.session_id == sessions.c.id)
    .order_by(sessions.c.id, participants.c.position)
)


def parties_of(conn: Connection, session_ids: Collection[str]) -> dict[str, Parties]:
    """The parties of these sessions, by session id; sessions that are gone are left out."""
    found: dict[str, Parties] = {}
    if not session_ids:
        return found
    rows = conn.execute(_PEOPLE.where(sessions.c.id.in_(sorted(session_ids))))
    for session_id, both in groupby(rows, key=lambda row: row.id):
        first, second = both
        listing = Listing(first.listing_id, first.listing_title) if first.listing_id else None
        found[session_id] = Parties(
            first.conversation_id, listing, (_person(first), _person(second))
        )
    return found


def _person(row: Row[*tuple[Any, ...]]) -> Person:
    facts = tuple((key, value) for key, value in row.facts or ())
    return Person(Role(row.role), row.user_id, Card(row.name, row.rating, facts))
