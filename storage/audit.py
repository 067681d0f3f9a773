"""The audit log: who did what with what is not theirs to hear, read or take, and why.

Entries are added in the transaction of what they tell of, and never changed: there is no statement
for it here, and the database refuses it. Each is hashed together with the one before it, so that
what was changed, taken out or put in between shows. No phone gets in: a reason is free text, so
digits in it that could be one are struck out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select, update

from storage.columns import to_ms
from storage.dialect import insert_if_absent
from storage.pages import Order, Page
from storage.schema import audit_entries, audit_heads
from storage.struck_out import struck_out

Fact = str | int | bool | None

LONGEST_REASON: Final = 500  # characters
_HEAD: Final = "audit"
_NOTHING: Final = bytes(32)
_AT_ONCE: Final = 1000  # entries that `verify` reads
_PAGES: Final = Order("audit", (audit_entries.c.id,), (int,))
_HEAD_NOW: Final = select(audit_heads).where(audit_heads.c.name == _HEAD).with_for_update()
_FROM: Final = (
    select(audit_entries)
    .where(audit_entries.c.id > bindparam("after"))
    .order_by(audit_entries.c.id)
    .limit(bindparam("at_most"))
)


class Action(StrEnum):
    """What was done, or asked for in vain."""

    RECORDING_PLAYED = "recording.played"
    RECORDING_DELETED = "recording.deleted"
    RECORD_CORRECTED = "record.corrected"
    RECORDS_EXPORTED = "records.exported"
    PERSON_EXPORTED = "person.exported"
    PERSON_ERASED = "person.erased"
    KEYS_ROTATED = "keys.rotated"
    # In the console.
    NUMBER_REVEALED = "number.revealed"
    PHONE_SEARCHED = "phone.searched"
    CALL_VIEWED = "call.viewed"
    CALL_NOTED = "call.noted"
    SIP_VIEWED = "sip.viewed"
    AUDIT_EXPORTED = "audit.exported"
    EXPORT_FETCHED = "export.fetched"
    SESSION_CHANGED = "session.changed"
    POOL_CHANGED = "pool.changed"
    TRUNK_CHANGED = "trunk.changed"
    WEBHOOK_CHANGED = "webhook.changed"
    DELIVERY_RESENT = "delivery.resent"
    BLOCK_CHANGED = "block.changed"
    COMPLAINT_CHANGED = "complaint.changed"
    STAFF_SIGNED_IN = "staff.signed_in"
    STAFF_SIGNED_OUT = "staff.signed_out"
    STAFF_CHANGED = "staff.changed"
    NUMBER_INSPECTED = "number.inspected"
    ALARM_TAKEN = "alarm.taken"


class ActorKind(StrEnum):
    """Through what somebody acted."""

    KEY = "key"  # of the API
    STAFF = "staff"  # in the console
    COMMAND = "command"  # on the machine itself
    SYSTEM = "system"  # nobody: a rule that was set


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted."""

    kind: ActorKind
    id: str | None = None  # of the key or account; who ran the command
    name: str | None = None  # of the key or account


