"""Where a number belongs: its region and, for a fixed line, its city code.

Nothing is remembered of participants' phones; proxy numbers are ours, so their areas are kept.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException

from masking.rules import Phone

_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,9}")


def is_area(text: str) -> bool:
    """Whether `text` names an area: the beginning of a number, ``+7495``, or a country, ``RU``."""
    return text in phonenumbers.SUPPORTED_REGIONS or _PREFIX.fullmatch(text) is not None


def region_of(phone: Phone) -> str | None:
    """The country (ISO 3166-1 alpha-2) that `phone` belongs to; None where it cannot be told."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(phone))
    except NumberParseException:
        return None


@lru_cache(maxsize=65_536)
def areas_of(proxy: Phone) -> tuple[str | None, str | None]:
    """The city of a proxy number, as the beginning of its numbers (``+7495``), and its region.

    No city where the number is not tied to one: mobile, toll-free.
    """
    try:
        number = phonenumbers.parse(proxy)
    except NumberParseException:
        return None, None
    code = str(number.country_code)
    digits = phonenumbers.length_of_geographical_area_code(number)
    city = proxy[: 1 + len(code) + digits] if digits else None
    return city, phonenumbers.region_code_for_number(number)
