"""Views: filters of the list that staff give a name, keep, and show to each other.

A view holds what its address holds, and never a phone.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from api.console.calls import address, sent_from
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import see
from masking.staff import Right
from storage import console_views
from storage.console_views import Draft, TooManyViews
from storage.struck_out import struck_out

SAVE: Final = "/console/views"
_ID: Final = {"id": r"vew_[0-9a-z]{26}"}
_LONGEST: Final = 60


async def save(visit: Visit) -> web.StreamResponse:
    """Keep the filter of the list under a name."""
    name = struck_out(re.sub(r"\s+", " ", visit.sent("name"))).strip()
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise ConsoleProblem(422, "calls.view.name_wrong", most=_LONGEST)
    asked = sent_from(visit)
    draft = Draft(
        visit.account.id, name, asked.kept, asked.address.user_id, visit.sent("shared") == "on"
    )
    now, entropy = visit.now, visit.services.entropy(10)
    try:
        await visit.services.db.write(lambda conn: console_views.save(conn, draft, now, entropy))
    except TooManyViews:
        raise ConsoleProblem(409, "calls.view.too_many", most=console_views.MOST) from None
    return see(address(asked))


async def share(visit: Visit) -> web.StreamResponse:
    """Show one's own view to everybody, or no longer."""
    account, which, now = visit.account.id, visit.path["id"], visit.now
    shared = visit.sent("shared") == "on"

    def work(conn: Connection) -> bool:
        return console_views.share(conn, account, which, now, shared=shared)

    return _changed(visit, found=await visit.services.db.write(work))


async def remove(visit: Visit) -> web.StreamResponse:
    """Forget one's own view."""
    account, which = visit.account.id, visit.path["id"]
    found = await visit.services.db.write(lambda conn: console_views.remove(conn, account, which))
    return _changed(visit, found=found)


def _changed(visit: Visit, *, found: bool) -> web.StreamResponse:
    if not found:
        raise ConsoleProblem(404, "calls.view.not_yours")
    return see(address(sent_from(visit)))


PAGES: Final = (
    Page("POST", SAVE, save, Right.CALLS_READ),
    Page("POST", f"{SAVE}/{{id}}/share", share, Right.CALLS_READ, _ID),
    Page("POST", f"{SAVE}/{{id}}/remove", remove, Right.CALLS_READ, _ID),
)
