"""Phone numbers in and out: what people type, what carriers send, what carriers want.

Inside Maskline a phone is E.164 with the plus, made here and nowhere else. A number is accepted
when it is *possible* by its country's numbering plan (calling code and length), not only when it is
*valid* (range in use): plans change faster than any table, a number that does not exist is the
carrier's to say, and test ranges have to work. No error raised here tells the number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, ValidationResult

from masking.errors import InvalidPhone
from masking.model import Phone
from masking.trunks import NumberFormat, Trunk

_LONGEST_TYPED = 40  # characters; 15 digits with a separator after each are 30
_SEPARATORS = str.maketrans("", "", " \u00a0\u202f.()-\u2010\u2011\u2012\u2013")
_TYPED = re.compile(r"\+?[0-9]+")
_SENT = re.compile(r"\+?[0-9]{2,20}")  # 15 digits and an international prefix
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_CODE_DIGITS = (1, 2, 3)  # of a calling code; no code is the beginning of another


def parse(raw: str, *, country: str | None = None) -> Phone:
    """Read what a person or a platform wrote.

    Digits, a leading plus, and the separators people use (spaces, dots, hyphens, brackets). A
    number without plus or ``00`` is national in `country` (ISO 3166-1 alpha-2), with or without
    its trunk prefix, and is refused where no country is given. Raises InvalidPhone.
    """
    text = raw.translate(_SEPARATORS) if len(raw) <= _LONGEST_TYPED else ""
    if not _TYPED.fullmatch(text):
        raise InvalidPhone
    return _read(text, country)


def parse_sip(raw: str, trunk: Trunk) -> Phone:
    """Read a user part that `trunk` sent: digits and at most a leading plus, nothing else.

    A trunk that spells numbers internationally means the country code with and without the plus;
    one that spells them nationally means it only after a plus or an international prefix.
    Raises InvalidPhone, also for what is no phone number at all (``anonymous``, short codes).
    """
    if not _SENT.fullmatch(raw):
        raise InvalidPhone
    if raw[0] != "+" and trunk.number_format is not NumberFormat.NATIONAL:
        raw = "+" + raw
    return _read(raw, trunk.country)


def spell(phone: Phone, trunk: Trunk) -> str:
    """Write `phone` as `trunk` wants it: at most a plus, then digits."""
    match trunk.number_format:
        case NumberFormat.E164:
            return phone
        case NumberFormat.E164_BARE:
            return phone[1:]
        case NumberFormat.NATIONAL:
            habit = _habit(trunk.country)
            if habit.code and phone.startswith(habit.code, 1):
                return habit.trunk_prefix + phone[1 + len(habit.code) :]
            return habit.international_prefix + phone[1:]


def is_country(country: str) -> bool:
    """Whether national numbers of `country` (ISO 3166-1 alpha-2) can be read and written."""
    return country in phonenumbers.SUPPORTED_REGIONS


def _read(text: str, country: str | None) -> Phone:
    if text.startswith("00") and not _goes_abroad(text, country):
        text = "+" + text[2:]  # what most of the world dials; no national number begins so
    if _is_plain(text):
        return Phone(text)
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException:
        raise InvalidPhone from None  # the cause quotes the number
    phone = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE or not _E164.fullmatch(phone):
        raise InvalidPhone
    return Phone(phone)


def _goes_abroad(text: str, country: str | None) -> bool:
    """Whether `text` begins with an international prefix of the country's own, such as 0011."""
    prefix = _habit(country).abroad if country else None
    return prefix is not None and prefix.match(text) is not None


@dataclass(frozen=True, slots=True)
class _Code:
    """What decides whether digits after a calling code can be taken as they are."""

    lengths: frozenset[int]
    trunk_prefix: re.Pattern[str] | None
    rewrites: bool  # a trunk prefix is not only taken off but turned into something else

    def takes(self, national: str) -> bool:
        """Whether `national` is possible and no part of it could be a trunk prefix to take off."""
        if len(national) not in self.lengths:
            return False
        prefix = self.trunk_prefix.match(national) if self.trunk_prefix else None
        return not prefix or not (self.rewrites or len(national) - prefix.end() in self.lengths)


@dataclass(frozen=True, slots=True)
class _Habit:
    """How a country writes numbers of its own and of others."""

    code: str
    trunk_prefix: str
    international_prefix: str
    abroad: re.Pattern[str] | None  # all its international prefixes


def _is_plain(text: str) -> bool:
    """Whether `text` is E.164 as it stands; false also where only a closer look can tell."""
    if not _E164.fullmatch(text):
        return False
    for digits in _CODE_DIGITS:
        code = _code(text[1 : 1 + digits])
        if code is not None:
            return code.takes(text[1 + digits :])
    return False


@cache  # of constants: at most one entry for every text of 1 to 3 digits
def _code(code: str) -> _Code | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    metadata = PhoneMetadata.metadata_for_region(regions[0]) if regions else None
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    return _Code(
        lengths=frozenset(metadata.general_desc.possible_length),
        trunk_prefix=re.compile(prefix) if prefix else None,
        rewrites=metadata.national_prefix_transform_rule is not None,
    )


@cache  # of constants: one entry for every country that a trunk names
def _habit(country: str) -> _Habit:
    metadata = PhoneMetadata.metadata_for_region(country) if is_country(country) else None
    if metadata is None:
        return _Habit("", "", "00", None)
    abroad = metadata.international_prefix
    written = metadata.preferred_international_prefix or abroad or ""
    written = written.replace("~", "")  # "8~10": wait for a second dial tone
    return _Habit(
        code=str(metadata.country_code),
        trunk_prefix=metadata.national_prefix or "",
        international_prefix=written if written.isdigit() else "00",
        abroad=re.compile(abroad) if abroad else None,
    )
