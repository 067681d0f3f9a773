"""A call's page: what happened, who was told, what staff noted. Opens no phone (`call_reveal`)."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from api.console.call_draw import height_of, lanes, scale, tracks
from api.console.call_heard import listeners
from api.console.call_read import Whole, whole
from api.console.call_text import as_text
from api.console.call_timeline import (
    codes,
    gave_up,
    reason_key,
    timeline,
    who_key,
    why_key,
)
from api.console.call_words import span, spoken, unbroken
from api.console.errors import ConsoleProblem
from api.console.look_act import fresh
from api.console.page import Page, Visit
from api.console.render import render
from cdr.entries import callee_outcome
from cdr.missed import why
from cdr.wording import wording
from masking.model import Language
from masking.outcome import EndedBy, Outcome
from masking.staff import Right
from storage import audit, call_tags
from storage.audit import Action, Entry
from storage.call_notes import Disposition
from storage.complaints import Kind, State

CALL_ID: Final = r"cal_[0-9a-z]{26}"
ONE: Final = {"id": CALL_ID}
TONES: Final = {
    Outcome.ANSWERED: "ok",
    Outcome.MISSED: "warn",
    Outcome.BUSY: "warn",
    Outcome.DECLINED: "warn",
    Outcome.CANCELLED: "calm",
    Outcome.UNREACHABLE: "warn",
    Outcome.BLOCKED: "calm",
    Outcome.FAILED: "bad",
}


async def show_call(visit: Visit) -> web.StreamResponse:
    """The page. That it was looked at is remembered."""
    found = await find(visit)
    await visit.services.db.write(
        lambda conn: audit.append(
            conn,
            Entry(visit.now, visit.actor(), Action.CALL_VIEWED, "call", found.record.call_id),
        )
    )
    return await shown(visit, found)


async def find(visit: Visit) -> Whole:
    """The call that is asked for. Raises ConsoleProblem."""
    wanted = visit.path["id"]
    found = await visit.services.db.read(lambda conn: whole(conn, wanted))
    if found is not None:
        return found
    up = await visit.running.calls_up.is_up(wanted)
    raise ConsoleProblem(404, "call.still_up" if up else "problem.call_not_found")


async def shown(visit: Visit, found: Whole, *, grant: str | None = None) -> web.StreamResponse:
    """The page of `found`; `grant`: its recording may be heard."""
    record, texts = found.record, visit.texts
    line = timeline(record)
    used = []
    if visit.may(Right.NOTES_WRITE):
        used = await visit.services.db.read(call_tags.used)
    view: dict[str, Any] = {
        "one": found,
        "record": record,
        "line": line,
        "lanes": lanes(line),
        "scale": scale(line),
        "tracks": tracks(record, line),
        "listeners": listeners(record, line),
        "height_of": height_of,
        "spoken": lambda said: unbroken(spoken(said, texts)),
        "span": lambda ms: span(ms, texts),
        "who": lambda side: texts(who_key(record, side)),
        "codes": "" if gave_up(record) else codes(record.sip_status, record.cause),
        "why_key": why_key,
        "reason_key": reason_key,
        "tones": TONES,
        "reads": _reads(found, visit),
        "text": as_text(record, line, found.ratings, visit.account.time_zone, texts),
        "dispositions": tuple(Disposition),
        "complaint_kinds": tuple(Kind),
        "complaint_states": tuple(State),
        "sides": (EndedBy.CALLER, EndedBy.CALLEE),
        "used_tags": used,
        "fresh": lambda: fresh(visit),
        "base": f"/console/calls/{record.call_id}",
        "grant": grant,
    }
    return render(visit, "call/page.html", **view)


def _reads(found: Whole, visit: Visit) -> dict[EndedBy, str | None]:
    """What each side reads of the call in history and log; None: they see nothing of it."""
    record, language = found.record, Language(visit.language)
    because = record.reason or why(record)

    def of(side: EndedBy, outcome: Outcome | None) -> str | None:
        if outcome is None:
            return None
        return wording(side, outcome, talk_ms=record.talk_ms, reason=because, language=language)

    # A miss has several wordings, by why: they follow from the call's own outcome.
    seen = record.outcome if callee_outcome(record) is not None else None
    return {
        EndedBy.CALLER: of(EndedBy.CALLER, record.outcome),
        EndedBy.CALLEE: of(EndedBy.CALLEE, seen),
    }


PAGES: Final = (Page("GET", "/console/calls/{id}", show_call, Right.CALLS_READ, ONE),)
