"""What the platform is told of a call. Pure; no phone of anyone, only proxy numbers of ours.

- `call.ended`: of every call;
- `call.missed`: for the callee, with the card of whoever called, where their log shows a missed
  call;
- `call.late`: over a lease that is cooling; nobody was rung.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cdr.entries import callee_outcome
from cdr.model import CallRecord
from cdr.people import Parties, Person
from masking.notice import Notice, NoticeKind
from masking.outcome import Outcome
from masking.plan import RefusalReason


def notices_of(record: CallRecord, parties: Parties | None) -> Iterator[Notice]:
    """All that the platform is told when `record` is written."""
    caller, callee = parties.sides(record.caller_role) if parties else (None, None)
    listing = parties.listing if parties else None
    common: dict[str, Any] = {
        "call_id": record.call_id,
        "session_id": record.session_id,
        "listing": None if listing is None else {"id": listing.id, "title": listing.title},
    }
    conversation_id = parties.conversation_id if parties else None

    def notice(kind: NoticeKind, more: dict[str, Any]) -> Notice:
        key = f"{kind} {record.call_id} {record.version}"
        return Notice(kind, key, record.ended_at, conversation_id, common | more)

    yield notice(NoticeKind.CALL_ENDED, _ended(record, caller, callee))
    if callee_outcome(record) is Outcome.MISSED and caller is not None and callee is not None:
        yield notice(NoticeKind.CALL_MISSED, _missed(record, caller, callee))
    if record.reason == RefusalReason.COOLING:
        yield notice(NoticeKind.CALL_LATE, _late(record, caller))


def _ended(record: CallRecord, caller: Person | None, callee: Person | None) -> dict[str, Any]:
    return {
        "caller": _who(caller),
        "callee": _who(callee),
        "outcome": record.outcome,
        "reason": record.reason,
        "channel": record.channel,
        "ended_by": record.ended_by,
        "offered_at": _text(record.offered_at),
        "rang_at": _text(record.rang_at),
        "answered_at": _text(record.answered_at),
        "ended_at": _text(record.ended_at),
        "ring_ms": record.ring_ms,
        "talk_ms": record.talk_ms,
        "version": record.version,
    }


def _missed(record: CallRecord, caller: Person, callee: Person) -> dict[str, Any]:
    return {
        "user_id": callee.user_id,
        "role": callee.role,
        "caller": {
            "role": caller.role,
            "user_id": caller.user_id,
            "name": caller.card.name,
            "rating": caller.card.rating,
        },
        "facts": dict(caller.card.facts),
        "outcome": record.outcome,
        "at": _text(record.offered_at),
        "ring_ms": record.ring_ms,
    }


def _late(record: CallRecord, caller: Person | None) -> dict[str, Any]:
    return {"caller": _who(caller), "number": record.number_in, "at": _text(record.offered_at)}


def _who(person: Person | None) -> dict[str, Any] | None:
    return None if person is None else {"role": person.role, "user_id": person.user_id}


def _text(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds")[:-6] + "Z"
