"""What staff type to find calls, on its way to an address: with care, for any of it may be a phone.

Both forms are posted, so that nothing typed is ever in an address before it was looked at: a phone
in the wrong field is turned away, one in the right field becomes a token. Names of fields are all
that is said of what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, select

from api.console import look
from api.console.calls_filter import LISTED, NAMES, CallsAddress, Pairs, fields_wrong
from api.errors import ValidationFailed
from api.validation import parse_query
from masking import e164
from masking.errors import InvalidPhone
from masking.model import Phone
from storage import call_tags, numbers
from storage.schema import call_tags as tagged
from storage.schema import calls

Form = Mapping[str, list[str]]

HELD: Final = "phone_held"
"""The field that carries the token of a phone that was typed before."""
_LOCAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_LONGEST: Final = 300
_IDS: Final = ("conversation_id", "listing_id", "user_id")
_LIKE_A_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()\-.\u00a0]{8,20}")
_TAGGED: Final = select(tagged.c.call_id).limit(1)
_CALL: Final = re.compile(r"cal_[0-9a-z]{26}")
_SESSION: Final = re.compile(r"ses_[0-9a-z]{26}")


@dataclass(frozen=True, slots=True)
class Typed:
    """A form that was read. `repr` shows nothing of it."""

    pairs: Pairs
    phone: Phone | None
    wrong: tuple[str, ...]  # names of fields

    def __repr__(self) -> str:
        return f"Typed(wrong={self.wrong})"


def read(form: Form, zone: str) -> Typed:
    """What a filter form says, for somebody in that zone."""
    pairs: list[tuple[str, str]] = []
    wrong: list[str] = []
    phone: Phone | None = None
    for name in NAMES:
        values = [one.strip() for one in form.get(name, []) if one.strip()]
        if not values:
            continue
        if name not in LISTED:
            values = values[:1]
        if any(len(one) > _LONGEST for one in values):
            wrong.append(name)
        elif name == "phone":
            phone = as_phone(values[0])
            if phone is None:
                wrong.append(name)
        else:
            said = _plain(name, values, zone)
            if said is None:
                wrong.append(name)
            else:
                pairs.append((name, said))
    named = {name for name, _ in pairs}
    if "period" in named and named & {"from", "until"}:
        pairs = [(name, value) for name, value in pairs if name != "period"]
    held = "".join(form.get(HELD, [])[:1])
    if held and phone is None:
        pairs.append(("phone", held))
    try:
        parse_query(CallsAddress, pairs)
    except ValidationFailed as error:
        wrong.extend(fields_wrong(error))
    return Typed(pairs, phone, tuple(dict.fromkeys(wrong)))


def misplaced(conn: Connection, pairs: Pairs) -> tuple[str, ...]:
    """Fields that hold what is not theirs, and may be somebody's phone."""
    values = dict(pairs)
    found = []
    number = values.get("number")
    if number is not None and not numbers.known(conn, [number]) and not _seen(conn, number):
        found.append("number")
    for name in _IDS:
        value = values.get(name)
        if value is not None and _like_a_phone(value) and not _is_id(conn, name, value):
            found.append(name)
    return tuple(found)


def as_phone(typed: str) -> Phone | None:
    """A phone typed in full: with its country code, or with the 8 of Russia's trunk prefix."""
    digits = re.sub(r"[^0-9]", "", typed)
    with suppress(InvalidPhone):
        return e164.parse(typed)
    if len(digits) == 11 and digits.startswith("8"):
        digits = f"7{digits[1:]}"
    with suppress(InvalidPhone):
        if not re.search(r"[^0-9 ()\-.+\u00a0]", typed):
            return e164.parse(f"+{digits}")
    return None


@dataclass(frozen=True, slots=True)
class Meant:
    """What a word in the search box can mean."""

    call_id: str | None = None
    filters: Pairs = ()  # one for each thing that has this name
    phone: Phone | None = None

    def __repr__(self) -> str:
        return "Meant()"


def meant(conn: Connection, typed: str) -> Meant:
    """Look for a call, session, conversation, user, listing, trunk or tag of this name.

    Else for one of our numbers; what is left may be a phone.
    """
    text = typed.strip()
    if not text or len(text) > _LONGEST:
        return Meant()
    if _CALL.fullmatch(text):
        return Meant(call_id=text)
    if _SESSION.fullmatch(text):
        return Meant(filters=(("session_id", text),))
    phone = as_phone(text) if _like_a_phone(text) else None
    if phone is not None and (numbers.known(conn, [phone]) or _seen(conn, phone)):
        return Meant(filters=(("number", phone),))
    found = [(name, text) for name in (*_IDS, "trunk") if _is_id(conn, name, text)]
    tag = call_tags.spelt(text)
    if tag is not None and conn.execute(_TAGGED.where(tagged.c.tag == tag)).first() is not None:
        found.append(("tag", tag))
    return Meant(filters=tuple(found), phone=None if found else phone)


def _plain(name: str, values: list[str], zone: str) -> str | None:
    """The field as the address spells it; None: it cannot be understood."""
    text = ",".join(values)
    match name:
        case "from" | "until":
            return _moment(values[0], zone)
        case "number":
            return as_phone(values[0])
        case "tag":
            return call_tags.spelt(values[0])
        case "mos_min" | "mos_max":
            return text.replace(",", ".")
        case "cause":
            return ",".join(one for one in re.split(r"[,\s]+", text) if one)
        case _:
            return text


def _moment(text: str, zone: str) -> str | None:
    """A time on the wall of that zone, as RFC 3339 in UTC."""
    if not _LOCAL.fullmatch(text):
        return text if text.endswith("Z") else None
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=look.zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def local(moment: str, zone: str) -> str:
    """The other way round: what a field for a time shows of an address."""
    at = datetime.fromisoformat(moment)
    return at.astimezone(look.zone(zone)).strftime("%Y-%m-%dT%H:%M")


def _like_a_phone(text: str) -> bool:
    return _LIKE_A_PHONE.fullmatch(text) is not None and as_phone(text) is not None


_COLUMNS: Final = {
    "conversation_id": (calls.c.conversation_id,),
    "listing_id": (calls.c.listing_id,),
    "user_id": (calls.c.caller_user_id, calls.c.callee_user_id),
    "trunk": (calls.c.trunk_in, calls.c.trunk_out),
    "number": (calls.c.number_in, calls.c.number_out),
}


def _is_id(conn: Connection, name: str, value: str) -> bool:
    """Whether any call has it there: a look into an index."""
    return any(
        conn.execute(select(column).where(column == value).limit(1)).first() is not None
        for column in _COLUMNS[name]
    )


def _seen(conn: Connection, number: str) -> bool:
    """Whether it was a number of ours when some call was made."""
    return _is_id(conn, "number", number)
