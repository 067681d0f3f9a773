"""Which entries of history and call log a call's record owes, and what each side is shown.

Pure. The table is explained in docs/call-records.md; the rules:
- a call belongs to a history, and to anyone's log, only where its session is known;
- the caller sees every call that they made;
- the callee sees a call that rang, or that was for them and could not ring, in their quiet hours
  too: never one that was refused for another reason (a block, a cap), given up before it rang, or
  lost by us before it reached them;
- a call is one entry, over however many channels and legs it went.
"""

from __future__ import annotations

from typing import Any

from cdr.missed import Why, why
from cdr.model import CallRecord, CameBy, HandoverResult
from cdr.people import Parties, Person
from masking.model import Listing
from masking.outcome import EndedBy, Outcome, is_missed
from storage.columns import to_ms

_SHOWN_TO_CALLEE = frozenset(
    {Outcome.ANSWERED, Outcome.MISSED, Outcome.UNREACHABLE, Outcome.BUSY, Outcome.DECLINED}
)
_CALLS_FOR_ATTENTION = frozenset({Outcome.MISSED, Outcome.BUSY})


def callee_outcome(record: CallRecord) -> Outcome | None:
    """The outcome as the callee sees it; None: the callee sees nothing of the call."""
    if is_missed(record.outcome):
        return Outcome.MISSED
    if record.outcome in _SHOWN_TO_CALLEE:
        return record.outcome
    if why(record) in (Why.CUT_OFF, Why.QUIET_HOURS):
        return Outcome.MISSED
    return None


def shown_to(record: CallRecord) -> tuple[EndedBy, ...]:
    """The sides that see the call in the history."""
    if callee_outcome(record) is None:
        return (EndedBy.CALLER,)
    return (EndedBy.CALLER, EndedBy.CALLEE)


def history_row(record: CallRecord, parties: Parties) -> dict[str, Any]:
    """The row of the conversation's entry."""
    caller, callee = parties.sides(record.caller_role)
    body: dict[str, Any] = {
        "outcome": record.outcome.value,
        "reason": record.reason,
        "session_id": record.session_id,
        "listing": _listing(parties.listing),
        "caller": _side(caller),
        "callee": _side(callee),
        "shown_to": [side.value for side in shown_to(record)],
        "channel": record.channel.value if record.channel else None,
        "ended_by": record.ended_by.value if record.ended_by else None,
        "ring_ms": record.ring_ms,
        "talk_ms": record.talk_ms,
    }
    # What few calls have is left out of all others.
    if (because := why(record)) is not None:
        body["why"] = because.value
    if record.came_by not in (None, CameBy.GSM):
        body["came_by"] = record.came_by
    moved = [one for one in record.handovers if one.result is HandoverResult.DONE]
    if moved:
        body["handovers"] = [
            {"side": one.side.value, "to": one.target.value, "at_ms": to_ms(one.at)}
            for one in moved
        ]
    return {
        "conversation_id": parties.conversation_id,
        "call_id": record.call_id,
        "at": record.offered_at,
        "kind": "call",
        "body": body,
    }


def log_rows(record: CallRecord, parties: Parties) -> list[dict[str, Any]]:
    """The rows of the users' logs: the caller's, and the callee's if the callee sees the call."""
    caller, callee = parties.sides(record.caller_role)
    if caller is None or callee is None:
        return []
    rows = [_log_row(record, parties, caller, callee, "out", record.outcome)]
    seen = callee_outcome(record)
    if seen is not None:
        rows.append(_log_row(record, parties, callee, caller, "in", seen))
    return rows


def _log_row(
    record: CallRecord,
    parties: Parties,
    user: Person,
    other: Person,
    direction: str,
    outcome: Outcome,
) -> dict[str, Any]:
    called = direction == "in"
    unread = called and outcome in _CALLS_FOR_ATTENTION
    return {
        "user_id": user.user_id,
        "call_id": record.call_id,
        "direction": direction,
        "outcome": outcome,
        "at": record.offered_at,
        "ring_ms": record.ring_ms,
        "talk_ms": record.talk_ms,
        "card": {
            "role": other.role.value,
            "name": other.card.name,
            "rating": other.card.rating,
            "facts": other.card.facts,
        },
        "listing": _listing(parties.listing),
        "session_id": record.session_id,
        "reason": why(record) if called else _refused(record),
        "read_at": None if unread else record.ended_at,
    }


def _refused(record: CallRecord) -> str | None:
    """Why the caller was not put through. Whether a phone was on is not the caller's to know."""
    return None if record.outcome is Outcome.ANSWERED else record.reason


def _listing(listing: Listing | None) -> dict[str, Any] | None:
    return None if listing is None else {"id": listing.id, "title": listing.title}


def _side(person: Person | None) -> dict[str, Any] | None:
    return None if person is None else {"role": person.role.value, "user_id": person.user_id}
