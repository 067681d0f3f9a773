"""Calls that are over, put where the ingester would have put them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from cdr import analytics as counting
from cdr import call_log, entries, history, people, records
from cdr.model import Attempt, CallRecord, Leg, Step, Stream
from masking.ids import call_id
from masking.model import Role
from masking.outcome import DialStatus, EndedBy, Outcome
from masking.plan import Channel
from storage import analytics, contacts
from storage.analytics import Tally
from tests.contract.api.house import PROXY, START, House

NODE = "n0123456789ab"


def record(number: int, session_id: str | None, outcome: Outcome, **changes: object) -> CallRecord:
    at = START + timedelta(minutes=number)
    answered = at + timedelta(seconds=4) if outcome is Outcome.ANSWERED else None
    talk_ms = 61_500 if answered else 0
    step = Step(
        n=1,
        trunk="carrier-a",
        status=DialStatus.ANSWER if answered else DialStatus.NOANSWER,
        cause=16,
        sip=200 if answered else 480,
        started_at=at,
        rang_at=at + timedelta(seconds=1),
        ended_at=at + timedelta(seconds=66),
        talk_ms=talk_ms,
    )
    stream = Stream(packets=3000, lost=2, jitter_ms=1.5, mes=88.0, mos=4.29)
    given: dict[str, Any] = {
        "call_id": call_id(NODE, f"1.{number}"),
        "node": NODE,
        "linked_id": f"1.{number}",
        "session_id": session_id,
        "caller_role": Role.BUYER,
        "callee_role": Role.SELLER,
        "number_in": PROXY,
        "number_out": PROXY,
        "trunk_in": "carrier-a",
        "trunk_out": "carrier-a",
        "channel": Channel.GSM,
        "outcome": outcome,
        "reason": None,
        "announcement": None,
        "ended_by": EndedBy.CALLER,
        "cause": 16,
        "offered_at": at,
        "rang_at": at + timedelta(seconds=1),
        "answered_at": answered,
        "ended_at": at + timedelta(seconds=66),
        "ring_ms": 3_000,
        "talk_ms": talk_ms,
        "attempts": (Attempt(Channel.GSM, (step,)),),
        "legs": (Leg(EndedBy.CALLER, "carrier-a", "alaw", 12.5, stream, stream),),
    }
    return CallRecord(**(given | changes))


async def keep(house: House, *kept: CallRecord) -> None:
    """As the ingester does: record, history, call log and counters in one transaction."""

    def work(conn: Connection) -> None:
        wanted = {one.session_id for one in kept if one.session_id is not None}
        known = people.parties_of(conn, wanted)
        tally = Tally()
        for one in kept:
            parties = known.get(one.session_id) if one.session_id is not None else None
            records.insert(conn, [records.row_of(one, one.ended_at, parties)])
            if parties is not None:
                history.insert(conn, [entries.history_row(one, parties)])
                call_log.insert(conn, entries.log_rows(one, parties))
            counting.count_new(tally, one, parties)
        analytics.add(conn, tally, contacts.follow(conn, tally.reached))

    await house.db.write(work)
