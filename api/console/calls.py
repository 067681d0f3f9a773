"""The list of calls: what its address asks for, newest first, and the ways there.

Staff post what they type, and are sent on to an address that holds no phone. Every search by phone
stands in the audit log before its first call is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from api.console import calls_live, phone_token
from api.console.calls_columns import COLUMNS, chosen
from api.console.calls_filter import (
    Asked,
    CallsAddress,
    Pairs,
    Period,
    fields_wrong,
    filter_now,
    spelt,
    understood,
    understood_text,
    without,
)
from api.console.calls_form import HELD, Meant, Typed, local, meant, misplaced, read
from api.console.calls_read import CallsPage
from api.console.calls_read import read as read_page
from api.console.page import Page, Visit
from api.console.phone_token import PhoneForgotten
from api.console.render import render, see
from api.errors import ValidationFailed
from cdr.model import CameBy
from masking.model import Phone
from masking.outcome import Outcome
from masking.plan import Channel
from masking.staff import Right
from storage import audit, call_tags, console_views
from storage.audit import Action, Entry
from storage.console_views import View
from storage.errors import BadCursor

LIST: Final = "/console/calls"
FIND: Final = "/console/find"
COLUMNS_PAGE: Final = "/console/columns"
_ALL: Final = Asked(CallsAddress())
_NO_CALLS: Final = CallsPage((), None)
# What most come for, as addresses; their texts are ``calls.preset.NAME``.
PRESETS: Final = (
    ("all", ""),
    ("missed", "period=24h&outcome=missed"),
    ("night", "period=night&outcome=missed,unreachable,failed"),
    ("failed", "period=24h&outcome=failed,unreachable"),
    ("poor", "period=24h&mos_max=2.5"),
    ("rated", "period=7d&stars_max=2"),
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a page shows beside its calls."""

    page: CallsPage
    views: list[View]
    columns: tuple[str, ...]
    tags: list[str]


@dataclass(frozen=True, slots=True)
class _Said:
    """What is to be told above the list."""

    key: str
    fields: tuple[str, ...] = ()
    filters: Pairs = ()
    status: int = 422


async def show(visit: Visit) -> web.StreamResponse:
    """The calls that the address asks for."""
    try:
        asked = understood(visit.query)
        wanted = filter_now(asked, visit)
    except ValidationFailed as error:
        return await _page(visit, _ALL, None, said=_Said("calls.said.address", fields_wrong(error)))
    except PhoneForgotten:
        kept = understood({n: v for n, v in visit.query.items() if n not in ("phone", "cursor")})
        return await _page(visit, kept, None, said=_Said("calls.said.forgotten", status=410))

    def calls(conn: Connection) -> CallsPage:
        return read_page(conn, wanted, asked.address.cursor)

    try:
        return await _page(visit, asked, calls)
    except BadCursor:
        return see(_address(asked.pairs))


async def search(visit: Visit) -> web.StreamResponse:
    """From the filter form to its address."""
    typed = read(visit.form, visit.account.time_zone)
    if not typed.wrong:
        wrong = await visit.services.db.read(lambda conn: misplaced(conn, typed.pairs))
        typed = Typed(typed.pairs, typed.phone, wrong)
    if typed.wrong:
        said = _Said("calls.said.form", typed.wrong)
        return await _page(visit, _ALL, None, said=said, typed=typed)
    asked = _asked(typed.pairs)
    if typed.phone is None:
        return see(_address(asked.pairs))
    if not visit.may(Right.SEARCH_PHONE):
        said = _Said("calls.said.no_phone", ("phone",), status=403)
        return await _page(visit, _ALL, None, said=said, typed=typed)
    return see(_address(await _with_phone(visit, asked.pairs, typed.phone)))


async def find(visit: Visit) -> web.StreamResponse:
    """From the search box to whatever has the name that was typed."""
    typed = visit.sent("q")
    found: Meant = await visit.services.db.read(lambda conn: meant(conn, typed))
    if found.call_id is not None:
        return see(f"{LIST}/{found.call_id}")
    if len(found.filters) == 1:
        return see(_address(found.filters))
    if found.filters:
        said = _Said("calls.said.several", filters=found.filters, status=200)
        return await _page(visit, _ALL, None, said=said)
    if found.phone is None:
        return await _page(visit, _ALL, None, said=_Said("calls.said.nothing", status=404))
    if not visit.may(Right.SEARCH_PHONE):
        return await _page(visit, _ALL, None, said=_Said("calls.said.no_phone", status=403))
    return see(_address(await _with_phone(visit, (), found.phone)))


