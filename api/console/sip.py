"""The SIP of a call as a ladder, and calls found by what their SIP said. Shows nobody's phone.

There is nothing here that reveals one: who may and must know a phone asks for it on the call's
page, with a reason. That a call's SIP was read is remembered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from aiohttp import web
from sqlalchemy import Connection, select

from api.console.errors import ConsoleProblem
from api.console.page import Page, Visit
from api.console.render import render
from api.console.sip_draw import Ladder, ladder
from masking.sip_text import could_be_a_phone, spellings
from masking.staff import Right
from storage import audit, sip_messages
from storage.audit import Action, Entry
from storage.errors import SealBroken
from storage.schema import calls, numbers
from storage.sip_messages import Hits, Talk, Wanted
from storage.vault import Vault

PERIODS: Final = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "31d": timedelta(days=31),
}
FOUND: Final = 50
LONGEST: Final = 200  # characters of a field
MOST_NUMBERS: Final = 500
_METHOD: Final = re.compile(r"[A-Za-z]{0,16}")
_STATUS: Final = re.compile(r"[1-6]?[0-9]{0,2}")
_HEADER: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{0,64}")
_CURSOR: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,18})")
METHODS: Final = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "INFO")


async def show_ladder(visit: Visit) -> web.StreamResponse:
    """The ladder: a fragment of the call's page, or a page of its own."""
    call_id = visit.path["id"]
    found = await read(visit, call_id)
    template = "sip/ladder.html" if visit.partial else "sip/call.html"
    return render(visit, template, ladder=found, call_id=call_id)


async def read(visit: Visit, call_id: str) -> Ladder:
    """The ladder of a call, read and remembered as read."""
    services = visit.services
    rows = await services.db.read(lambda conn: sip_messages.of_call(conn, call_id))
    if not rows:
        return ladder((), lambda _: False)
    entry = Entry(visit.now, visit.actor(), Action.SIP_VIEWED, "call", call_id)
    await services.db.write(lambda conn: audit.append(conn, entry))
    talks = await asyncio.to_thread(_opened, services.vault, rows)
    candidates = spellings(one.text for talk in talks for one in talk.messages)
    known = await services.db.read(lambda conn: proxies(conn, candidates))
    ended_at = await services.db.read(
        lambda conn: conn.scalar(select(calls.c.ended_at).where(calls.c.call_id == call_id))
    )
    return await asyncio.to_thread(ladder, talks, known, ended_at, visit.now)


def _opened(vault: Vault, rows: Collection[sip_messages.Sealed]) -> list[Talk]:
    talks = []
    for row in rows:
        try:
            talks.append(sip_messages.opened(vault, row))
        except SealBroken:
            continue
    return talks


def proxies(conn: Connection, candidates: Collection[str]) -> Callable[[str], bool]:
    """Which of these digits are a number of ours, however a carrier spells it."""
    spelt = {digits: _e164(digits) for digits in sorted(candidates)[:MOST_NUMBERS]}
    wanted = sorted({one for each in spelt.values() for one in each})
    ours = set(conn.scalars(select(numbers.c.e164).where(numbers.c.e164.in_(wanted))))
    shown = {digits for digits, each in spelt.items() if ours & set(each)}
    return shown.__contains__


def _e164(digits: str) -> tuple[str, ...]:
    """What they may mean: E.164 with or without its prefix, or a Russian national number."""
    found = [f"+{digits}"]
    if digits.startswith("00"):
        found.append(f"+{digits[2:]}")
    if len(digits) == 10:
        found.append(f"+7{digits}")
    if len(digits) == 11 and digits.startswith("8"):
        found.append(f"+7{digits[1:]}")
    return tuple(found)


_FIELDS: Final = ("period", "method", "status", "header", "value", "sip")


async def show_search(visit: Visit) -> web.StreamResponse:
    """The form alone."""
    form = dict.fromkeys(_FIELDS, "") | {"period": "24h"}
    return _searched(visit, form, None)


async def search(visit: Visit) -> web.StreamResponse:
    """What was found; asked for in a form, so that nothing that was typed stands in an address."""
    form = {name: visit.sent(name) for name in _FIELDS}
    wanted = _wanted(visit, form)
    digest = visit.services.vault.digest(wanted.sip_call_id.encode()) if form["sip"] else None
    place = _CURSOR.fullmatch(visit.sent("cursor"))
    after = None if place is None else (int(place[1]), int(place[2]))
    found = await visit.services.db.read(
        lambda conn: sip_messages.search(conn, wanted, digest, limit=FOUND, after=after)
    )
    return _searched(visit, form, found)


def _searched(visit: Visit, form: dict[str, str], found: Hits | None) -> web.Response:
    periods = tuple(PERIODS)
    return render(
        visit, "sip/search.html", form=form, found=found, methods=METHODS, periods=periods
    )


def _wanted(visit: Visit, form: dict[str, str]) -> Wanted:
    """What is asked for. Raises ConsoleProblem."""
    fine = (
        form["period"] in PERIODS
        and _METHOD.fullmatch(form["method"])
        and _STATUS.fullmatch(form["status"])
        and _HEADER.fullmatch(form["header"])
        and len(form["value"]) <= LONGEST
        and len(form["sip"]) <= LONGEST
    )
    if not fine:
        raise ConsoleProblem(422, "sip.search.bad")
    if could_be_a_phone(form["value"]):
        raise ConsoleProblem(422, "sip.search.no_phones")
    return Wanted(
        since=visit.now - PERIODS[form["period"]],
        until=visit.now + timedelta(minutes=1),
        method=form["method"],
        status=form["status"],
        header=form["header"],
        value=form["value"],
        sip_call_id=form["sip"],
    )


PAGES: Final = (
    Page(
        "GET",
        "/console/calls/{id}/sip",
        show_ladder,
        Right.SIP_READ,
        {"id": r"cal_[0-9a-z]{26}"},
        refusal=Action.SIP_VIEWED,
    ),
    Page("GET", "/console/sip", show_search, Right.SIP_READ),
    Page("POST", "/console/sip", search, Right.SIP_READ),
)
