"""A new trunk, asked for in the console. What is right for the API is right here.

The carrier's password is written here and never read again: on no page, in no entry of the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Connection

from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Wrong, flag, required, text, whole
from api.console.look_trunk_carrier import (
    BOUNDS,
    FLAGS,
    TEXTS,
    be_possible,
    choices,
    read,
    wrong_of,
)
from api.console.look_trunks import LIMITS, shown_after
from api.console.page import Visit
from api.console.render import render
from api.schemas.trunks import TrunkIn
from api.trunks import trunk_from
from masking.errors import TrunkExists
from masking.staff import Right
from masking.trunks import AuthType, MediaEncryption, NumberFormat, Transport, Trunk
from storage import trunks
from storage.audit import Action

_FIELDS: Final = frozenset({"name", "password", *TEXTS, *BOUNDS, *LIMITS})
_FLAGS: Final = (*FLAGS, "inbound", "outbound")
_USUAL: Final[Mapping[str, str]] = {
    **dict.fromkeys(("name", *TEXTS), ""),
    "port": "5060",
    "options_interval_s": "30",
    "max_channels": "100",
    "max_cps": "30",
    "priority": "100",
    "transport": Transport.UDP.value,
    "number_format": NumberFormat.E164.value,
    "auth": AuthType.IP.value,
    "media_encryption": MediaEncryption.NONE.value,
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
    return await shown_after(visit, trunk.name, "added")


def _read(visit: Visit) -> Trunk:
    """The trunk that was asked for. Raises Wrong."""
    typed = visit.form
    sent = read(typed) | {"name": text(typed, "name") or ""}
    sent |= {name: required(whole(typed, name, *LIMITS[name]), name) for name in LIMITS}
    sent |= {name: flag(typed, name) for name in ("inbound", "outbound")}
    try:
        checked = TrunkIn.model_validate_json(json.dumps(sent))
    except ValidationError as error:
        wrong = wrong_of(error, _FIELDS, or_else="name")
        raise Wrong(wrong.field, _SAYS.get(wrong.field, "")) from None
    trunk = trunk_from(checked.name, checked)
    be_possible(visit, trunk)
    return trunk


def _asking(
    visit: Visit,
    sent: Mapping[str, str],
    ticked: frozenset[str],
    *,
    wrong: Wrong | None = None,
    status: int = 200,
) -> web.StreamResponse:
    return render(
        visit,
        "look/trunk_add.html",
        status,
        sent=sent,
        ticked=ticked,
        choices=choices(visit.texts),
        bounds={**BOUNDS, **LIMITS},
        wrong=wrong,
        once=fresh(visit),
    )


# Not below /console/trunks: every name there is a trunk's.
PAGES: Final = form("/console/new-trunk", ask, add, Right.TRUNKS_CHANGE, Action.TRUNK_CHANGED)
