"""Signatures as Standard Webhooks has them (standardwebhooks.com, "v1": HMAC-SHA-256).

While a secret is being replaced both sign, and the receiver may know either.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

from api.outbound.errors import OutboundError

SECRET_BYTES: Final = 32
_PREFIX: Final = "whsec_"
_SIZES: Final = range(24, 65)  # bytes, by the standard


class SecretUnusable(OutboundError):
    """The secret is not `whsec_` and 24 to 64 bytes in base64."""

    error_id = "secret_unusable"


def new_secret(entropy: bytes) -> str:
    """The text of a secret made of `entropy` (24 to 64 bytes)."""
    if len(entropy) not in _SIZES:
        raise SecretUnusable
    return _PREFIX + base64.b64encode(entropy).decode("ascii")


def sign(secret: str, message_id: str, at_s: int, body: bytes) -> str:
    """The signature of one message by one secret. Raises SecretUnusable."""
    signed = b"%s.%d.%s" % (message_id.encode(), at_s, body)
    digest = hmac.digest(_key(secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode("ascii")


def signature_headers(
    secrets: Sequence[str], message_id: str, at_s: int, body: bytes
) -> dict[str, str]:
    """The three headers, signed by each of `secrets`. Raises SecretUnusable."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(sign(secret, message_id, at_s, body) for secret in secrets),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretUnusable from None
    if len(key) not in _SIZES:
        raise SecretUnusable
    return key
