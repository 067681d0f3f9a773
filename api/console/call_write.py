"""What staff write on a call's page: notes, tags, disposition, complaints. Each once, remembered.

What was written stands in the tables of notes, with who and when; the audit log says that it was
written, never what.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from api.console.call import CALL_ID, ONE
from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act
from api.console.page import Page, Visit
from api.console.render import see
from cdr import records
from masking.outcome import EndedBy
from masking.staff import Right
from storage import call_notes, call_tags, complaints
from storage.audit import Action
from storage.call_notes import By, Disposition
from storage.call_tags import Tag
from storage.complaints import Kind, State

_E = TypeVar("_E", bound=StrEnum)
_SIDES: Final = (EndedBy.CALLER, EndedBy.CALLEE)


async def add_note(visit: Visit) -> web.StreamResponse:
    """One more note."""
    text = _text(visit, "text", call_notes.LONGEST)
    if not text:
        raise ConsoleProblem(422, "call.notes.empty")
    about = None if visit.sent("about") == "" else _side(visit)

    def work(conn: Connection) -> Facts:
        call_id = _there(conn, visit)
        return {"kept": call_notes.add(conn, call_id, text, about, _by(visit))}

    await act(visit, _deed(visit, "note"), work)
    return _back(visit, "notes")


async def add_tag(visit: Visit) -> web.StreamResponse:
    """One more tag."""
    tag = call_tags.spelt(visit.sent("tag"))
    if tag is None:
        raise ConsoleProblem(422, "call.tags.wrong", longest=call_tags.LONGEST)

    def work(conn: Connection) -> Facts:
        by = _by(visit)
        kept = call_tags.add(conn, _there(conn, visit), Tag(tag, by.at, by.id, by.name))
        return {"kept": kept}

    await act(visit, _deed(visit, "tag"), work)
    return _back(visit, "tags")


async def remove_tag(visit: Visit) -> web.StreamResponse:
    """One tag less."""
    tag = visit.sent("tag")

    def work(conn: Connection) -> Facts:
        return {"kept": not call_tags.remove(conn, _there(conn, visit), tag)}

    await act(visit, _deed(visit, "tag removed"), work)
    return _back(visit, "tags")


async def dispose(visit: Visit) -> web.StreamResponse:
    """Say what came of it."""
    disposition = _member(Disposition, visit.sent("disposition"))

    def work(conn: Connection) -> Facts:
        call_notes.dispose(conn, _there(conn, visit), disposition, _by(visit))
        return {"disposition": disposition.value}

    await act(visit, _deed(visit, "disposition"), work)
    return _back(visit, "disposition")


async def complain(visit: Visit) -> web.StreamResponse:
    """Open a complaint about a side."""
    kind, about = _member(Kind, visit.sent("kind")), _side(visit)
    text = _text(visit, "text", complaints.LONGEST)

    def work(conn: Connection) -> Facts:
        number = complaints.add(conn, _there(conn, visit), about, kind, text, _by(visit))
        if number is None:
            raise ConsoleProblem(409, "call.complaints.many")
        return {"complaint": number}

    deed = Deed(Action.COMPLAINT_CHANGED, "call", visit.path["id"], {"what": "opened"})
    await act(visit, deed, work)
    return _back(visit, "complaints")


async def decide(visit: Visit) -> web.StreamResponse:
    """Decide a complaint, or open it again."""
    state = _member(State, visit.sent("state"))
    number, why = int(visit.path["complaint"]), _text(visit, "why", complaints.LONGEST)
    seen = visit.sent("seen")
    if not seen.isdecimal() or len(seen) > 9:
        raise ConsoleProblem(422, "problem.no_form")

    def work(conn: Connection) -> Facts:
        call_id, found = _there(conn, visit), complaints.get(conn, number)
        if found is None or found.call_id != call_id:
            raise ConsoleProblem(404, "problem.nothing_here")
        if not complaints.decide(conn, number, state, why, _by(visit), seen=int(seen)):
            raise ConsoleProblem(409, "call.complaints.moved")
        return {"complaint": number}

    facts = {"what": state.value}
    await act(visit, Deed(Action.COMPLAINT_CHANGED, "call", visit.path["id"], facts), work)
    return _back(visit, "complaints")


def _there(conn: Connection, visit: Visit) -> str:
    """The call's id, if there is a record of it. Raises ConsoleProblem."""
    wanted = visit.path["id"]
    if not records.recorded(conn, (wanted,)):
        raise ConsoleProblem(404, "problem.call_not_found")
    return wanted


def _deed(visit: Visit, what: str) -> Deed:
    return Deed(Action.CALL_NOTED, "call", visit.path["id"], {"what": what})


def _back(visit: Visit, where: str) -> web.StreamResponse:
    return see(f"/console/calls/{visit.path['id']}#{where}")


def _by(visit: Visit) -> By:
    return By(visit.account.id, visit.account.name, visit.now)


def _text(visit: Visit, name: str, longest: int) -> str:
    text = visit.sent(name).replace("\r\n", "\n")
    if len(text) > longest or any(not (c.isprintable() or c in "\n\t") for c in text):
        raise ConsoleProblem(422, "call.text_too_long", longest=longest)
    return text


def _side(visit: Visit) -> EndedBy:
    side = _member(EndedBy, visit.sent("about"))
    if side not in _SIDES:
        raise ConsoleProblem(422, "problem.no_form")
    return side


def _member(kind: type[_E], text: str) -> _E:
    try:
        return kind(text)
    except ValueError:
        raise ConsoleProblem(422, "problem.no_form") from None


_BASE: Final = "/console/calls/{id}"
_NOTES: Final = Right.NOTES_WRITE
_DECISION: Final = {"id": CALL_ID, "complaint": r"[0-9]{1,12}"}

PAGES: Final = (
    Page("POST", _BASE + "/notes", add_note, _NOTES, ONE),
    Page("POST", _BASE + "/tags", add_tag, _NOTES, ONE),
    Page("POST", _BASE + "/tags/remove", remove_tag, _NOTES, ONE),
    Page("POST", _BASE + "/disposition", dispose, _NOTES, ONE),
    Page("POST", _BASE + "/complaints", complain, _NOTES, ONE),
    Page(
        "POST",
        _BASE + "/complaints/{complaint}/decision",
        decide,
        Right.COMPLAINTS_CHANGE,
        _DECISION,
        refusal=Action.COMPLAINT_CHANGED,
    ),
)
