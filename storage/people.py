"""Who a person is to the database: the user ids and phones under which anything is kept of them.

Starts from a user id or from a phone. A phone leads to users only as its owner's: whoever enrolled
it as another phone of theirs is somebody else. Reads; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, select

from masking.model import Phone
from storage.errors import SealBroken
from storage.personal import ERASED_USER
from storage.schema import leases, listing_numbers, participants
from storage.session_rows import OWN
from storage.vault import Vault

_MOST: Final = 10_000  # sessions whose phones are looked at: a phone seldom changes


@dataclass(frozen=True, slots=True)
class Person:
    """All by which somebody is known here."""

    user_ids: tuple[str, ...]  # the platform's before those that we gave
    indexes: tuple[bytes, ...]  # of their phones

    def text(self) -> str:
        """To be sealed; `Person.of_text` reads it."""
        return json.dumps([self.user_ids, [one.hex() for one in self.indexes]])

    @classmethod
    def of_text(cls, text: str) -> Person:
        """What `text` made."""
        users, indexes = json.loads(text)
        return cls(tuple(users), tuple(bytes.fromhex(one) for one in indexes))


def of_user(conn: Connection, vault: Vault, user_id: str) -> Person:
    """The person with this user id, known here or not. Phones that do not open are passed over."""
    indexes = {vault.index(phone) for phone in phones_of(conn, vault, (user_id,))}
    theirs = and_(
        leases.c.session_id == participants.c.session_id,
        leases.c.position == participants.c.position,
    )
    enrolled = (
        select(leases.c.phone_index)
        .join_from(participants, leases, theirs)
        .where(participants.c.user_id == user_id)
        .distinct()
        .limit(_MOST)
    )
    return Person((user_id,), tuple(sorted(indexes.union(conn.scalars(enrolled)))))


def of_phone(conn: Connection, vault: Vault, phone: Phone) -> Person:
    """Whoever has this phone; several users, where it is several people's.

    Known callers of listings, whom we named ourselves by the phone, are among them.
    """
    index = vault.index(phone)
    owner = and_(
        participants.c.session_id == leases.c.session_id,
        participants.c.position == leases.c.position,
        leases.c.slot == OWN,
    )
    query = select(participants.c.user_id).join_from(leases, participants, owner).distinct()
    found = {one for which in held_by((index,)) for one in conn.scalars(query.where(which))}
    found |= set(
        conn.scalars(
            select(listing_numbers.c.user_id).where(listing_numbers.c.phone_index == index)
        )
    )
    found.discard(ERASED_USER)
    named = f"caller:{vault.pseudonym(phone)}"
    ids = (*sorted(found - {named}), named)
    indexes = {index}.union(*(of_user(conn, vault, one).indexes for one in ids))
    return Person(ids, tuple(sorted(indexes)))


def held_by(indexes: Collection[bytes]) -> tuple[Any, ...]:
    """Conditions that together find all leases of these phones, each by its partial index."""
    theirs = leases.c.phone_index.in_(indexes)
    return (and_(leases.c.active, theirs), and_(~leases.c.active, theirs))


def of_platform(person: Person) -> tuple[str, ...]:
    """Those of the ids that the platform gave."""
    return tuple(one for one in person.user_ids if not one.startswith("caller:"))


def phones_of(conn: Connection, vault: Vault, user_ids: Iterable[str]) -> frozenset[Phone]:
    """The phones that these users have, and had, here."""
    wanted = sorted(user_ids)
    queries: tuple[Select[Any], ...] = (
        select(participants.c.phone_sealed)
        .where(participants.c.user_id.in_(wanted), participants.c.phone_sealed.is_not(None))
        .order_by(participants.c.session_id.desc())
        .limit(_MOST),
        select(listing_numbers.c.phone_sealed)
        .where(listing_numbers.c.user_id.in_(wanted))
        .limit(_MOST),
    )
    found: set[Phone] = set()
    for query in queries:
        for sealed in conn.scalars(query):
            try:
                found.add(vault.open(sealed))
            except SealBroken:
                continue
    return frozenset(found)
