"""What staff write of a call: notes, and what came of looking into it (its disposition).

A note is written once and stays as it is; of dispositions the last one counts, those before it
stay. Free text is kept without what could be a phone. Complaints: `storage.complaints`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, func, select, update

from masking.outcome import EndedBy
from storage.schema import call_dispositions, call_notes, call_tags, complaints
from storage.struck_out import struck_out

LONGEST: Final = 2000  # characters of a note
MOST: Final = 200  # notes of one call, and dispositions


class Disposition(StrEnum):
    """What came of looking into a call."""

    RESOLVED = "resolved"
    NO_FAULT = "no_fault"  # the call was as it should have been
    CALL_BACK = "call_back"  # somebody is to be called back
    TECHNICAL = "technical"  # handed to those who run the telephony
    CARRIER = "carrier"  # handed to the carrier
    FRAUD = "fraud"  # handed to those who fight fraud
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class By:
    """Who wrote, and when."""

    id: str  # of the account
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """A note. `about`: a side, caller or callee; None: the call."""

    id: int
    about: EndedBy | None
    text: str
    by: By


@dataclass(frozen=True, slots=True)
class Disposed:
    """A disposition, and who set it."""

    disposition: Disposition
    by: By


def add(conn: Connection, call_id: str, text: str, about: EndedBy | None, by: By) -> bool:
    """Keep a note; False: the call has as many as it may, or nothing is written in this one."""
    kept = struck_out(text.strip()[:LONGEST])
    if not kept or _count(conn, call_id) >= MOST:
        return False
    row = {
        "call_id": call_id,
        "about": None if about is None else about.value,
        "text": kept,
        "at": by.at,
        "by_id": by.id,
        "by_name": by.name,
    }
    conn.execute(call_notes.insert(), row)
    return True


def of_call(conn: Connection, call_id: str) -> tuple[Note, ...]:
    """The notes of the call, the first first."""
    query = select(call_notes).where(call_notes.c.call_id == call_id).order_by(call_notes.c.id)
    return tuple(
        Note(
            row.id,
            None if row.about is None else EndedBy(row.about),
            row.text,
            By(row.by_id, row.by_name, row.at),
        )
        for row in conn.execute(query)
    )


def dispose(conn: Connection, call_id: str, disposition: Disposition, by: By) -> bool:
    """Set what came of it; False: it says so already, or was changed too often."""
    before = dispositions(conn, call_id)
    if len(before) >= MOST or (before and before[-1].disposition is disposition):
        return False
    row = {
        "call_id": call_id,
        "disposition": disposition.value,
        "at": by.at,
        "by_id": by.id,
        "by_name": by.name,
    }
    conn.execute(call_dispositions.insert(), row)
    return True


def dispositions(conn: Connection, call_id: str) -> tuple[Disposed, ...]:
    """What was set, the last one last."""
    kept = call_dispositions.c
    query = select(call_dispositions).where(kept.call_id == call_id).order_by(kept.id)
    return tuple(
        Disposed(Disposition(row.disposition), By(row.by_id, row.by_name, row.at))
        for row in conn.execute(query)
    )


def forget(conn: Connection, call_ids: Collection[str]) -> int:
    """Free text of these calls goes: notes, tags, what complaints say. How many rows had some.

    That there was a complaint stays, and how it was decided.
    """
    wanted = sorted(call_ids)
    if not wanted:
        return 0
    gone = sum(
        conn.execute(delete(table).where(table.c.call_id.in_(wanted))).rowcount
        for table in (call_notes, call_tags)
    )
    said = complaints.c.text.is_not(None) | complaints.c.decision.is_not(None)
    which = update(complaints).where(complaints.c.call_id.in_(wanted), said)
    return gone + conn.execute(which.values(text=None, decision=None)).rowcount


def _count(conn: Connection, call_id: str) -> int:
    query = select(func.count()).where(call_notes.c.call_id == call_id)
    return conn.execute(query).scalar_one()
