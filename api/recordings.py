"""Recordings over HTTP: what became of one, its sound for those who may hear it, its deletion.

No byte of sound goes out before the audit log says, on the disk, who asked for it and why. Nothing
here knows a phone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.audit import actor_of
from api.calls import CALL_ID
from api.ranges import Part, part_of
from api.recording_sound import MEDIA_TYPE, Sound, etag, find, head, playable
from api.routing import NOTHING, Answer, Refusal, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.recordings import ReasonQuery, RecordingOut
from cdr.recording_keeper import deletion
from masking.recording_states import RecordingDeletion, RecordingFailure, RecordingState
from storage import audit, recordings
from storage.audit import Action, Entry
from storage.keys import KeyRole
from storage.recordings import Recording

_log = logging.getLogger("maskline.api")


async def get_recording(request: Request[NoBody, NoQuery]) -> Answer:
    """What became of it."""
    wanted = request.path["id"]
    found = await request.services.db.read(lambda conn: find(conn, wanted))
    return answer(_out(found))


async def play(request: Request[NoBody, ReasonQuery]) -> Answer:
    """The sound, or a part of it."""
    services, wanted = request.services, request.path["id"]
    found = playable(await services.db.read(lambda conn: find(conn, wanted)))
    part = part_of(request.range, request.if_range, etag(found), found.audio_bytes or 0)
    shown = part or Part(0, found.audio_bytes or 0, found.audio_bytes or 0)
    headers = head(found, shown, whole=part is None)
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Answer(status, content_type=MEDIA_TYPE, headers=headers)
    sound = Sound(services, found, shown)
    await asyncio.to_thread(sound.check)

    def keep(conn: Connection) -> None:
        playable(find(conn, wanted))  # it may have been deleted meanwhile
        facts = {"from_byte": shown.start, "bytes": shown.stop - shown.start}
        entry = Entry(
            at=request.now,
            actor=actor_of(request.key),
            action=Action.RECORDING_PLAYED,
            object_kind="call",
            object_id=wanted,
            reason=request.query.reason,
            facts=facts,
        )
        audit.append(conn, entry)

    await services.db.write(keep)
    return Answer(status, content_type=MEDIA_TYPE, headers=headers, stream=sound.pour)


async def delete_recording(request: Request[NoBody, ReasonQuery]) -> Answer:
    """Destroy the key, at once; the file follows."""
    services, wanted, now = request.services, request.path["id"], request.now

    def work(conn: Connection) -> Recording | None:
        found = find(conn, wanted)
        if found.state is RecordingState.DELETED:
            return None  # done before
        before = recordings.delete(conn, wanted, RecordingDeletion.REQUEST, now)
        if before is None:
            raise errors.RecordingNotFound  # it has failed
        actor, reason = actor_of(request.key), request.query.reason
        audit.append(conn, deletion(before, actor, RecordingDeletion.REQUEST, reason, now))
        return before

    before = await services.db.write(work)
    if before is not None and before.path is not None and services.recordings is not None:
        try:
            await asyncio.to_thread(services.recordings.remove, before.path)
        except OSError:
            _log.warning("the file of a deleted recording is left to its node")
    return NOTHING


def _out(found: Recording) -> RecordingOut:
    failed = found.why if found.state is RecordingState.FAILED else None
    deleted = found.why if found.state is RecordingState.DELETED else None
    ready = found.state is RecordingState.READY
    return RecordingOut(
        call_id=found.call_id,
        state=found.state,
        reason=None if failed is None else RecordingFailure(failed),
        duration_ms=found.duration_ms,
        bytes=found.audio_bytes,
        content_type=MEDIA_TYPE if ready else None,
        ready_at=found.ready_at,
        delete_at=found.delete_at,
        deleted_at=found.deleted_at,
        deleted_why=None if deleted is None else RecordingDeletion(deleted),
        removed_at=found.removed_at,
        sha256=None if found.digest is None else found.digest.hex(),
    )


_LOOK: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF, KeyRole.OPERATOR})
_PLAY: Final = frozenset({KeyRole.STAFF, KeyRole.OPERATOR})
_DELETE: Final = frozenset({KeyRole.PLATFORM, KeyRole.OPERATOR})

ROUTES: Final = (
    Route(
        "get_recording",
        "GET",
        "/v1/calls/{id}/recording",
        "Look at a call's recording",
        Tag.RECORDINGS,
        get_recording,
        roles=_LOOK,
        answers=RecordingOut,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
        errors=(errors.RecordingNotFound,),
    ),
    Route(
        "play_recording",
        "GET",
        "/v1/calls/{id}/recording/audio",
        "Hear a call's recording",
        Tag.RECORDINGS,
        play,
        roles=_PLAY,
        answers=MEDIA_TYPE,
        query=ReasonQuery,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
        errors=(
            errors.RecordingNotFound,
            errors.RecordingPending,
            errors.RecordingGone,
            errors.RangeNotSatisfiable,
            errors.RecordingUnreadable,
        ),
        refusal=Refusal(Action.RECORDING_PLAYED, "call"),
        description=(
            "Ogg Opus in stereo: the caller on the left, the callee on the right. Takes `Range`. "
            "The audit log keeps who asked, why, and for which bytes, before the first of them "
            "goes out; it also keeps who asked and may not."
        ),
    ),
    Route(
        "delete_recording",
        "DELETE",
        "/v1/calls/{id}/recording",
        "Delete a call's recording",
        Tag.RECORDINGS,
        delete_recording,
        roles=_DELETE,
        answers=None,
        status=204,
        query=ReasonQuery,
        parameters=(CALL_ID,),
        missing=errors.CallNotFound,
        errors=(errors.RecordingNotFound,),
        refusal=Refusal(Action.RECORDING_DELETED, "call"),
        description="Its key is destroyed at once, so nobody can hear it again; the file follows.",
    ),
)