async def choose_columns(visit: Visit) -> web.StreamResponse:
    """Keep which columns they look at."""
    columns = chosen(visit.form.get("column", []))
    account, now = visit.account.id, visit.now
    await visit.services.db.write(
        lambda conn: console_views.choose_columns(conn, account, columns, now)
    )
    return see(address(sent_from(visit)))


def sent_from(visit: Visit) -> Asked:
    """The list that a form was sent from, by its field `query`. Raises ValidationFailed."""
    return understood_text(visit.sent("query"))


def address(asked: Asked) -> str:
    """Where the list is that is asked for so."""
    return _address(asked.pairs)


async def _with_phone(visit: Visit, pairs: Pairs, phone: Phone) -> Pairs:
    """The filter with a token for the phone; that it was searched for is kept, never the phone."""
    others = [(name, value) for name, value in pairs if name != "phone"]
    entry = Entry(
        visit.now,
        visit.actor(),
        Action.PHONE_SEARCHED,
        "records",
        facts={name: "given" for name, _ in others},
    )
    await visit.services.db.write(lambda conn: audit.append(conn, entry))
    token = phone_token.sealed(visit.services.vault, phone, visit.account.id, visit.now)
    return _asked([*others, ("phone", token)]).pairs


def _asked(pairs: Pairs) -> Asked:
    return understood({name: [value] for name, value in pairs})


def _address(pairs: Pairs) -> str:
    return f"{LIST}?{spelt(pairs)}" if pairs else LIST


async def _page(
    visit: Visit,
    asked: Asked,
    calls: Callable[[Connection], CallsPage] | None,
    *,
    said: _Said | None = None,
    typed: Typed | None = None,
) -> web.StreamResponse:
    account = visit.account.id

    def work(conn: Connection) -> _Kept:
        return _Kept(
            page=_NO_CALLS if calls is None else calls(conn),
            views=console_views.of_account(conn, account),
            columns=chosen(console_views.columns_of(conn, account)),
            tags=call_tags.used(conn, at_most=_TAGS),
        )

    kept = await visit.services.db.read(work)
    first = asked.address.cursor is None and not visit.partial
    live = await calls_live.snapshot(visit, asked) if first else None
    values = _shown(dict(asked.pairs if typed is None else typed.pairs), visit)

    heads = [(name, visit.texts(f"calls.column.{name}")) for name in kept.columns]

    return render(
        visit,
        "calls/list.html",
        200 if said is None else said.status,
        asked=asked,
        said=said,
        wrong=frozenset(said.fields if said is not None else ()),
        values=values,
        held=asked.values.get("phone", ""),
        page=kept.page,
        searched=calls is not None,
        columns=kept.columns,
        heads=[text for _, text in heads],
        cell_heads=heads[1:],
        all_columns=COLUMNS,
        views=kept.views,
        presets=PRESETS,
        tags=kept.tags,
        live=live,
        also=_also(asked.pairs),
        outcomes=tuple(one.value for one in Outcome),
        channels=tuple(one.value for one in Channel),
        ways=tuple(one.value for one in CameBy),
        period_options=[
            ("", visit.texts("calls.period_own")),
            *((one.value, visit.texts(f"calls.period.{one.value}")) for one in Period),
        ],
        HELD=HELD,
    )


_TAGS: Final = 50


def _also(pairs: Pairs) -> Callable[[str, str], str]:
    """Makes addresses that ask for one thing more. A page has hundreds."""
    begun: dict[str, str] = {}

    def also(name: str, value: str) -> str:
        found = begun.get(name)
        if found is None:
            others = without(pairs, name)
            found = begun[name] = f"{LIST}?{others}{'&' if others else ''}{name}="
        return found + quote(value, safe=",:")

    return also


def _shown(values: dict[str, str], visit: Visit) -> dict[str, str]:
    """The values as the fields of the form show them: times on the wall of their zone."""
    zone, shown = visit.account.time_zone, {**values, "phone": ""}
    for name in ("from", "until"):
        if name in shown:
            shown[name] = local(shown[name], zone)
    return shown


PAGES: Final = (
    Page("GET", LIST, show, Right.CALLS_READ),
    Page("POST", LIST, search, Right.CALLS_READ),
    Page("POST", FIND, find, Right.CALLS_READ),
    Page("POST", COLUMNS_PAGE, choose_columns, Right.CALLS_READ),
    Page("GET", calls_live.STREAM, calls_live.follow, Right.CALLS_READ),
)
