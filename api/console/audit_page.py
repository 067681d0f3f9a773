"""The audit page: who saw, revealed, played, exported or changed what. It changes nothing itself.

The filter stands in the address; the log is checked apart, and a page says what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web
from sqlalchemy import Connection

from api.console import audit_export, audit_filter, audit_words
from api.console.audit_filter import Asked
from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import HEADERS, render, see
from api.routing import Answer, Write
from api.streaming import Streaming
from cdr.export import MEDIA_TYPES
from masking.staff import Right
from storage import audit, staff
from storage.audit import Action, Entry, Kept
from storage.errors import BadCursor
from storage.pages import Page as Listed
from storage.staff import Account

PAGE: Final = "/console/audit"
AT_ONCE: Final = 50
SHORTEST_REASON: Final = 3
_PLACES: Final[Mapping[str, str]] = {
    "call": "/console/calls/",
    "session": "/console/sessions/",
}
"""Where an object of the log has a page of its own."""


async def show(visit: Visit) -> web.StreamResponse:
    """The entries that the address asks for, the newest first."""
    asked = _asked(visit, {name: visit.asked(name) for name in audit_filter.FIELDS})
    cursor = visit.asked("cursor") or None

    def work(conn: Connection) -> tuple[Listed[Kept], tuple[Account, ...]]:
        found = audit.page(conn, asked.wanted, limit=AT_ONCE, cursor=cursor)
        return found, staff.every(conn)

    try:
        page, accounts = await visit.services.db.read(work)
    except BadCursor:
        raise ConsoleProblem(404, "problem.nothing_here") from None
    check = visit.running.console.audit_check
    check.begin()
    return render(
        visit,
        "audit/page.html",
        asked=asked,
        entries=[(one, _place(one)) for one in page.items],
        cursor=page.next_cursor,
        accounts=accounts,
        actions=_actions(visit),
        kinds=_kinds(visit, asked.fields.get("object_kind", "")),
        formats=[
            (made.value, visit.texts(f"audit.format.{made.value}")) for made in audit_export.FORMATS
        ],
        check=check,
        also=partial(_also, asked),
        told=partial(audit_words.told, texts=visit.texts),
        kind_of=partial(audit_words.kind_of, texts=visit.texts),
    )


async def state(visit: Visit) -> web.StreamResponse:
    """What is known of the log's chain, as a fragment."""
    return render(visit, "audit/check.html", check=visit.running.console.audit_check)


async def check_now(visit: Visit) -> web.StreamResponse:
    """Read all of it again."""
    visit.running.console.audit_check.begin(anew=True)
    return await state(visit) if visit.partial else see(PAGE)


async def export(visit: Visit) -> web.StreamResponse:
    """What the filter of the form asks for, as a file."""
    if not visit.may(Right.EXPORT):
        raise ConsoleProblem(403, "problem.not_allowed")
    reason = visit.sent("reason")
    if not SHORTEST_REASON <= len(reason) <= audit.LONGEST_REASON:
        raise ConsoleProblem(422, "audit.reason_wrong")
    made = next((one for one in audit_export.FORMATS if one.value == visit.sent("format")), None)
    asked = _asked(visit, {name: visit.sent(name) for name in audit_filter.FIELDS})
    if made is None or asked.wrong:
        raise ConsoleProblem(422, "audit.export_wrong")
    exports = visit.running.exports
    exports.refuse_more()
    facts = {"format": made.value, **audit_filter.told(asked.wanted)}
    entry = Entry(
        visit.now, visit.actor(), Action.AUDIT_EXPORTED, "audit", reason=reason, facts=facts
    )
    await visit.services.db.write(lambda conn: audit.append(conn, entry))

    async def pour(write: Write) -> None:
        await audit_export.pour(visit.services.db, exports, asked.wanted, made, write)

    name = f"audit-{visit.now:%Y%m%dT%H%M%SZ}.{made.value}"
    headers = {
        **HEADERS,
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        hdrs.CACHE_CONTROL: "no-store",
    }
    return Streaming(Answer(200, content_type=MEDIA_TYPES[made], headers=headers, stream=pour))


def _asked(visit: Visit, given: Mapping[str, str]) -> Asked:
    return audit_filter.read(given, visit.account.time_zone)


def _also(asked: Asked, **changes: str) -> str:
    """The address of this filter with more in it; its list begins anew."""
    return f"{PAGE}?{urlencode({**asked.fields, **changes})}"


def _actions(visit: Visit) -> list[tuple[str, str]]:
    """All actions, by their names in the visitor's language."""
    named = [(one.value, visit.texts(f"audit.action.{one.value}")) for one in Action]
    return [("", visit.texts("audit.any")), *sorted(named, key=lambda one: one[1])]


def _kinds(visit: Visit, given: str) -> list[tuple[str, str]]:
    """All kinds of objects by their names, and the one that is asked for."""
    every = {*audit_words.KINDS, given} - {""}
    named = [(one, audit_words.kind_of(one, visit.texts)) for one in every]
    return [("", visit.texts("audit.any")), *sorted(named, key=lambda one: one[1])]


def _place(kept: Kept) -> str | None:
    """Where the object of an entry is shown."""
    entry = kept.entry
    if entry.object_id is None or not entry.object_id.replace("_", "").isalnum():
        return None
    place = _PLACES.get(entry.object_kind)
    return None if place is None else place + entry.object_id


PAGES: Final = (
    Page("GET", PAGE, show, Right.AUDIT_READ),
    Page("GET", f"{PAGE}/check", state, Right.AUDIT_READ),
    Page("POST", f"{PAGE}/check", check_now, Right.AUDIT_READ),
    Page("POST", f"{PAGE}/export", export, Right.AUDIT_READ, refusal=Action.AUDIT_EXPORTED),
)
