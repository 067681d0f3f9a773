"""Trunks in the console: how each is set, how full it is, and what of it is safe to change.

A carrier's password is read by nobody here; its address and log-in are `look_trunk_carrier`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, flag, known, required, whole
from api.console.page import Page, Visit
from api.console.render import render, see
from api.schemas.patterns import NAME
from api.trunks import may_be, tell_node
from masking.errors import InvalidTrunk
from masking.staff import Right
from masking.trunks import Trunk
from storage import numbers, trunks
from storage.audit import Action

_NAME: Final = NAME.strip("^$")
LIMITS: Final = {"max_channels": (1, 100_000), "max_cps": (1, 10_000), "priority": (0, 1000)}
_CHANGES: Final[dict[str, dict[str, bool]]] = {
    "drain": {"inbound": False, "outbound": False},
    "open": {"enabled": True, "inbound": True, "outbound": True},
    "disable": {"enabled": False},
}
_DONE: Final = frozenset({*_CHANGES, "edited", "added", "carrier"})


@dataclass(frozen=True, slots=True)
class Row:
    """A trunk, as a list shows it."""

    trunk: Trunk
    state: str  # open, inbound, outbound, drained, disabled
    calls: int  # that are up on it now
    answers: bool | None  # whether it answered its last OPTIONS; None: not known


def state_of(trunk: Trunk) -> str:
    """What new calls it takes, in a word."""
    if not trunk.enabled:
        return "disabled"
    match trunk.inbound, trunk.outbound:
        case True, True:
            return "open"
        case True, False:
            return "inbound"
        case False, True:
            return "outbound"
        case _:
            return "drained"


async def list_trunks(visit: Visit) -> web.StreamResponse:
    """Every trunk, those tried first at the front."""
    vault = visit.services.vault
    found = await visit.services.db.read(lambda conn: trunks.all(conn, vault))
    return render(visit, "look/trunks.html", rows=await _rows(visit, found))


async def show_trunk(visit: Visit) -> web.StreamResponse:
    """One trunk."""
    trunk = await trunk_of(visit)
    page = await visit.services.db.read(lambda conn: numbers.page(conn, trunk=trunk.name, limit=1))
    return render(
        visit,
        "look/trunk.html",
        row=(await _rows(visit, [trunk]))[0],
        has_numbers=bool(page.items),
        changes=_offered(trunk),
        done=known(visit.query, "done", _DONE),
        later=visit.asked("node") == "later",
    )


async def ask_change(visit: Visit) -> web.StreamResponse:
    """Say what draining, opening or disabling means."""
    trunk = await trunk_of(visit)
    return render(
        visit,
        "look/trunk_change.html",
        row=(await _rows(visit, [trunk]))[0],
        change=visit.path["change"],
        once=fresh(visit),
    )


async def change(visit: Visit) -> web.StreamResponse:
    """Drain, open or disable."""
    wanted = visit.path["change"]
    return await _change(visit, wanted, _CHANGES[wanted])


async def ask_edit(visit: Visit) -> web.StreamResponse:
    """Ask for limits and order."""
    return _edited(visit, await trunk_of(visit))


async def edit(visit: Visit) -> web.StreamResponse:
    """Give it other limits, another place in the order."""
    try:
        changes: dict[str, Any] = {
            name: _whole(visit, name, *bounds) for name, bounds in LIMITS.items()
        }
    except Wrong as error:
        return _edited(visit, await trunk_of(visit), wrong=error, status=422)
    changes |= {name: flag(visit.form, name) for name in ("inbound", "outbound")}
    return await _change(visit, "edited", changes)


async def _change(visit: Visit, what: str, changes: dict[str, Any]) -> web.StreamResponse:
    name, now, vault = visit.path["name"], visit.now, visit.services.vault

    def work(conn: Connection) -> Facts:
        present = trunks.get(conn, vault, name)
        if present is None:
            raise ConsoleProblem(404, "look.trunk.missing")
        changed = {one: value for one, value in changes.items() if getattr(present, one) != value}
        if changed:
            after = replace(present, **changed)
            try:
                may_be(visit.services, after, present)
            except InvalidTrunk as error:
                raise ConsoleProblem(409, f"look.wrong.trunk_{error.field}") from None
            trunks.replace(conn, vault, after, now)
        return changed

    await act(visit, Deed(Action.TRUNK_CHANGED, "trunk", name, {"what": what}), work)
    return await shown_after(visit, name, what)


async def shown_after(visit: Visit, name: str, what: str) -> web.StreamResponse:
    """Tell the node, and show what was done; that it follows later, where it is away."""
    later = "" if await tell_node(visit.services) else "&node=later"
    return see(f"/console/trunks/{name}?done={what}{later}")


async def trunk_of(visit: Visit) -> Trunk:
    """The trunk of the address. Raises ConsoleProblem."""
    name, vault = visit.path["name"], visit.services.vault
    found = await visit.services.db.read(lambda conn: trunks.get(conn, vault, name))
    if found is None:
        raise ConsoleProblem(404, "look.trunk.missing")
    return found


def _offered(trunk: Trunk) -> list[str]:
    """The changes that would change something."""
    return [
        name
        for name, wanted in _CHANGES.items()
        if any(getattr(trunk, one) != value for one, value in wanted.items())
    ]


async def _rows(visit: Visit, found: Iterable[Trunk]) -> list[Row]:
    calls = await visit.running.calls_up.on_trunks(visit.now)
    answers = visit.services.trunk_answers()
    return [Row(one, state_of(one), calls.get(one.name, 0), answers.get(one.name)) for one in found]


def _whole(visit: Visit, name: str, least: int, most: int) -> int:
    return required(whole(visit.form, name, least, most), name)


def _edited(
    visit: Visit, trunk: Trunk, *, wrong: Wrong | None = None, status: int = 200
) -> web.StreamResponse:
    sent = {name: visit.sent(name) or str(getattr(trunk, name)) for name in LIMITS}
    ways = ("inbound", "outbound")
    ticked = [
        one for one in ways if (flag(visit.form, one) if wrong else bool(getattr(trunk, one)))
    ]
    return render(
        visit,
        "look/trunk_edit.html",
        status,
        trunk=trunk,
        sent=sent,
        ticked=ticked,
        limits=LIMITS,
        wrong=wrong,
        once=fresh(visit),
    )


_ONE: Final = {"name": _NAME}
_CHANGE: Final = {"name": _NAME, "change": "drain|open|disable"}
_CHANGE_PATH: Final = "/console/trunks/{name}/change/{change}"
_RIGHT: Final = Right.TRUNKS_CHANGE
_REFUSAL: Final = Action.TRUNK_CHANGED

PAGES: Final = (
    Page("GET", "/console/trunks", list_trunks, Right.LOOK_UP),
    Page("GET", "/console/trunks/{name}", show_trunk, Right.LOOK_UP, _ONE),
    *form("/console/trunks/{name}/edit", ask_edit, edit, _RIGHT, _REFUSAL, _ONE),
    *form(_CHANGE_PATH, ask_change, change, _RIGHT, _REFUSAL, _CHANGE),
)
