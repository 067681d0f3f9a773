"""A phone that was typed for a search, as it stands in an address: sealed, for one person, a while.

The token holds no phone, only the blind index, and opens with the vault alone. A copied address
finds nothing for anybody else, and nothing for anybody after half an hour.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Final

from masking.model import Phone
from storage.columns import to_ms
from storage.errors import SealBroken
from storage.vault import Vault

LASTS: Final = timedelta(minutes=30)
_HEAD: Final = "console phone search"


class PhoneForgotten(Exception):
    """The token is over, somebody else's, or none of ours."""

    error_id = "phone_forgotten"


def sealed(vault: Vault, phone: Phone, account_id: str, now: datetime) -> str:
    """What stands for `phone` in an address."""
    said = [_HEAD, account_id, str(to_ms(now + LASTS)), vault.index(phone).hex()]
    return urlsafe_b64encode(vault.seal_secret("\n".join(said))).decode("ascii").rstrip("=")


def opened(vault: Vault, token: str, account_id: str, now: datetime) -> bytes:
    """The blind index of the phone. Raises PhoneForgotten."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        head, owner, until_ms, index = vault.open_secret(raw).split("\n")
    except (ValueError, binascii.Error, SealBroken):
        raise PhoneForgotten from None
    if head != _HEAD or owner != account_id or int(until_ms) <= to_ms(now):
        raise PhoneForgotten
    return bytes.fromhex(index)
