"""Calls in which every filter finds some and misses some, and a filter in Python beside SQL's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import Connection, update

from cdr import records
from cdr.bands import worst_mos
from cdr.model import CallRecord, CameBy, Quality, Recording
from cdr.people import Parties, Person
from cdr.record_filter import Filter
from masking.ids import call_id
from masking.model import Card, Listing, Phone, Role, Session
from masking.outcome import EndedBy, Outcome
from masking.plan import Channel
from masking.rules import RecordingMode
from storage import Database
from storage.schema import call_tags, calls
from storage.vault import Vault
from tests.contract.api.recorded import record
from tests.support.storage import NOW, a_draft, a_person, a_vault, opened, stocked

CALLS = 300
NUMBERS = ("+74951110001", "+74951110002", "+74951110003")
TRUNKS = ("carrier-a", "carrier-b", "carrier-c")
NODES = ("n0123456789ab", "nfedcba987654")
CAUSES = (16, 17, 19, 21, 34)
LISTINGS = ("L-1", "L-2", "L-3")
TAGS = ("carrier", "refund")
STRANGER = Phone("+79990000001")


@dataclass(frozen=True, slots=True)
class Kept:
    """A call as it was written, and what is not in its record."""

    record: CallRecord
    session: Session | None
    stars: int | None
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[int, str]:
        return round(self.record.offered_at.timestamp() * 1000), self.record.call_id

    @property
    def conversation_id(self) -> str | None:
        return None if self.session is None else self.session.conversation_id

    @property
    def listing_id(self) -> str | None:
        listing = None if self.session is None else self.session.listing
        return None if listing is None else listing.id

    @property
    def users(self) -> tuple[str, ...]:
        return () if self.session is None else tuple(p.user_id for p in self.session.participants)

    @property
    def phones(self) -> tuple[Phone, ...]:
        if self.session is None:
            return (STRANGER,) if self.record.caller_index else ()
        return tuple(one.phone for one in self.session.participants if one.phone)


@dataclass(frozen=True, slots=True)
class Many:
    """What is in the database."""

    db: Database
    vault: Vault
    kept: tuple[Kept, ...]

    @classmethod
    async def made(cls, db: Database) -> Many:
        vault, chance = a_vault(), Random(81)
        await stocked(db, vault, 20)
        sessions = [
            await opened(
                db,
                vault,
                replace(
                    a_draft(
                        a_person(Role.BUYER, n % 4),
                        a_person(Role.SELLER, n % 3),
                        conversation=f"chat-{n % 5}",
                    ),
                    listing=Listing(LISTINGS[n % 3], "Lada Vesta"),
                ),
                rotation=n,
            )
            for n in range(8)
        ]
        kept = tuple(a_call(chance, vault, sessions, n) for n in range(CALLS))
        known = {one.id: parties(one) for one in sessions}

        def write(conn: Connection) -> None:
            put(conn, [(one.record, known.get(one.record.session_id or "")) for one in kept])
            for one in kept:
                if one.stars is not None:
                    mine = calls.c.call_id == one.record.call_id
                    conn.execute(update(calls).where(mine).values(stars=one.stars))
            by = {"at": NOW, "by_id": "stf_1", "by_name": "Olga"}
            rows = [
                {"call_id": one.record.call_id, "offered_at": one.record.offered_at, "tag": tag}
                for one in kept
                for tag in one.tags
            ]
            conn.execute(call_tags.insert(), [by | row for row in rows])

        await db.write(write)
        return cls(db, vault, kept)

    def matching(self, wanted: Filter) -> list[tuple[int, str]]:
        """What `wanted` asks for, newest first, as Python finds it."""
        found = [one.key for one in self.kept if meets(self.vault, one, wanted)]
        return sorted(found, reverse=True)


def put(conn: Connection, kept: Iterable[tuple[CallRecord, Parties | None]]) -> None:
    """Write records, without their place in a chain: it is nothing to a list."""
    nothing = dict.fromkeys(calls.c.keys())
    records.insert(conn, [nothing | records.row_of(one, NOW, known) for one, known in kept])


def parties(session: Session) -> Parties:
    first, second = (
        Person(one.role, one.user_id, Card(one.card.name)) for one in session.participants
    )
    return Parties(session.conversation_id, session.listing, (first, second))


def a_call(chance: Random, vault: Vault, sessions: list[Session], n: int) -> Kept:
    """The n-th call: of a session, or of a stranger; many are offered in the same millisecond."""
    session = chance.choice(sessions) if chance.random() < 0.9 else None
    outcome = chance.choice([Outcome.ANSWERED] * 6 + [*Outcome])
    made = record(n, None if session is None else session.id, outcome)
    at = NOW + timedelta(milliseconds=chance.randrange(CALLS // 2))
    talk_ms = chance.choice([0, 1, 4_999, 5_000, 29_999, 61_500, 3_600_000, 7_200_000])
    scores = [chance.choice([None, 1.0, 1.49, 2.51, 3.5, 4.3, 4.5]) for _ in range(2)]
    callers = [Role.BUYER, Role.SELLER]
    caller_role = None if session is None else chance.choice(callers)
    index = vault.index(STRANGER) if session is None and chance.random() < 0.7 else None
    changes: dict[str, Any] = {
        "node": chance.choice(NODES),
        "call_id": call_id("nany", str(n)),
        "offered_at": at,
        "caller_role": caller_role,
        "callee_role": None if caller_role is None else callers[caller_role is Role.BUYER],
        "caller_index": index,
        "number_in": chance.choice(NUMBERS),
        "number_out": chance.choice([None, *NUMBERS]),
        "trunk_in": chance.choice([None, *TRUNKS]),
        "trunk_out": chance.choice([None, *TRUNKS]),
        "channel": chance.choice([None, *Channel]),
        "came_by": chance.choice([None, *CameBy]),
        "cause": chance.choice([None, *CAUSES]),
        "ring_ms": chance.choice([0, 3_000, 15_000, 44_999, 60_000]),
        "talk_ms": talk_ms,
        "quality": tuple(
            Quality(side, score, score, 0, 0)
            for side, score in zip((EndedBy.CALLER, EndedBy.CALLEE), scores, strict=True)
        ),
        "recording": chance.choice(
            [
                None,
                None,
                Recording(RecordingMode.ALWAYS),
                Recording(RecordingMode.ALWAYS, started_at=at, ended_at=at, ms=900),
            ]
        ),
    }
    if chance.random() < 0.3:
        changes["legs"] = ()
    stars = chance.choice([None, None, None, 1, 3, 5])
    tags = chance.choice([(), (), (), TAGS[:1], TAGS[1:], TAGS])
    return Kept(replace(made, **changes), session, stars, tags)


def meets(vault: Vault, kept: Kept, wanted: Filter) -> bool:
    """Whether the call is asked for."""
    one = kept.record
    recorded = one.recording is not None and one.recording.has_audio
    return all(
        (
            wanted.session_id in (None, one.session_id),
            wanted.conversation_id in (None, kept.conversation_id),
            wanted.listing_id in (None, kept.listing_id),
            wanted.user_id is None or wanted.user_id in kept.users,
            wanted.phone_index in (None, *map(vault.index, kept.phones)),
            not wanted.outcomes or one.outcome in wanted.outcomes,
            not wanted.channels or one.channel in wanted.channels,
            not wanted.came_by or (one.came_by or CameBy.GSM) in wanted.came_by,
            wanted.number in (None, one.number_in, one.number_out),
            wanted.trunk in (None, one.trunk_in, one.trunk_out),
            wanted.node in (None, one.node),
            not wanted.causes or one.cause in wanted.causes,
            wanted.ring_ms.holds(one.ring_ms),
            wanted.talk_ms.holds(one.talk_ms),
            wanted.mos.holds(worst_mos(one.quality, one.legs)),
            wanted.recorded in (None, recorded),
            wanted.rated in (None, kept.stars is not None),
            wanted.stars.holds(kept.stars),
            wanted.tag is None or wanted.tag in kept.tags,
            wanted.since is None or one.offered_at >= wanted.since,
            wanted.until is None or one.offered_at < wanted.until,
        )
    )
