"""Corrections of call records over HTTP: each is a new version with a reason."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from api import errors
from api.audit import actor_of
from api.calls import CALL_ID
from api.routing import Answer, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.corrections import CorrectionIn, PlaceOut, VersionOut, VersionsOut
from cdr import corrections, ledger
from cdr import errors as cdr
from cdr.corrections import Version, Wish
from storage import audit
from storage.audit import Action, Entry
from storage.keys import KeyRole


async def correct_call(request: Request[CorrectionIn, NoQuery]) -> Answer:
    """Write the next version."""
    sent, services, now = request.body, request.services, request.now
    wanted = request.path["id"]
    actor = actor_of(request.key)
    why = audit.without_phones(sent.why)
    wish = Wish(sent.version, why, sent.outcome, sent.ended_by)

    def work(conn: Connection) -> Answer:
        try:
            made = corrections.correct(
                conn,
                services.vault,
                wanted,
                wish,
                actor.id or corrections.SYSTEM,
                now,
                services.settings.sip_host,
            )
        except cdr.VersionMoved:
            raise errors.VersionMoved from None
        except cdr.NothingToCorrect:
            raise errors.NothingToCorrect from None
        except cdr.CorrectionRefused:
            raise errors.CorrectionRefused from None
        if made is None:
            raise errors.CallNotFound
        facts = {"version": made.version}
        audit.append(
            conn,
            Entry(now, actor, Action.RECORD_CORRECTED, "call", wanted, reason=why, facts=facts),
        )
        return answer(_out(corrections.versions(conn, wanted)[-1]))

    return await request.commit(work)


async def list_versions(request: Request[NoBody, NoQuery]) -> Answer:
    """What the record said, and what it says."""
    wanted = request.path["id"]
    found = await request.services.db.read(lambda conn: corrections.versions(conn, wanted))
    if not found:
        raise errors.CallNotFound
    return answer(VersionsOut(items=[_out(one) for one in found]))


def _out(one: Version) -> VersionOut:
    place = None
    if one.day is not None and one.seq is not None and one.hash is not None:
        place = PlaceOut(day=ledger.day_text(one.day), seq=one.seq, hash=one.hash.hex())
    return VersionOut(
        version=one.version,
        recorded_at=one.recorded_at,
        outcome=one.outcome,
        reason=one.reason,
        ended_by=one.ended_by,
        talk_ms=one.talk_ms,
        corrected_why=one.corrected_why,
        corrected_by=one.corrected_by,
        ledger=place,
    )


ROUTES: Final = (
    Route(
        "correct_call",
        "POST",
        "/v1/calls/{id}/corrections",
        "Correct a call's record",
        Tag.CALLS,
        correct_call,
        roles=frozenset({KeyRole.OPERATOR}),
        body=CorrectionIn,
        answers=VersionOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
        errors=(errors.VersionMoved, errors.NothingToCorrect, errors.CorrectionRefused),
        description="The record gets another version, the one before is kept; what was measured "
        "stays as it is. History, call logs and analytics follow, and the platform is told by "
        "`call.corrected`. Rows of the call that come later change it no more.",
    ),
    Route(
        "list_call_versions",
        "GET",
        "/v1/calls/{id}/versions",
        "List the versions of a call's record",
        Tag.CALLS,
        list_versions,
        roles=frozenset({KeyRole.PLATFORM, KeyRole.STAFF, KeyRole.OPERATOR}),
        answers=VersionsOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
    ),
)
