"""For a batch of calls: how the callees of missed ones reach the callers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from cdr import call_back
from cdr.entries import callee_outcome
from cdr.model import CallRecord
from cdr.people import Parties
from masking.notice import Value
from masking.outcome import Outcome


class WaysBack:
    """How the callees of missed calls reach the callers, while their sessions are open."""

    def __init__(
        self,
        conn: Connection,
        calls: Iterable[CallRecord],
        known: Mapping[str, Parties],
        now: datetime,
        app_host: str,
    ) -> None:
        self._parties = {
            call.call_id: parties
            for call in calls
            if (parties := known.get(call.session_id or ""))
            and callee_outcome(call) is Outcome.MISSED
        }
        wanted = {call.session_id for call in calls if call.call_id in self._parties}
        self._places = call_back.places(conn, {one for one in wanted if one}, now)
        self._now = now
        self._app_host = app_host

    def of(self, call: CallRecord) -> dict[str, Value] | None:
        """None: there is no way back, or none is needed."""
        parties = self._parties.get(call.call_id)
        if parties is None or call.session_id is None or parties.until is None:
            return None
        position = parties.position(call.caller_role)
        if position is None or parties.until <= self._now:
            return None
        place = self._places.get((call.session_id, 1 - position))
        return call_back.told(call.session_id, parties.until, place, self._app_host)
