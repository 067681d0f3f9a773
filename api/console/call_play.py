"""Plays a call's recording to who may hear it: for a reason, remembered before any sound goes out.

A reason that was given opens the whole recording to that account for a while: the grant in the
addresses of its sound and its waveform is sealed, and good for nobody else.
"""

from __future__ import annotations

import asyncio
import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console.call import CALL_ID, find, shown
from api.console.call_draw import wave
from api.console.call_reveal import NOT_KEPT, reason_of
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import HEADERS, render
from api.ranges import Part, part_of
from api.recording_sound import MEDIA_TYPE, Sound, etag, head, playable
from api.recording_sound import find as find_recording
from api.routing import Answer
from api.streaming import Streaming
from cdr.waveforms import BUCKETS, Wanted
from masking.staff import Right
from storage import audit, recordings
from storage.audit import Action, Entry
from storage.columns import to_ms
from storage.errors import SealBroken
from storage.recordings import Recording

LASTS: Final = timedelta(minutes=30)
_HEAD: Final = "console recording"


async def open_recording(visit: Visit) -> web.StreamResponse:
    """Let the visitor hear it."""
    wanted, reason = visit.path["id"], reason_of(visit)
    recording = await _playable(visit, wanted)
    size = recording.audio_bytes or 0
    await asyncio.to_thread(Sound(visit.services, recording, Part(0, size, size)).check)

    def keep(conn: Connection) -> None:
        playable(find_recording(conn, wanted))  # it may have been deleted meanwhile
        facts = {"from_byte": 0, "bytes": size}
        audit.append(
            conn,
            Entry(
                visit.now,
                visit.actor(),
                Action.RECORDING_PLAYED,
                "call",
                wanted,
                reason,
                facts=facts,
            ),
        )

    await visit.services.db.write(keep)
    grant = _sealed(visit, wanted)
    if visit.partial:
        base = f"/console/calls/{wanted}"
        response: web.StreamResponse = render(visit, "call/player.html", base=base, grant=grant)
    else:
        response = await shown(visit, await find(visit), grant=grant)
    response.headers["Cache-Control"] = NOT_KEPT
    return response


async def audio(visit: Visit) -> web.StreamResponse:
    """The sound, or a part of it."""
    recording = await _granted(visit)
    size = recording.audio_bytes or 0
    part = part_of(visit.range, visit.if_range, etag(recording), size)
    shown_part = part or Part(0, size, size)
    sound = Sound(visit.services, recording, shown_part)
    headers = {**HEADERS, **head(recording, shown_part, whole=part is None)}
    headers["Cache-Control"] = NOT_KEPT
    status = 200 if part is None else 206
    return Streaming(Answer(status, content_type=MEDIA_TYPE, headers=headers, stream=sound.pour))


async def waveform(visit: Visit) -> web.StreamResponse:
    """The picture of both sides."""
    recording = await _granted(visit)
    files, path = visit.services.recordings, recording.path
    drawn = None
    try:
        key = recordings.key_of(visit.services.vault, recording)
    except SealBroken:
        key = None
    if files is not None and path is not None and key is not None:
        wanted = Wanted(
            recording.call_id,
            files.where(path),
            recording.file_bytes or 0,
            recording.duration_ms or 0,
            recording.digest or b"",
            key,
        )
        drawn = await visit.running.console.waves.of(wanted)
    paths = None
    if drawn is not None:
        loudest = max(*drawn.caller, *drawn.callee, 1)
        paths = {"caller": wave(drawn.caller, loudest), "callee": wave(drawn.callee, loudest)}
    response = render(visit, "call/wave.html", paths=paths, width=BUCKETS - 1)
    response.headers["Cache-Control"] = NOT_KEPT
    return response


async def _playable(visit: Visit, wanted: str) -> Recording:
    return playable(await visit.services.db.read(lambda conn: find_recording(conn, wanted)))


async def _granted(visit: Visit) -> Recording:
    """The recording that the grant opens. Raises ConsoleProblem, ApiError."""
    wanted = visit.path["id"]
    try:
        token = visit.path["grant"].encode("ascii")
        raw = urlsafe_b64decode(token + b"=" * (-len(token) % 4))
        said, account, call_id, until_ms = visit.services.vault.open_secret(raw).split("\n")
    except (ValueError, binascii.Error, SealBroken):
        raise ConsoleProblem(403, "call.play.over") from None
    if (said, account, call_id) != (_HEAD, visit.account.id, wanted):
        raise ConsoleProblem(403, "call.play.over")
    if int(until_ms) <= to_ms(visit.now):
        raise ConsoleProblem(403, "call.play.over")
    return await _playable(visit, wanted)


def _sealed(visit: Visit, wanted: str) -> str:
    said = [_HEAD, visit.account.id, wanted, str(to_ms(visit.now + LASTS))]
    sealed = visit.services.vault.seal_secret("\n".join(said))
    return urlsafe_b64encode(sealed).decode("ascii").rstrip("=")


_GRANTED: Final = {"id": CALL_ID, "grant": r"[A-Za-z0-9_-]{40,600}"}
_BASE: Final = "/console/calls/{id}/recording"
_NEVER: Final = Action.RECORDING_PLAYED

PAGES: Final = (
    Page("POST", _BASE, open_recording, Right.PLAY, {"id": CALL_ID}, refusal=_NEVER),
    Page("GET", _BASE + "/{grant}/audio", audio, Right.PLAY, _GRANTED, refusal=_NEVER),
    Page("GET", _BASE + "/{grant}/wave", waveform, Right.PLAY, _GRANTED, refusal=_NEVER),
)
