"""Complaints: what one side of a call says the other did. Opened by staff, decided by staff.

About a side of a call, never about a user id: with the call's people the way to them is gone. Free
text is kept without what could be a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from masking.outcome import EndedBy
from storage.call_notes import By
from storage.pages import Order, Page
from storage.schema import calls, complaints
from storage.struck_out import struck_out

LONGEST: Final = 2000  # characters
MOST: Final = 20  # of one call
_PAGES: Final = Order("complaints", (complaints.c.id,), (int,))


class Kind(StrEnum):
    """What is complained of."""

    SPAM = "spam"
    FRAUD = "fraud"
    ABUSE = "abuse"  # insults, threats
    OFF_PLATFORM = "off_platform"  # wants the deal to be made elsewhere
    NO_SHOW = "no_show"
    OTHER = "other"


class State(StrEnum):
    """How far it is."""

    OPEN = "open"
    UPHELD = "upheld"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Complaint:
    """A complaint about a side of a call."""

    id: int
    call_id: str
    about: EndedBy  # caller or callee
    kind: Kind
    text: str | None  # None: nothing was said, or it is no longer kept
    by: By
    state: State
    decided: By | None
    decision: str | None  # why
    changes: int
    # Who it is about, as the call's record says now; None: not known, or no longer.
    user_id: str | None = None
    offered_at: datetime | None = None  # the call


def add(
    conn: Connection, call_id: str, about: EndedBy, kind: Kind, text: str, by: By
) -> int | None:
    """Open one; its number. None: the call has as many as it may."""
    count = select(func.count()).where(complaints.c.call_id == call_id)
    if conn.execute(count).scalar_one() >= MOST:
        return None
    row = {
        "call_id": call_id,
        "about": about.value,
        "kind": kind.value,
        "text": _text(text),
        "at": by.at,
        "by_id": by.id,
        "by_name": by.name,
        "state": State.OPEN.value,
        "changes": 0,
    }
    made = conn.execute(complaints.insert().returning(complaints.c.id), row)
    number: int = made.scalar_one()
    return number


def get(conn: Connection, complaint_id: int) -> Complaint | None:
    """The complaint."""
    row = conn.execute(_SHOWN.where(complaints.c.id == complaint_id)).first()
    return None if row is None else _complaint(row)


def of_call(conn: Connection, call_id: str) -> tuple[Complaint, ...]:
    """Those of the call, the first first."""
    query = _SHOWN.where(complaints.c.call_id == call_id).order_by(complaints.c.id)
    return tuple(map(_complaint, conn.execute(query)))


def page(
    conn: Connection, *, state: State | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Complaint]:
    """All there are, or those in `state`, the newest first. Raises BadCursor."""
    query = _SHOWN if state is None else _SHOWN.where(complaints.c.state == state.value)
    rows = conn.execute(_PAGES.apply(query, limit=limit, cursor=cursor)).all()
    return _PAGES.page(rows, limit=limit, key=lambda row: (row.id,), item=_complaint)


def decide(
    conn: Connection, complaint_id: int, state: State, why: str, by: By, *, seen: int
) -> bool:
    """Decide it, or open it again. False: it is not as it was `seen` (`Complaint.changes`)."""
    which = (complaints.c.id == complaint_id, complaints.c.changes == seen)
    values = {
        "state": state.value,
        "decided_at": by.at,
        "decided_by_id": by.id,
        "decided_by_name": by.name,
        "decision": _text(why),
        "changes": complaints.c.changes + 1,
    }
    return conn.execute(update(complaints).where(*which).values(values)).rowcount == 1


def _text(text: str) -> str | None:
    return struck_out(text.strip()[:LONGEST]) or None


_SHOWN: Final = select(
    complaints, calls.c.caller_user_id, calls.c.callee_user_id, calls.c.offered_at
).join_from(complaints, calls, calls.c.call_id == complaints.c.call_id, isouter=True)


def _complaint(row: Row[Any]) -> Complaint:
    about = EndedBy(row.about)
    decided = None
    if row.decided_at is not None:
        decided = By(row.decided_by_id, row.decided_by_name, row.decided_at)
    return Complaint(
        id=row.id,
        call_id=row.call_id,
        about=about,
        kind=Kind(row.kind),
        text=row.text,
        by=By(row.by_id, row.by_name, row.at),
        state=State(row.state),
        decided=decided,
        decision=row.decision,
        changes=row.changes,
        user_id=row.caller_user_id if about is EndedBy.CALLER else row.callee_user_id,
        offered_at=row.offered_at,
    )
