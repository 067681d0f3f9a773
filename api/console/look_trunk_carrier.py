"""What was agreed with a carrier: where it is, how it is known, how it spells numbers.

Asked for with a new trunk (`look_trunk_add`), and changed here. What is right for the API is right
here. The carrier's password is written and never read again: on no page, in no entry of the log.
Left empty, the one that is kept stays, as long as the user name does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import Connection

from api.console.errors import ConsoleProblem
from api.console.look_act import Deed, Facts, act, form, fresh
from api.console.look_fields import Fields, Wrong, choice, flag, required, text, whole
from api.console.look_trunks import shown_after, trunk_of
from api.console.page import Visit
from api.console.render import render
from api.console.texts import Texts
from api.schemas.patterns import NAME
from api.schemas.trunks import TrunkPatch
from api.trunks import may_be, settings_of
from masking.errors import InvalidTrunk
from masking.staff import Right
from masking.trunks import (
    AuthType,
    MediaEncryption,
    NumberFormat,
    Transport,
    Trunk,
    TrunkAuth,
)
from storage import trunks
from storage.audit import Action

BOUNDS: Final = {"port": (1, 65_535), "options_interval_s": (0, 3600)}
TEXTS: Final = ("host", "country", "codecs", "username")
FLAGS: Final = ("register", "trusted")
_CHOICES: Final = {
    "transport": [one.value for one in Transport],
    "number_format": [one.value for one in NumberFormat],
    "auth": [one.value for one in AuthType],
}
_SEALINGS: Final = [one.value for one in MediaEncryption]
_FIELDS: Final = frozenset({*BOUNDS, *TEXTS, "password"})
_PLAIN: Final = (
    *("host", "port", "transport", "number_format", "country", "options_interval_s"),
    "media_encryption",
)


def read(typed: Fields, kept: TrunkAuth | None = None) -> dict[str, Any]:
    """The fields as the API takes them; `kept`: what the trunk logs in with now. Raises Wrong."""
    sent: dict[str, Any] = {
        name: required(whole(typed, name, *bounds), name) for name, bounds in BOUNDS.items()
    }
    for name, allowed in _CHOICES.items():
        sent[name] = required(choice(typed, name, frozenset(allowed)), name)
    sealing = choice(typed, "media_encryption", frozenset(_SEALINGS))
    sent["media_encryption"] = sealing or MediaEncryption.NONE.value
    for name in ("host", "country"):
        sent[name] = text(typed, name) or ""
    sent["codecs"] = (text(typed, "codecs") or "").lower().replace(",", " ").split()
    sent["trusted"] = flag(typed, "trusted")
    if sent["auth"] != AuthType.DIGEST.value:
        return sent | {"auth": {"type": sent["auth"]}}
    username, password = text(typed, "username") or "", text(typed, "password") or ""
    if not password and kept is not None and username == kept.username:
        password = kept.password or ""
    log_in = {"type": sent["auth"], "username": username, "password": password}
    return sent | {"auth": log_in | {"register": flag(typed, "register")}}


def wrong_of(error: ValidationError, fields: frozenset[str] = _FIELDS, or_else: str = "") -> Wrong:
    """The first field that is wrong; nothing of what stands in it."""
    where = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
    return Wrong(next((str(one) for one in reversed(where) if one in fields), or_else or "host"))


def choices(words: Texts) -> dict[str, list[tuple[str, str]]]:
    """What there is to choose from, in words."""
    return {
        "transport": [(one, one.upper()) for one in _CHOICES["transport"]],
        "number_format": [(one, words(f"look.format.{one}")) for one in _CHOICES["number_format"]],
        "auth": [(one, words(f"look.trunk.auth_{one}")) for one in _CHOICES["auth"]],
        "media_encryption": [(one, words(f"look.trunk.sealed_{one}")) for one in _SEALINGS],
    }


def be_possible(visit: Visit, trunk: Trunk, present: Trunk | None = None) -> None:
    """Raise Wrong at the field that keeps it from being, or from being on these nodes."""
    try:
        may_be(visit.services, trunk, present)
    except InvalidTrunk as error:
        # Where its calls come in from is no field of every form: then the transport is.
        field = str(error.field)
        raise Wrong("transport" if field == "inbound" else field, f"trunk_{field}") from None


async def ask(visit: Visit) -> web.StreamResponse:
    """Show what is agreed with the carrier, to be changed."""
    trunk = await trunk_of(visit)
    ticked = {"register": trunk.auth.register, "trusted": trunk.trusted}
    return _asking(visit, trunk, _shown(trunk), frozenset(one for one in FLAGS if ticked[one]))


async def change(visit: Visit) -> web.StreamResponse:
    """Change it, and tell the node. Calls that are up go on where they are."""
    name, now, vault = visit.path["name"], visit.now, visit.services.vault
    present = await trunk_of(visit)
    try:
        sent = TrunkPatch.model_validate_json(json.dumps(read(visit.form, present.auth)))
    except ValidationError as error:
        return _mended(visit, present, wrong_of(error))
    except Wrong as error:
        return _mended(visit, present, error)

    def work(conn: Connection) -> Facts:
        before = trunks.get(conn, vault, name)
        if before is None:
            raise ConsoleProblem(404, "look.trunk.missing")
        after = replace(before, **settings_of(sent, sent.model_fields_set))
        be_possible(visit, after, before)
        if after != before:
            trunks.replace(conn, vault, after, now)
        return _told(before, after)

    try:
        await act(visit, Deed(Action.TRUNK_CHANGED, "trunk", name, {"what": "carrier"}), work)
    except Wrong as error:
        return _mended(visit, present, error)
    return await shown_after(visit, name, "carrier")


def _told(before: Trunk, after: Trunk) -> dict[str, str | bool]:
    """What the log keeps: of the log-in only that it changed, for a user name may be a phone."""
    one, other = _shown(before), _shown(after)
    facts: dict[str, str | bool] = {
        name: f"{one[name]} → {other[name]}" for name in one if one[name] != other[name]
    }
    if before.trusted != after.trusted:
        facts["trusted"] = after.trusted
    if before.auth != after.auth:
        facts.pop("username", None)
        facts["log_in"] = True
    return facts


def _shown(trunk: Trunk) -> dict[str, str]:
    """The fields as they stand, without the password."""
    shown = {name: str(getattr(trunk, name)) for name in _PLAIN}
    return shown | {
        "codecs": ", ".join(trunk.codecs),
        "auth": trunk.auth.type.value,
        "username": trunk.auth.username or "",
    }


def _mended(visit: Visit, trunk: Trunk, wrong: Wrong) -> web.StreamResponse:
    typed = {name: visit.sent(name)[:253] for name in _shown(trunk)}
    ticked = frozenset(name for name in FLAGS if flag(visit.form, name))
    return _asking(visit, trunk, typed, ticked, wrong=wrong, status=422)


def _asking(
    visit: Visit,
    trunk: Trunk,
    sent: Mapping[str, str],
    ticked: frozenset[str],
    *,
    wrong: Wrong | None = None,
    status: int = 200,
) -> web.StreamResponse:
    return render(
        visit,
        "look/trunk_carrier.html",
        status,
        trunk=trunk,
        sent=sent,
        ticked=ticked,
        choices=choices(visit.texts),
        bounds=BOUNDS,
        wrong=wrong,
        once=fresh(visit),
    )


_ONE: Final = {"name": NAME.strip("^$")}
_PATH: Final = "/console/trunks/{name}/carrier"
PAGES: Final = form(_PATH, ask, change, Right.TRUNKS_CHANGE, Action.TRUNK_CHANGED, _ONE)
