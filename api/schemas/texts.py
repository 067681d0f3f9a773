"""Texts that must hold no phone. Never repeats what it found.

A participant's, however spelt, where the other side is shown the text; anybody's, plainly spelt,
where it is a mere label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic_core import PydanticCustomError

from masking import e164
from masking.errors import InvalidPhone

_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
_SHORTEST: Final = 7  # digits of a phone
HOLDS_PHONE: Final = "holds a participant's phone: leave it out, it would be shown"
_NATIONAL: Final = 10  # digits of a long one that stay when it is spelt without its country code
# Digits as people group them, by themselves: no part of a word, and no version with its points.
_GROUPED: Final = re.compile(r"(?<![0-9A-Za-z])\+?[0-9](?:[ ()-]{0,2}[0-9]){6,}(?![0-9A-Za-z])")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_TRUNK_PREFIXES: Final = ("0", "8")  # national spellings begin with one of them


def refuse_phones(texts: Iterable[tuple[str, str]], phones: Sequence[str | None]) -> None:
    """Raise for the first of `texts` (field, text) that holds one of `phones`."""
    for field, text in texts:
        if holds_phone(text, phones):
            raise PydanticCustomError("phone_in_text", "{field} " + HOLDS_PHONE, {"field": field})


def holds_phone(text: str, phones: Sequence[str | None]) -> bool:
    """Whether one of `phones` is in `text`, with or without its country code."""
    digits = _NOT_DIGITS.sub("", text) if len(text) >= _SHORTEST else ""
    if len(digits) < _SHORTEST:
        return False
    return any(phone is not None and _tail(phone) in digits for phone in phones)


def refuse_any_phone(text: str) -> str:
    """Return `text`; raise for one that plainly holds somebody's phone."""
    if any(map(_plainly_a_phone, _GROUPED.findall(_UUID.sub("", text)))):
        raise PydanticCustomError("phone_in_label", "holds a phone: give a label without one")
    return text


def _plainly_a_phone(grouped: str) -> bool:
    digits = _NOT_DIGITS.sub("", grouped)
    if not grouped.startswith("+") and not _NATIONAL < len(digits) <= _NATIONAL + 3:
        return False  # times, serial numbers and the like are shorter or longer
    if digits.startswith(_TRUNK_PREFIXES):
        return True
    try:
        e164.parse("+" + digits)
    except InvalidPhone:
        return False
    return True


def _tail(phone: str) -> str:
    """The part of a phone that stays when it is spelt without its country code."""
    return phone[-_NATIONAL:] if len(phone) > _NATIONAL else phone[1:]