SYSTEM: Final = Actor(ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be remembered."""

    at: datetime
    actor: Actor
    action: Action
    object_kind: str  # call, user, records, vault …
    object_id: str | None = None  # never a phone
    reason: str | None = None  # as it was given
    refused: bool = False  # it was asked for, and not allowed
    facts: Mapping[str, Fact] = field(default_factory=dict)  # of ours; never a phone


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry of the log."""

    id: int
    entry: Entry
    hash: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are asked for: those that meet all that is given."""

    actor_id: str | None = None
    action: Action | None = None
    object_kind: str | None = None
    object_id: str | None = None
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found."""

    entries: int  # that are as they were written
    head: bytes  # the hash of the last of them
    broken_at: int | None = None  # the first entry that is not, or is not there

    @property
    def intact(self) -> bool:
        """Whether all is as it was written."""
        return self.broken_at is None


def append(conn: Connection, entry: Entry) -> int:
    """Add `entry`, in the caller's transaction; its number.

    Those who add at the same moment take turns, until each one's transaction ends.
    """
    head = conn.execute(_HEAD_NOW).first()
    if head is None:
        insert_if_absent(conn, audit_heads, {"name": _HEAD, "entries": 0, "hash": _NOTHING})
        head = conn.execute(_HEAD_NOW).one()
    number: int = head.entries + 1
    row = _row_of(number, entry)
    row["hash"] = _hash(head.hash, row)
    conn.execute(audit_entries.insert(), row)
    moved = {"entries": row["id"], "hash": row["hash"]}
    conn.execute(update(audit_heads).where(audit_heads.c.name == _HEAD).values(moved))
    return number


def page(
    conn: Connection, wanted: Filter, *, limit: int = 100, cursor: str | None = None
) -> Page[Kept]:
    """Entries, the newest first. Raises BadCursor."""
    query = _PAGES.apply(select(audit_entries), limit=limit, cursor=cursor)
    entry = audit_entries.c
    for column, value in (
        (entry.actor_id, wanted.actor_id),
        (entry.action, wanted.action),
        (entry.object_kind, wanted.object_kind),
        (entry.object_id, wanted.object_id),
        (entry.refused, wanted.refused),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(entry.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(entry.at < wanted.until)
    rows = conn.execute(query).all()
    return _PAGES.page(rows, limit=limit, key=lambda row: (row.id,), item=_kept)


NOTHING_YET: Final = Verdict(0, _NOTHING)
"""What to begin with."""


def verify(conn: Connection) -> Verdict:
    """Whether every entry is as it was written. Reads all of them, in constant memory."""
    verdict, complete = NOTHING_YET, False
    while not complete:
        verdict, complete = verify_on(conn, verdict, _AT_ONCE)
    return verdict


def verify_on(conn: Connection, so_far: Verdict, at_most: int) -> tuple[Verdict, bool]:
    """Go on where `so_far` ended, for so many entries; and whether that was all of it."""
    number, previous = so_far.entries, so_far.head
    rows = conn.execute(_FROM, {"after": number, "at_most": at_most}).all()
    for row in rows:
        if row.id != number + 1 or row.hash != _hash(previous, row._asdict()):
            return Verdict(number, previous, number + 1), True
        number, previous = row.id, row.hash
    if len(rows) == at_most:
        return Verdict(number, previous), False
    head = conn.execute(select(audit_heads).where(audit_heads.c.name == _HEAD)).first()
    if (number, previous) != ((0, _NOTHING) if head is None else (head.entries, head.hash)):
        return Verdict(number, previous, number + 1), True
    return Verdict(number, previous), True


def without_phones(text: str) -> str:
    """`text`, cut to its longest, without what could be a phone."""
    return struck_out(text[:LONGEST_REASON])


def _row_of(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "id": number,
        "at": entry.at,
        "actor_kind": entry.actor.kind.value,
        "actor_id": entry.actor.id,
        "actor_name": entry.actor.name,
        "action": entry.action.value,
        "refused": entry.refused,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "reason": None if entry.reason is None else without_phones(entry.reason),
        "facts": dict(entry.facts) or None,
    }


def _hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """Over everything in the row but the hash itself: by name, in the order of the names."""
    content = {name: value for name, value in row.items() if name != "hash"}
    content["at"] = to_ms(content["at"])
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode()).digest()


def _kept(row: Row[Any]) -> Kept:
    entry = Entry(
        at=row.at,
        actor=Actor(ActorKind(row.actor_kind), row.actor_id, row.actor_name),
        action=Action(row.action),
        object_kind=row.object_kind,
        object_id=row.object_id,
        reason=row.reason,
        refused=row.refused,
        facts=row.facts or {},
    )
    return Kept(row.id, entry, row.hash)
