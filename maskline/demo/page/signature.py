"""Whether a request is Maskline's: Standard Webhooks, as a platform's backend would check it."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

TOLERANCE_S = 300


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether `body` was signed with `secret` (``whsec_…``), not more than five minutes ago."""
    try:
        sent_s = int(headers["webhook-timestamp"])
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{sent_s}.".encode() + body
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError, binascii.Error):
        return False
    right = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")
    return abs(now_s - sent_s) <= TOLERANCE_S and any(
        hmac.compare_digest(right.encode(), one.encode()) for one in given
    )
