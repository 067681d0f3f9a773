"""What somebody typed into a field of a look-up page, read with care.

What is wrong is named by its field alone, never by what was typed: that may be a phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from api.console import look
from api.schemas.patterns import IDENTIFIER
from masking import e164
from masking.errors import InvalidPhone
from masking.model import Phone

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Fields = Mapping[str, list[str]]

_LOCAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_LONGEST: Final = 500


class Wrong(Exception):
    """A field does not hold what it should. What was typed there is not said.

    `says`: the text that tells what to do, ``look.wrong.…``; the field's own without it.
    """

    def __init__(self, field: str, says: str = "") -> None:
        super().__init__(field)
        self.field = field
        self.says = says or field


def text(fields: Fields, name: str, *, longest: int = _LONGEST) -> str | None:
    """What stands in the field, without blanks around it; None: nothing. Raises Wrong."""
    given = fields.get(name, [])
    if len(given) > 1 or any(len(one) > longest for one in given):
        raise Wrong(name)
    return given[0].strip() or None if given else None


def identifier(fields: Fields, name: str) -> str | None:
    """An id of the platform's. Raises Wrong."""
    found = text(fields, name)
    if found is not None and not re.fullmatch(IDENTIFIER, found):
        raise Wrong(name)
    return found


def required(value: T | None, name: str) -> T:
    """What has to stand in the field. Raises Wrong."""
    if value is None:
        raise Wrong(name)
    return value


def phone(fields: Fields, name: str) -> Phone | None:
    """A number as people write it, with its country code. Raises Wrong."""
    found = text(fields, name, longest=40)
    if found is None:
        return None
    return as_phone(found, name)


def as_phone(written: str, name: str) -> Phone:
    """The same of one text. Raises Wrong."""
    try:
        return e164.parse(written if written.startswith(("+", "00")) else f"+{written}")
    except InvalidPhone:
        raise Wrong(name) from None


def whole(fields: Fields, name: str, least: int, most: int) -> int | None:
    """A whole number between two others. Raises Wrong."""
    found = text(fields, name, longest=12)
    if found is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", found) or not least <= int(found) <= most:
        raise Wrong(name)
    return int(found)


def choice(fields: Fields, name: str, allowed: frozenset[str]) -> str | None:
    """One of these words. Raises Wrong."""
    found = text(fields, name)
    if found is not None and found not in allowed:
        raise Wrong(name)
    return found


def known(fields: Fields, name: str, allowed: frozenset[str]) -> str | None:
    """One of these words of an address; None: anything else."""
    try:
        return choice(fields, name, allowed)
    except Wrong:
        return None


def one_of(fields: Fields, name: str, kind: type[E]) -> E | None:
    """One of an enum's words of an address; None: anything else."""
    found = known(fields, name, frozenset(one.value for one in kind))
    return None if found is None else kind(found)


def flag(fields: Fields, name: str) -> bool:
    """Whether a box is ticked."""
    return bool(fields.get(name))


def moment(fields: Fields, name: str, zone: str) -> datetime | None:
    """A time as `<input type="datetime-local">` sends it, in the reader's zone. Raises Wrong."""
    found = text(fields, name, longest=19)
    if found is None:
        return None
    if not _LOCAL.fullmatch(found):
        raise Wrong(name)
    try:
        return datetime.fromisoformat(found).replace(tzinfo=look.zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong(name) from None
