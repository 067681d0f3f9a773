"""Call records over HTTP: read only, they are written by `cdr` from what the node reported."""

from __future__ import annotations

from typing import Final

from api import errors
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.calls import (
    AttemptOut,
    CallOut,
    CallPage,
    CallsQuery,
    LegOut,
    PersonOut,
    StepOut,
    StreamOut,
)
from api.schemas.common import NoBody, NoQuery
from api.schemas.sessions import ListingOut
from cdr import records
from cdr.model import Attempt, CallRecord, Leg, Step, Stream
from storage.keys import KeyRole


async def list_calls(request: Request[NoBody, CallsQuery]) -> Answer:
    """Calls, newest first."""
    query = request.query
    wanted = records.Filter(
        session_id=query.session_id,
        conversation_id=query.conversation_id,
        user_id=query.user_id,
        outcomes=() if query.outcome is None else (query.outcome,),
        since=query.from_,
        until=query.until,
    )
    page = await request.services.db.read(
        lambda conn: records.page(conn, wanted, limit=query.limit, cursor=query.cursor)
    )
    items = [call_out(one) for one in page.items]
    return answer(CallPage(items=items, next_cursor=page.next_cursor))


async def get_call(request: Request[NoBody, NoQuery]) -> Answer:
    """One call."""
    wanted = request.path["id"]
    found = await request.services.db.read(lambda conn: records.get(conn, wanted))
    if found is None:
        raise errors.CallNotFound
    return answer(call_out(found))


def call_out(record: CallRecord) -> CallOut:
    """The record as it goes out: without what is sealed in it."""
    return CallOut(
        call_id=record.call_id,
        session_id=record.session_id,
        conversation_id=record.conversation_id,
        listing=None
        if record.listing_id is None
        else ListingOut(id=record.listing_id, title=record.listing_title),
        caller=PersonOut(role=record.caller_role, user_id=record.caller_user_id),
        callee=PersonOut(role=record.callee_role, user_id=record.callee_user_id),
        outcome=record.outcome,
        reason=record.reason,
        announcement=record.announcement,
        ended_by=record.ended_by,
        cause=record.cause,
        sip_status=record.sip_status,
        channel=record.channel,
        number_in=record.number_in,
        number_out=record.number_out,
        trunk_in=record.trunk_in,
        trunk_out=record.trunk_out,
        offered_at=record.offered_at,
        rang_at=record.rang_at,
        answered_at=record.answered_at,
        ended_at=record.ended_at,
        ring_s=record.ring_s,
        talk_s=record.talk_s,
        attempts=[_attempt(one) for one in record.attempts],
        legs=[_leg(one) for one in record.legs],
        version=record.version,
    )


def _attempt(attempt: Attempt) -> AttemptOut:
    return AttemptOut(channel=attempt.channel, steps=[_step(step) for step in attempt.steps])


def _step(step: Step) -> StepOut:
    return StepOut(
        trunk=step.trunk,
        status=step.status,
        cause=step.cause,
        sip_status=step.sip,
        started_at=step.started_at,
        rang_at=step.rang_at,
        ended_at=step.ended_at,
        talk_ms=step.talk_ms,
    )


def _leg(leg: Leg) -> LegOut:
    return LegOut(
        side=leg.side,
        trunk=leg.trunk,
        codec=leg.codec,
        rtt_ms=leg.rtt_ms,
        received=_stream(leg.received),
        sent=_stream(leg.sent),
    )


def _stream(stream: Stream) -> StreamOut:
    return StreamOut(
        packets=stream.packets, lost=stream.lost, jitter_ms=stream.jitter_ms, mos=stream.mos
    )


CALL_ID: Final = PathParameter(
    "id", r"cal_[0-9a-z]{26}", "The call's id", "cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"
)
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF, KeyRole.OPERATOR})

ROUTES: Final = (
    Route(
        "list_calls",
        "GET",
        "/v1/calls",
        "List calls",
        Tag.CALLS,
        list_calls,
        roles=_READERS,
        query=CallsQuery,
        answers=CallPage,
        description="Calls that are over. For those that are up see /v1/live-calls.",
    ),
    Route(
        "get_call",
        "GET",
        "/v1/calls/{id}",
        "Look at a call",
        Tag.CALLS,
        get_call,
        roles=_READERS,
        answers=CallOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
    ),
)
