"""Texts that are shown to the other side must not hold a participant's phone, however spelt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic_core import PydanticCustomError

_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
_SHORTEST: Final = 7  # digits of a phone
HOLDS_PHONE: Final = "holds a participant's phone: leave it out, it would be shown"
_NATIONAL: Final = 10  # digits of a long one that stay when it is spelt without its country code


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


def _tail(phone: str) -> str:
    """The part of a phone that stays when it is spelt without its country code."""
    return phone[-_NATIONAL:] if len(phone) > _NATIONAL else phone[1:]
