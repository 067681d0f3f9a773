"""Exports of the list of calls: asked for with a reason, followed, fetched by who asked.

What is asked for and what is fetched stands in the audit log before a byte is written or sent.
"""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web
from sqlalchemy import Connection

from api.console.calls import sent_from
from api.console.calls_filter import filter_now, understood_text
from api.console.errors import ConsoleProblem
from api.console.export_jobs import AT_ONCE, ExportsFull, Order
from api.console.page import Page, Visit
from api.console.phone_token import PhoneForgotten
from api.console.render import HEADERS, render, see
from cdr.export import MEDIA_TYPES, Format
from cdr.record_filter import told
from masking.staff import Right
from storage import audit, console_exports
from storage.audit import Action, Entry
from storage.console_exports import TooManyExports

PAGE: Final = "/console/exports"
SHORTEST_REASON: Final = 3
_ID: Final = {"id": r"exp_[0-9a-z]{26}"}


async def show(visit: Visit) -> web.StreamResponse:
    """One's own exports, and how far they are."""
    account = visit.account.id
    found = await visit.services.db.read(lambda conn: console_exports.of_account(conn, account))
    late = visit.now - console_exports.SILENCE
    return render(
        visit,
        "exports/list.html",
        exports=[(one, understood_text(one.query)) for one in found],
        pending=any(one.pending and one.seen_at > late for one in found),
        late=late,
        able=visit.running.console.jobs.able,
        at_once=AT_ONCE,
    )


async def begin(visit: Visit) -> web.StreamResponse:
    """Take an order for what the list shows."""
    reason = _reason(visit)
    try:
        made = Format(visit.sent("format"))
    except ValueError:
        raise ConsoleProblem(422, "exports.format_wrong") from None
    asked = sent_from(visit)
    try:
        wanted = filter_now(asked, visit)
    except PhoneForgotten:
        raise ConsoleProblem(410, "calls.said.forgotten") from None
    order = Order(wanted, made, visit.sent("bom") == "on", visit.account.id, asked.kept)
    facts = {"format": made.value, **told(wanted, visit.services.vault.person_ref)}
    entry = Entry(
        visit.now, visit.actor(), Action.RECORDS_EXPORTED, "records", reason=reason, facts=facts
    )
    try:
        await visit.running.console.jobs.begin(order, entry)
    except TooManyExports:
        raise ConsoleProblem(429, "exports.too_many", most=console_exports.MOST_PENDING) from None
    except ExportsFull:
        raise ConsoleProblem(503, "exports.full") from None
    return see(PAGE)


async def cancel(visit: Visit) -> web.StreamResponse:
    """End one's own that is under way."""
    account, which, now = visit.account.id, visit.path["id"], visit.now

    def work(conn: Connection) -> bool:
        return console_exports.cancel(conn, account, which, now)

    if await visit.services.db.write(work):
        visit.running.console.jobs.cancel(which)
    return see(PAGE)


async def fetch(visit: Visit) -> web.StreamResponse:
    """The file, to who asked for it."""
    account, which = visit.account.id, visit.path["id"]
    found = await visit.services.db.read(lambda conn: console_exports.get(conn, account, which))
    if found is None:
        raise ConsoleProblem(404, "problem.nothing_here")
    over = found.delete_at is None or found.delete_at <= visit.now
    path = None if over else visit.running.console.jobs.file_of(which, found.format)
    if path is None:
        raise ConsoleProblem(410, "exports.not_here")
    entry = Entry(
        visit.now,
        visit.actor(),
        Action.EXPORT_FETCHED,
        "records",
        object_id=which,
        facts={"format": found.format, "records": found.records},
    )
    await visit.services.db.write(lambda conn: audit.append(conn, entry))
    name = f"calls-{found.created_at:%Y%m%dT%H%M%SZ}.{found.format}"
    headers = {
        **HEADERS,
        hdrs.CONTENT_TYPE: MEDIA_TYPES[Format(found.format)],
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        hdrs.CACHE_CONTROL: "no-store",
    }
    return web.FileResponse(path, headers=headers)


def _reason(visit: Visit) -> str:
    reason = visit.sent("reason")
    if not SHORTEST_REASON <= len(reason) <= audit.LONGEST_REASON:
        raise ConsoleProblem(422, "exports.reason_wrong")
    return reason


PAGES: Final = (
    Page("GET", PAGE, show, Right.EXPORT),
    Page("POST", PAGE, begin, Right.EXPORT, refusal=Action.RECORDS_EXPORTED),
    Page("POST", f"{PAGE}/{{id}}/cancel", cancel, Right.EXPORT, _ID),
    Page("GET", f"{PAGE}/{{id}}/file", fetch, Right.EXPORT, _ID, refusal=Action.RECORDS_EXPORTED),
)
