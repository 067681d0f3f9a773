"""Pools in the console: how many numbers each has, who holds most, when it is empty for them.

Proxy numbers are ours and may be shown. Participants go by their user ids; no phone is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, as_phone, known, one_of, required, text
from api.console.page import Page, Visit
from api.console.render import render, see
from api.schemas.patterns import NAME, PHONE
from masking.headroom import is_low, left
from masking.model import NumberState, Phone, Pool, ProxyNumber
from masking.staff import Right
from storage import headroom, numbers, trunks
from storage.audit import Action
from storage.headroom import Gauge, HeadRoom, Room
from storage.numbers import PoolSize

T = TypeVar("T")
_POOL: Final = NAME.strip("^$")
_NUMBER: Final = PHONE.strip("^$")
_AT_ONCE: Final = 100
_MOST_ADDED: Final = 1_000  # numbers in one form; more go by `maskline numbers import`
_LONGEST_LIST: Final = 40 * _MOST_ADDED
_CHANGES: Final = {"drain": NumberState.DRAINING, "use": NumberState.ACTIVE}
_DONE: Final = frozenset({"added", "drain", "use", "made", "rules"})


@dataclass(frozen=True, slots=True)
class Row:
    """A pool in the list."""

    pool: Pool
    size: PoolSize
    left: int | None  # for the one who holds most; None: nobody was seen yet
    low: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """One who holds much of a pool, and what is to be expected; `key` names the words for it."""

    room: Room
    left: int
    key: str


async def list_pools(visit: Visit) -> web.StreamResponse:
    """Every pool."""

    def work(conn: Connection) -> list[Row]:
        gauges = {one.pool: one for one in headroom.gauges(conn)}
        found = numbers.pools(conn)
        return [_row(one, numbers.size(conn, one.name), gauges.get(one.name)) for one in found]

    return render(visit, "look/pools.html", rows=await visit.services.db.read(work))


async def show_pool(visit: Visit) -> web.StreamResponse:
    """One pool: its rules, its head-room, its numbers."""
    name, now = visit.path["name"], visit.now
    state = one_of(visit.query, "state", NumberState)

    def work(conn: Connection) -> dict[str, Any]:
        found = _known(headroom.of_pool(conn, name, now))
        page = numbers.page(
            conn,
            pool=name,
            state=state,
            limit=_AT_ONCE,
            cursor=visit.asked("cursor") or None,
        )
        return {
            "pool": found.pool,
            "size": numbers.size(conn, name),
            "found": found,
            "watched": watched(found, now),
            "numbers": page.items,
            "cursor": page.next_cursor,
        }

    view = await visit.services.db.read(work)
    done = known(visit.query, "done", _DONE)
    return render(visit, "look/pool.html", state=state, states=[*NumberState], done=done, **view)


def watched(found: HeadRoom, now: datetime) -> list[Watched]:
    """Who holds much of the pool, each with the words of their forecast."""
    return [Watched(one, left(one.held, found.size), _words(one, now)) for one in found.rooms]


def _words(room: Room, now: datetime) -> str:
    at = room.forecast.at
    if at is None:
        return "none" if room.forecast.level == 0 else "level"
    return "now" if at <= now else "then"


def _row(pool: Pool, size: PoolSize, gauge: Gauge | None) -> Row:
    if gauge is None or not gauge.held:
        return Row(pool, size, None, low=False)
    rest = left(gauge.held, gauge.size)
    low = is_low(gauge.held, gauge.size, pool.rules.numbers.low_percent)
    return Row(pool, size, rest, low)


# -- numbers ---------------------------------------------------------------------------------------


async def ask_add(visit: Visit) -> web.StreamResponse:
    """Ask for numbers and the trunk that they come through."""
    return await _adding(visit)


async def add(visit: Visit) -> web.StreamResponse:
    """Put numbers into the pool: all of them or none."""
    name, now = visit.path["name"], visit.now
    try:
        trunk = required(text(visit.form, "trunk", longest=32), "trunk")
        wanted = _numbers(required(text(visit.form, "numbers", longest=_LONGEST_LIST), "numbers"))
    except Wrong as error:
        return await _adding(visit, wrong=error, status=422)

    def work(conn: Connection) -> Facts:
        _known(numbers.pool(conn, name))
        made = numbers.add_numbers(conn, name, trunk, wanted, now)
        return {"added": made.added, "already": made.already}

    facts = {"what": "added", "trunk": trunk}
    await act(visit, Deed(Action.POOL_CHANGED, "pool", name, facts), work)
    return see(f"/console/pools/{name}?done=added")


async def ask_change(visit: Visit) -> web.StreamResponse:
    """Say what the change of a number means."""
    found = await _number(visit)
    change = visit.path["change"]
    return render(visit, "look/number.html", number=found, change=change, once=fresh(visit))


async def change(visit: Visit) -> web.StreamResponse:
    """Give a number to new leases again, or no more."""
    found, now = await _number(visit), visit.now
    wanted = visit.path["change"]

    def work(conn: Connection) -> Facts:
        numbers.set_state(conn, found.e164, _CHANGES[wanted], now)
        return {}

    facts = {"what": wanted, "number": found.e164}
    await act(visit, Deed(Action.POOL_CHANGED, "pool", found.pool, facts), work)
    return see(f"/console/pools/{found.pool}?done={wanted}")


async def _number(visit: Visit) -> ProxyNumber:
    e164 = Phone(visit.path["number"])
    found = await visit.services.db.read(lambda conn: numbers.get(conn, e164))
    if found is None:
        raise ConsoleProblem(404, "look.number.missing")
    return found


def _known(found: T | None) -> T:
    if found is None:
        raise ConsoleProblem(404, "look.pool.missing")
    return found


def _numbers(written: str) -> list[Phone]:
    """Numbers from a list with one on each line, or with commas between. Raises Wrong."""
    parts = [one.strip() for one in written.replace(",", "\n").replace(";", "\n").splitlines()]
    found = [as_phone(one, "numbers") for one in parts if one]
    if not 1 <= len(found) <= _MOST_ADDED:
        raise Wrong("numbers")
    return found


async def _adding(
    visit: Visit, wrong: Wrong | None = None, status: int = 200
) -> web.StreamResponse:
    name, vault = visit.path["name"], visit.services.vault

    def work(conn: Connection) -> tuple[Pool, list[str]]:
        return _known(numbers.pool(conn, name)), [one.name for one in trunks.all(conn, vault)]

    pool, names = await visit.services.db.read(work)
    return render(
        visit,
        "look/numbers_add.html",
        status,
        pool=pool,
        trunks=[(one, one) for one in names],
        trunk=visit.sent("trunk"),
        written=visit.sent("numbers")[:_LONGEST_LIST],
        wrong=wrong,
        once=fresh(visit),
    )


_ONE: Final = {"name": _POOL}
_CHANGE: Final = {"number": _NUMBER, "change": "drain|use"}
_RIGHT: Final = Right.POOLS_CHANGE
_REFUSAL: Final = Action.POOL_CHANGED

PAGES: Final = (
    Page("GET", "/console/pools", list_pools, Right.LOOK_UP),
    Page("GET", "/console/pools/{name}", show_pool, Right.LOOK_UP, _ONE),
    *form("/console/pools/{name}/add", ask_add, add, _RIGHT, _REFUSAL, _ONE),
    *form("/console/numbers/{number}/{change}", ask_change, change, _RIGHT, _REFUSAL, _CHANGE),
)
