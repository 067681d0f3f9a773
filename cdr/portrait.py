"""Everything that is kept of a person, as it is given to them: section by section, page by page.

Of the other side of their sessions and calls there is what they were shown, the card, and nothing
else: no id, no phone, and no call that was kept from their sight. Their own phones only where it is
asked for. Reads; in constant memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Row, Select, Table, and_, or_, select

from cdr import records
from cdr.entries import callee_outcome
from cdr.missed import why
from cdr.model import CallRecord
from cdr.wording import wording
from masking.model import Language
from masking.outcome import EndedBy
from storage import audit, call_notes, complaints, erasures, recordings
from storage.columns import from_ms, to_ms
from storage.people import Person, phones_of
from storage.schema import (
    app_credentials,
    app_listings,
    app_users,
    blocks,
    call_log_entries,
    call_ratings,
    listing_numbers,
    participants,
    sessions,
)
from storage.vault import Vault

PAGE: Final = 200
Item = Mapping[str, Any]
_other: Final = participants.alias("other")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some items of a section, and where to go on; None: it is over."""

    items: list[Item]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document: a list, read page by page."""

    name: str
    read: Callable[[Connection, Vault, Person, str], Piece]


def summary(conn: Connection, vault: Vault, person: Person, now: datetime) -> Item:
    """What stands above the sections."""
    return {
        "person": vault.person_ref(person.user_ids[0]),
        "user_ids": list(person.user_ids),
        "generated_at": _text(now),
        "phones_kept": len(phones_of(conn, vault, person.user_ids)),
    }


def own_phones(conn: Connection, vault: Vault, person: Person) -> list[str]:
    """Their phones, in clear: for who is entitled to them."""
    return sorted(phones_of(conn, vault, person.user_ids))


@dataclass(frozen=True, slots=True)
class _Rows:
    """A section that is read row by row of a table, in the order of a key."""

    of: Column[str]  # whose a row is
    key: Column[Any]  # selected by `query`
    item: Callable[[Row[Any]], Item]
    query: Select[Any]

    def read(self, conn: Connection, _: Vault, person: Person, after: str) -> Piece:
        """Those after the key `after`."""
        since = int(after or 0) if isinstance(self.key.type, BigInteger) else after
        query = self.query.where(self.of.in_(person.user_ids), self.key > since)
        rows = conn.execute(query.order_by(self.key).limit(PAGE)).all()
        last = str(getattr(rows[-1], self.key.name)) if len(rows) == PAGE else None
        return Piece([self.item(row) for row in rows], last)


_SESSIONS: Final = (
    select(
        *participants.c["session_id", "role", "name", "rating", "facts"],
        *sessions.c[
            "conversation_id",
            "listing_id",
            "listing_title",
            "created_at",
            "expires_at",
            "closed_at",
            "last_call_at",
        ],
        _other.c.role.label("other_role"),
        _other.c.name.label("other_name"),
        _other.c.rating.label("other_rating"),
        _other.c.facts.label("other_facts"),
    )
    .join_from(participants, sessions, sessions.c.id == participants.c.session_id)
    .join(
        _other,
        and_(
            _other.c.session_id == participants.c.session_id,
            _other.c.position != participants.c.position,
        ),
    )
)


def _session(row: Row[Any]) -> Item:
    return {
        "id": row.session_id,
        "conversation_id": row.conversation_id,
        "listing": _listing(row.listing_id, row.listing_title),
        "role": row.role,
        "card": _card(row.name, row.rating, row.facts),
        "other_side": {
            "role": row.other_role,
            **_card(row.other_name, row.other_rating, row.other_facts),
        },
        "created_at": _text(row.created_at),
        "expires_at": _text(row.expires_at),
        "closed_at": _text(row.closed_at),
        "last_call_at": _text(row.last_call_at),
    }


def _listing_number(row: Row[Any]) -> Item:
    return {
        "id": row.id,
        "listing": _listing(row.listing_id, row.listing_title),
        "role": row.role,
        "card": _card(row.name, row.rating, row.facts),
        "created_at": _text(row.created_at),
        "expires_at": _text(row.expires_at),
        "closed_at": _text(row.closed_at),
    }


def _log_entry(row: Row[Any]) -> Item:
    return {
        "call_id": row.call_id,
        "direction": row.direction,
        "outcome": row.outcome,
        "at": _text(row.at),
        "ring_ms": row.ring_ms,
        "talk_ms": row.talk_ms,
        "card": row.card,
        "listing": row.listing,
        "reason": row.reason,
        "read_at": _text(row.read_at),
    }


def _log(conn: Connection, _: Vault, person: Person, after: str) -> Piece:
    """What is in their logs, one after the other; `after`: in which, and where in its index."""
    which, at_ms, last = map(int, (after or "0 0 0").split())
    entry = call_log_entries.c
    query = select(call_log_entries).where(
        entry.user_id == person.user_ids[which],
        entry.at >= from_ms(at_ms),
        or_(entry.at > from_ms(at_ms), entry.id > last),
    )
    rows = conn.execute(query.order_by(entry.at, entry.id).limit(PAGE)).all()
    further = f"{which + 1} 0 0" if which + 1 < len(person.user_ids) else None
    if len(rows) == PAGE:
        further = f"{which} {to_ms(rows[-1].at)} {rows[-1].id}"
    return Piece([_log_entry(row) for row in rows], further)


def _block(row: Row[Any]) -> Item:
    """One that they set. Who blocks them is not theirs to know."""
    return {
        "blocked_user_id": row.blocked_user_id,
        "reason": row.reason,
        "created_at": _text(row.created_at),
    }


def _rating(row: Row[Any]) -> Item:
    return {"call_id": row.call_id, "stars": row.stars, "issues": row.issues, "at": _text(row.at)}


def _credential(row: Row[Any]) -> Item:
    return {
        "username": row.username,
        "device": row.device,
        "transport": row.transport_hint,
        "created_at": _text(row.created_at),
        "expires_at": _text(row.expires_at),
        "revoked_at": _text(row.revoked_at),
    }


def _calls(conn: Connection, _: Vault, person: Person, after: str) -> Piece:
    """Records of what they took part in, and saw; with what was recorded of it."""
    ids, further = _call_ids(conn, person, after)
    found = [one for call_id in ids if (one := records.get(conn, call_id)) is not None]
    heard = recordings.of_calls(conn, ids)
    items = [
        _call(one, side, heard.get(one.call_id))
        for one in found
        for side in _sides(one, person)
        if side is EndedBy.CALLER or callee_outcome(one) is not None
    ]
    return Piece(items, further)


def _call_ids(conn: Connection, person: Person, after: str) -> tuple[list[str], str | None]:
    """A page of the calls they were on, and where to go on."""
    at_ms, _, call_id = after.partition(" ")
    last = (int(at_ms or 0), call_id)
    places = records.places_of(conn, person.user_ids, person.indexes, last, limit=PAGE)
    further = "{} {}".format(*places[-1]) if len(places) == PAGE else None
    return [place[1] for place in places], further


def _sides(one: CallRecord, person: Person) -> list[EndedBy]:
    sides = []
    if one.caller_user_id in person.user_ids or one.caller_index in person.indexes:
        sides.append(EndedBy.CALLER)
    if one.callee_user_id in person.user_ids:
        sides.append(EndedBy.CALLEE)
    return sides


def _call(one: CallRecord, side: EndedBy, heard: recordings.Recording | None) -> Item:
    outcome = one.outcome if side is EndedBy.CALLER else (callee_outcome(one) or one.outcome)
    because = one.reason or why(one)
    text = {
        language.value: wording(
            side, one.outcome, talk_ms=one.talk_ms, reason=because, language=language
        )
        for language in Language
    }
    item: dict[str, Any] = {
        "call_id": one.call_id,
        "conversation_id": one.conversation_id,
        "session_id": one.session_id,
        "direction": "out" if side is EndedBy.CALLER else "in",
        "outcome": outcome,
        "text": text,
        "offered_at": _text(one.offered_at),
        "rang_at": _text(one.rang_at),
        "answered_at": _text(one.answered_at),
        "ended_at": _text(one.ended_at),
        "ring_ms": one.ring_ms,
        "talk_ms": one.talk_ms,
        "phone_kept": side is EndedBy.CALLER and one.caller_sealed is not None,
    }
    if heard is not None:
        item["recording"] = {
            "state": heard.state.value,
            "duration_ms": heard.duration_ms,
            "delete_at": _text(heard.delete_at),
            "deleted_at": _text(heard.deleted_at),
        }
    return item


def _notes(conn: Connection, _: Vault, person: Person, after: str) -> Piece:
    """What staff noted of their calls and of them. What is about the other side is not theirs."""
    ids, further = _call_ids(conn, person, after)
    found = {one: records.get(conn, one) for one in ids}
    items = [
        item
        for call_id, record in found.items()
        if record is not None
        for side in _sides(record, person)
        if side is EndedBy.CALLER or callee_outcome(record) is not None
        for item in _noted(conn, call_id, side)
    ]
    return Piece(items, further)


def _noted(conn: Connection, call_id: str, side: EndedBy) -> list[Item]:
    """Of a complaint, who made it reads what they said; whom it is about, that there is one."""
    notes: list[Item] = [
        {"call_id": call_id, "kind": "note", "at": _text(one.by.at), "text": one.text}
        for one in call_notes.of_call(conn, call_id)
        if one.about in (None, side)
    ]
    return notes + [
        {
            "call_id": call_id,
            "kind": f"complaint: {one.kind}",
            "about_you": one.about is side,
            "state": one.state,
            "at": _text(one.by.at),
            "text": None if one.about is side else one.text,
        }
        for one in complaints.of_call(conn, call_id)
    ]


def _switches(conn: Connection, _: Vault, person: Person, __: str) -> Piece:
    listings = select(app_listings.c.listing_id).where(app_listings.c.user_id.in_(person.user_ids))
    found = sorted(conn.scalars(listings))
    rows = conn.execute(select(app_users).where(app_users.c.user_id.in_(person.user_ids)))
    return Piece(
        [
            {
                "account": row.account,
                "in_app_calls": row.in_app_calls,
                "quiet_hours": row.quiet_hours,
                "timezone": row.timezone,
                "listings": found,
                "updated_at": _text(row.updated_at),
            }
            for row in rows
        ]
    )


def _erasures(conn: Connection, vault: Vault, person: Person, _: str) -> Piece:
    return Piece(
        [
            {
                "id": one.id,
                "state": one.state.value,
                "requested_at": _text(one.requested_at),
                "finished_at": _text(one.finished_at),
            }
            for user in person.user_ids
            for one in erasures.of_user(conn, vault, user)
        ]
    )


def _audit(conn: Connection, vault: Vault, person: Person, after: str) -> Piece:
    """What staff and programs did with what is theirs; `after`: which of their ids, and where."""
    which, _, cursor = after.partition(":")
    user = int(which or 0)
    wanted = audit.Filter(object_kind="user", object_id=vault.person_ref(person.user_ids[user]))
    page = audit.page(conn, wanted, limit=PAGE, cursor=cursor or None)
    further = None
    if page.next_cursor is not None:
        further = f"{user}:{page.next_cursor}"
    elif user + 1 < len(person.user_ids):
        further = f"{user + 1}:"
    return Piece(
        [
            {
                "at": _text(one.entry.at),
                "action": one.entry.action.value,
                "by": one.entry.actor.kind.value,
                "reason": one.entry.reason,
            }
            for one in page.items
        ],
        further,
    )


def _whole(table: Table, key: str, item: Callable[[Row[Any]], Item]) -> _Rows:
    return _Rows(table.c.user_id, table.c[key], item, select(table))


_OF_SESSIONS: Final = _Rows(participants.c.user_id, participants.c.session_id, _session, _SESSIONS)
SECTIONS: Final = (
    Section("sessions", _OF_SESSIONS.read),
    Section("listing_numbers", _whole(listing_numbers, "id", _listing_number).read),
    Section("calls", _calls),
    Section("call_log", _log),
    Section("blocks", _whole(blocks, "id", _block).read),
    Section("ratings", _whole(call_ratings, "call_id", _rating).read),
    Section("notes", _notes),
    Section("credentials", _whole(app_credentials, "username", _credential).read),
    Section("switches", _switches),
    Section("erasures", _erasures),
    Section("audit", _audit),
)


def _card(name: str | None, rating: float | None, facts: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"name": name, "rating": rating, "facts": dict(facts or ())}


def _listing(listing_id: str | None, title: str | None) -> dict[str, Any] | None:
    return None if listing_id is None else {"id": listing_id, "title": title}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")[:-6] + "Z"
