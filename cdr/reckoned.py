"""What sessions and caps reckon with, of calls that are about to be recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from cdr.entries import callee_outcome
from cdr.model import CallRecord
from cdr.people import Parties
from masking.outcome import Outcome
from storage import call_tallies
from storage.call_tallies import CountedCall
from storage.endings import EndedCall


def ended(rows: Iterable[Mapping[str, Any]]) -> Iterator[EndedCall]:
    """What sessions are told of the calls (rows of `calls`). A refused call is none of theirs."""
    for row in rows:
        if row["session_id"] is not None and row["attempts"]:
            answered = row["outcome"] is Outcome.ANSWERED
            yield EndedCall(row["session_id"], row["ended_at"], answered)


def counted(
    conn: Connection, calls: Iterable[CallRecord], known: Mapping[str, Parties]
) -> Iterator[CountedCall]:
    """What caps count, where there are any: calls for which somebody was to be rung.

    Also where nobody could be, or their quiet hours forbade it: their log is filled all the same.
    """
    capped = call_tallies.caps_of(conn, {parties.pool for parties in known.values()})
    for call in calls if capped else ():
        parties = known.get(call.session_id or "")
        if parties is None or parties.pool not in capped:
            continue
        if not call.attempts and callee_outcome(call) is None:
            continue
        caller, callee = parties.sides(call.caller_role)
        position = parties.position(call.caller_role)
        if caller is None or callee is None or position is None:
            continue
        yield CountedCall(
            session_id=call.session_id or "",
            position=position,
            caller_user_id=caller.user_id,
            callee_user_id=callee.user_id,
            offered_at=call.offered_at,
            ended_at=call.ended_at,
            answered=call.outcome is Outcome.ANSWERED,
            tried=call.outcome is not Outcome.FAILED,
        )
