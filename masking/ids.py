"""Identifiers: short, sortable where time matters, and never made of personal data."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import Final


def session_id(now: datetime, entropy: bytes) -> str:
    """``ses_`` and 26 characters: 48 bits of time in ms and `entropy` (10 bytes)."""
    return "ses_" + _sortable(now, entropy)


def listing_number_id(now: datetime, entropy: bytes) -> str:
    """``lst_`` and the same."""
    return "lst_" + _sortable(now, entropy)


@lru_cache(maxsize=16_384)  # asked for with every event of a call, and for several calls at a time
def call_id(node: str, linked_id: str) -> str:
    """The id of the call whose first channel is `linked_id` on `node`.

    A function of what Asterisk itself writes with every event, so that whoever reads of a call,
    and however often, gives it the same id without asking anyone. It begins with the second in
    which the channel was made, as Asterisk put it into its name: what is kept by id of calls that
    follow one another lies together.
    """
    begun_s = begun(linked_id)
    if begun_s is None:
        return call_id_without_time(node, linked_id)
    time = begun_s.to_bytes(_SECONDS_BYTES, "big")
    return "cal_" + _text(time + _call_digest(node, linked_id)[: 16 - _SECONDS_BYTES])


def call_id_without_time(node: str, linked_id: str) -> str:
    """The same as it was made before ids began with the time; where there is none, still is."""
    return "cal_" + _text(_call_digest(node, linked_id))


def begun(linked_id: str) -> int | None:
    """In which second since 1970 the channel was made, as its name says."""
    found = _BEGUN.search(linked_id)
    return None if found is None else int(found[1])


_BEGUN: Final = re.compile(r"(?:^|-)([0-9]{9,11})\.[0-9]{1,20}$")
_SECONDS_BYTES: Final = 5


def _call_digest(node: str, linked_id: str) -> bytes:
    return hashlib.blake2b(f"{node}\n{linked_id}".encode(), digest_size=16).digest()


def event_id(key: str) -> str:
    """The id under which the platform is told of the notice with this key, however often."""
    return "evt_" + _text(hashlib.blake2b(key.encode(), digest_size=16).digest())


def webhook_id(now: datetime, entropy: bytes) -> str:
    """``whk_`` and 26 characters, made like a session's id."""
    return "whk_" + session_id(now, entropy).removeprefix("ses_")


def app_username(now: datetime, entropy: bytes) -> str:
    """``app_`` and 26 characters, made like a session's id: one device of one user."""
    return "app_" + _sortable(now, entropy)


def view_id(now: datetime, entropy: bytes) -> str:
    """``vew_`` and 26 characters, made like a session's id: a filter that staff keep."""
    return "vew_" + _sortable(now, entropy)


def export_id(now: datetime, entropy: bytes) -> str:
    """``exp_`` and the same: an export that staff asked for."""
    return "exp_" + _sortable(now, entropy)


def alarm_id(now: datetime, entropy: bytes) -> str:
    """``alm_`` and the same: an alarm of the live board."""
    return "alm_" + _sortable(now, entropy)


def staff_id(now: datetime, entropy: bytes) -> str:
    """``stf_`` and 26 characters, made like a session's id: an account of the console."""
    return "stf_" + _sortable(now, entropy)


_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)


def _sortable(now: datetime, entropy: bytes) -> str:
    if len(entropy) != 10:
        msg = "entropy must be 10 bytes"
        raise ValueError(msg)
    return _text(int(now.timestamp() * 1000).to_bytes(6, "big") + entropy)


def _text(raw: bytes) -> str:
    """16 bytes in lower-case Crockford base 32: keeps their order, has no i, l, o, u."""
    bits = int.from_bytes(raw, "big") << 2  # 26 digits hold two bits more
    return "".join([_PAIRS[bits >> shift & 0x3FF] for shift in _SHIFTS])


_SHIFTS: Final = range(120, -1, -10)
