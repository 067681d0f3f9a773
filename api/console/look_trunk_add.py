"""A new trunk, asked for in the console. What is right for the API is right here.

The carrier's password is written here and never read again: on no page, in no entry of the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Connection

from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, choice, flag, required, text, whole
from api.console.page import Visit
from api.console.render import render, see
from api.schemas.trunks import TrunkIn
from api.trunks import tell_node, trunk_from
from masking.errors import TrunkExists
from masking.staff import Right
from masking.trunks import AuthType, NumberFormat, Transport, Trunk
from storage import trunks
from storage.audit import Action

_NUMBERS: Final = {
    "port": (1, 65_535),
    "max_channels": (1, 100_000),
    "max_cps": (1, 10_000),
    "priority": (0, 1000),
}
_CHOICES: Final = {
    "transport": [one.value for one in Transport],
    "number_format": [one.value for one in NumberFormat],
    "auth": [one.value for one in AuthType],
}
_TEXTS: Final = ("name", "host", "country", "codecs", "username")
_FLAGS: Final = ("inbound", "outbound", "trusted", "register")
_USUAL: Final[Mapping[str, str]] = {
    **dict.fromkeys(_TEXTS, ""),
    "port": "5060",
    "max_channels": "100",
    "max_cps": "30",
    "priority": "100",
    "transport": Transport.UDP.value,
    "number_format": NumberFormat.E164.value,
    "auth": AuthType.IP.value,
    "country": "RU",
    "codecs": "alaw, ulaw",
}
_USUALLY_ON: Final = frozenset({"inbound", "outbound", "trusted"})
# Where the words of a field would not do: another form has one of that name.
_SAYS: Final = {"name": "trunk_name"}


async def ask(visit: Visit) -> web.StreamResponse:
    """Ask for the carrier's address, its log-in, and what was agreed with it."""
    return _asking(visit, _USUAL, _USUALLY_ON)


async def add(visit: Visit) -> web.StreamResponse:
    """Add the trunk, and tell the node."""
    now, vault = visit.now, visit.services.vault
    try:
        trunk = _read(visit)

        def work(conn: Connection) -> Facts:
            try:
                trunks.add(conn, vault, trunk, now)
            except TrunkExists:
                raise Wrong("name", says="trunk_exists") from None
            return {"inbound": trunk.inbound, "outbound": trunk.outbound}

        await act(visit, Deed(Action.TRUNK_CHANGED, "trunk", trunk.name, {"what": "added"}), work)
    except Wrong as error:
        typed = {name: visit.sent(name)[:253] for name in _USUAL}
        ticked = frozenset(name for name in _FLAGS if flag(visit.form, name))
        return _asking(visit, typed, ticked, wrong=error, status=422)
    later = "" if await tell_node(visit.services) else "&node=later"
    return see(f"/console/trunks/{trunk.name}?done=added{later}")


def _read(visit: Visit) -> Trunk:
    """The trunk that was asked for. Raises Wrong."""
    typed = visit.form
    sent: dict[str, Any] = {
        name: required(whole(typed, name, *bounds), name) for name, bounds in _NUMBERS.items()
    }
    for name, allowed in _CHOICES.items():
        sent[name] = required(choice(typed, name, frozenset(allowed)), name)
    for name in ("name", "host", "country"):
        sent[name] = text(typed, name) or ""
    sent["codecs"] = (text(typed, "codecs") or "").lower().replace(",", " ").split()
    sent["auth"] = {"type": sent["auth"]}
    if sent["auth"]["type"] == AuthType.DIGEST.value:
        sent["auth"] |= {
            "username": text(typed, "username") or "",
            "password": text(typed, "password") or "",
            "register": flag(typed, "register"),
        }
    sent |= {name: flag(typed, name) for name in ("inbound", "outbound", "trusted")}
    try:
        checked = TrunkIn.model_validate_json(json.dumps(sent))
    except ValidationError as error:
        raise _wrong(error) from None
    return trunk_from(checked.name, checked)


def _wrong(error: ValidationError) -> Wrong:
    """The first field that is wrong; nothing of what stands in it."""
    fields = {*_NUMBERS, *_TEXTS, "password"}
    where = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
    name = next((str(one) for one in reversed(where) if one in fields), "name")
    return Wrong(name, _SAYS.get(name, ""))


def _asking(
    visit: Visit,
    sent: Mapping[str, str],
    ticked: frozenset[str],
    *,
    wrong: Wrong | None = None,
    status: int = 200,
) -> web.StreamResponse:
    words = visit.texts
    choices = {
        "transport": [(one, one.upper()) for one in _CHOICES["transport"]],
        "number_format": [(one, words(f"look.format.{one}")) for one in _CHOICES["number_format"]],
        "auth": [(one, words(f"look.trunk.auth_{one}")) for one in _CHOICES["auth"]],
    }
    return render(
        visit,
        "look/trunk_add.html",
        status,
        sent=sent,
        ticked=ticked,
        choices=choices,
        bounds=_NUMBERS,
        wrong=wrong,
        once=fresh(visit),
    )


# Not below /console/trunks: every name there is a trunk's.
PAGES: Final = form("/console/new-trunk", ask, add, Right.TRUNKS_CHANGE, Action.TRUNK_CHANGED)
