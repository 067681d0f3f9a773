"""Which of our languages the reader of a text prefers (RFC 9110, 12.5.4)."""

from __future__ import annotations

from re import compile as pattern
from typing import Final

from masking.model import Language

_LONGEST: Final = 20  # of the languages that are looked at
_WEIGHT: Final = pattern(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_DEFAULT: Final = Language.RU


def accepted(header: str | None) -> Language:
    """The best of ours for `Accept-Language`; Russian where it names none of them."""
    best, weight = _DEFAULT, 0.0
    for part in (header or "").split(",")[:_LONGEST]:
        name, _, parameter = part.partition(";")
        primary = name.strip().lower().partition("-")[0]
        quality = _quality(parameter)
        if primary in (one.value for one in Language) and quality > weight:
            best, weight = Language(primary), quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    return float(value) if _WEIGHT.fullmatch(value) else 0.0
