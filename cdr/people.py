"""Who stands on the two sides of calls: read from their sessions when the calls are recorded.

Reads ids, roles and cards only; a phone is never touched.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

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
    people: tuple[Person, ...]  # two

    def person(self, role: Role | None) -> Person | None:
        """The participant in `role`."""
        return next((person for person in self.people if person.role is role), None)

    def other(self, role: Role | None) -> Person | None:
        """The participant that `role` talks to."""
        if self.person(role) is None:
            return None
        return next((person for person in self.people if person.role is not role), None)


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
    for row in conn.execute(_PEOPLE.where(sessions.c.id.in_(sorted(session_ids)))):
        person = Person(
            Role(row.role),
            row.user_id,
            Card(row.name, row.rating, tuple((key, value) for key, value in row.facts or ())),
        )
        known = found.get(row.id)
        if known is None:
            listing = Listing(row.listing_id, row.listing_title) if row.listing_id else None
            found[row.id] = Parties(row.conversation_id, listing, (person,))
        else:
            found[row.id] = Parties(known.conversation_id, known.listing, (*known.people, person))
    return found
