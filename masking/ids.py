"""Identifiers: short, sortable where time matters, and never made of personal data."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from datetime import datetime


def session_id(now: datetime, entropy: bytes) -> str:
    """``ses_`` and 26 characters: 48 bits of time in ms and `entropy` (10 bytes)."""
    return "ses_" + _sortable(now, entropy)


def listing_number_id(now: datetime, entropy: bytes) -> str:
    """``lst_`` and the same."""
    return "lst_" + _sortable(now, entropy)


def call_id(node: str, linked_id: str) -> str:
    """The id of the call whose first channel is `linked_id` on `node`.

    A function of what Asterisk itself writes with every event, so that whoever reads of a call,
    and however often, gives it the same id without asking anyone.
    """
    digest = hashlib.blake2b(f"{node}\n{linked_id}".encode(), digest_size=16).digest()
    return "cal_" + _text(digest)


def event_id(key: str) -> str:
    """The id under which the platform is told of the notice with this key, however often."""
    return "evt_" + _text(hashlib.blake2b(key.encode(), digest_size=16).digest())


def webhook_id(now: datetime, entropy: bytes) -> str:
    """``whk_`` and 26 characters, made like a session's id."""
    return "whk_" + session_id(now, entropy).removeprefix("ses_")


_SORTED = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghjkmnpqrstvwxyz")


def _sortable(now: datetime, entropy: bytes) -> str:
    if len(entropy) != 10:
        msg = "entropy must be 10 bytes"
        raise ValueError(msg)
    return _text(int(now.timestamp() * 1000).to_bytes(6, "big") + entropy)


def _text(raw: bytes) -> str:
    """Lower-case Crockford base 32: keeps the order of the bytes, has no i, l, o, u."""
    return b32encode(raw).decode("ascii").rstrip("=").translate(_SORTED)
