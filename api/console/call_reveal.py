"""Shows one person's phone to who may see it: for a reason, once, remembered before it goes out.

The only module of the console that opens a phone. The answer is kept by no cache.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console.call import CALL_ID
from api.console.call_read import sealed_phone
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import render
from cdr import records
from masking.model import Phone
from masking.outcome import EndedBy
from masking.staff import Right
from storage import audit
from storage.audit import LONGEST_REASON, Action, Entry
from storage.errors import SealBroken

SHORTEST_REASON: Final = 3
NOT_KEPT: Final = "no-store, private"


def reason_of(visit: Visit) -> str:
    """The reason that was typed. Raises ConsoleProblem."""
    reason = visit.sent("reason")
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise ConsoleProblem(422, "call.reason_needed")
    return reason


async def reveal(visit: Visit) -> web.StreamResponse:
    """The phone of one side, and an entry in the audit log in the same transaction."""
    wanted, side, reason = visit.path["id"], EndedBy(visit.path["side"]), reason_of(visit)
    vault = visit.services.vault

    def work(conn: Connection) -> Phone:
        record = records.get(conn, wanted)
        if record is None:
            raise ConsoleProblem(404, "problem.call_not_found")
        sealed = sealed_phone(conn, record, side)
        if sealed is None:
            raise ConsoleProblem(404, "call.no_phone")
        try:
            phone = vault.open(sealed)
        except SealBroken:
            raise ConsoleProblem(409, "call.phone_unreadable") from None
        if not phone:
            raise ConsoleProblem(404, "call.no_phone")
        facts = {"side": side.value}
        entry = Entry(
            visit.now, visit.actor(), Action.NUMBER_REVEALED, "call", wanted, reason, facts=facts
        )
        audit.append(conn, entry)
        return phone

    phone = await visit.services.db.write(work)
    template = "call/revealed.html" if visit.partial else "call/revealed_page.html"
    response = render(visit, template, phone=phone, side=side, call_id=wanted)
    response.headers["Cache-Control"] = NOT_KEPT
    return response


PAGES: Final = (
    Page(
        "POST",
        "/console/calls/{id}/reveal/{side}",
        reveal,
        Right.REVEAL,
        {"id": CALL_ID, "side": "caller|callee"},
        refusal=Action.NUMBER_REVEALED,
    ),
)
