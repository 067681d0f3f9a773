"""Call records over HTTP: read only, they are written by `cdr` from what the node reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.calls import (
    AttemptOut,
    CallOut,
    CallRecordingOut,
    HandoverOut,
    LegOut,
    PersonOut,
    PromptOut,
    QualityOut,
    StepOut,
    StreamOut,
    WakeOut,
)
from api.schemas.common import NoBody, NoQuery
from api.schemas.ratings import RatingOut
from api.schemas.sessions import ListingOut
from cdr import records
from cdr.ledger import public_name
from cdr.missed import why
from cdr.model import (
    Attempt,
    CallRecord,
    Handover,
    Leg,
    Prompt,
    Quality,
    Recording,
    Step,
    Stream,
)
from masking.recording_states import RecordingState
from storage import ratings, recordings
from storage.keys import KeyRole
from storage.ratings import Rating


async def get_call(request: Request[NoBody, NoQuery]) -> Answer:
    """One call."""
    wanted = request.path["id"]

    def work(conn: Connection) -> Answer:
        found = records.get(conn, wanted)
        if found is None:
            raise errors.CallNotFound
        rated = ratings.of_calls(conn, [wanted]).get(wanted, ())
        return answer(call_out(found, rated, states_of(conn, [found]).get(wanted)))

    return await request.services.db.read(work)


def states_of(conn: Connection, found: Iterable[CallRecord]) -> dict[str, RecordingState]:
    """What can be done with the recordings of those of the calls that have one."""
    return recordings.states(conn, [one.call_id for one in found if one.recording is not None])


def call_out(
    record: CallRecord, rated: Sequence[Rating] = (), state: RecordingState | None = None
) -> CallOut:
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
        why=why(record),
        announcement=record.announcement,
        ended_by=record.ended_by,
        cause=record.cause,
        sip_status=record.sip_status,
        came_by=record.came_by,
        channel=record.channel,
        node=public_name(record.node),
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
        prompts=[_prompt(one) for one in record.prompts],
        handovers=[_handover(one) for one in record.handovers],
        quality=[_quality(one) for one in record.quality],
        recording=None if record.recording is None else _recording(record.recording, state),
        ratings=[
            RatingOut(user_id=one.user_id, stars=one.stars, issues=list(one.issues), at=one.at)
            for one in rated
        ],
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
        wake=None
        if step.wake is None
        else WakeOut(result=step.wake.result, after_ms=step.wake.after_ms),
        devices=step.devices,
    )


def _leg(leg: Leg) -> LegOut:
    return LegOut(
        side=leg.side,
        channel=leg.channel,
        trunk=leg.trunk,
        device=leg.device,
        codec=leg.codec,
        rtt_ms=leg.rtt_ms,
        received=_stream(leg.received),
        sent=_stream(leg.sent),
    )


def _prompt(prompt: Prompt) -> PromptOut:
    return PromptOut(kind=prompt.kind, n=prompt.n, at=prompt.at, went=prompt.went)


def _handover(one: Handover) -> HandoverOut:
    return HandoverOut(
        side=one.side,
        source=one.source,
        target=one.target,
        why=one.why,
        result=one.result,
        at=one.at,
        ms=one.ms,
        trunk=one.trunk,
    )


def _quality(one: Quality) -> QualityOut:
    return QualityOut(
        side=one.side,
        mos_min=one.mos_min,
        mos_avg=one.mos_avg,
        below_ms=one.below_ms,
        offered=one.offered,
    )


def _recording(one: Recording, state: RecordingState | None) -> CallRecordingOut:
    return CallRecordingOut(
        state=state,
        asked=one.asked,
        announced_caller_ms=one.announced_caller_ms,
        announced_callee_ms=one.announced_callee_ms,
        started_at=one.started_at,
        ended_at=one.ended_at,
        ms=one.ms,
        reason=one.reason,
    )


def _stream(stream: Stream) -> StreamOut:
    return StreamOut(
        packets=stream.packets, lost=stream.lost, jitter_ms=stream.jitter_ms, mos=stream.mos
    )


CALL_ID: Final = PathParameter(
    "id", r"cal_[0-9a-z]{26}", "The call's id", "cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"
)
READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF, KeyRole.OPERATOR})

ROUTES: Final = (
    Route(
        "get_call",
        "GET",
        "/v1/calls/{id}",
        "Look at a call",
        Tag.CALLS,
        get_call,
        roles=READERS,
        answers=CallOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
    ),
)
