"""What Asterisk is told of an app: its endpoint, the credentials asked of it, where it is.

The one place that says how apps are served, as `trunks.py` does for trunks. Never looks anybody up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from urllib.parse import quote

from telephony.discreet import DISCREET

__all__ = ["REALM", "AppAccount", "AppKind", "AppServing", "Family", "is_app", "row"]

REALM = "maskline"
USERNAME = re.compile(r"app_[0-9a-hjkmnp-tv-z]{26}")
_HASH = re.compile(r"[0-9a-f]{32}")
LONGEST_S = 600
"""The longest registration: after that an app that is gone without a word is forgotten."""


class AppKind(StrEnum):
    """What a device speaks."""

    WEBRTC = "webrtc"  # WebSocket; ICE, DTLS-SRTP, RTCP multiplexed
    SIP = "sip"  # UDP, TCP or TLS; plain RTP, SRTP where its signalling is secret


class Family(StrEnum):
    """What Asterisk asks for, by the names it gives in `extconfig.conf`."""

    ENDPOINT = "ps_endpoints"
    AUTH = "ps_auths"
    AOR = "ps_aors"


@dataclass(frozen=True, slots=True)
class AppAccount:
    """One device of one user, whose credentials are valid until `expires_at`."""

    username: str
    user_id: str
    md5_cred: str = field(repr=False)  # MD5(username:maskline:password), RFC 7616, 3.4.2
    expires_at: datetime
    kind: AppKind = AppKind.WEBRTC


@dataclass(frozen=True, slots=True)
class AppServing:
    """What is the same for all apps of a node."""

    domain: str  # HOST of sip:ses_…@HOST; what From says
    media_address: str | None = None  # what SDP names, None where the node listens on all
    srtp: bool = False  # native apps may ask for SRTP, whose keys are in SIP: with TLS alone


def is_app(username: str) -> bool:
    """Whether it can be an app's."""
    return USERNAME.fullmatch(username) is not None


def row(family: Family, account: AppAccount, serving: AppServing) -> str:
    """What Asterisk reads: name=value pairs, percent-encoded. Raises ValueError."""
    if not is_app(account.username) or not _HASH.fullmatch(account.md5_cred):
        raise ValueError("no account that Asterisk may be told of")
    match family:
        case Family.ENDPOINT:
            pairs = _endpoint(account, serving)
        case Family.AUTH:
            pairs = _auth(account)
        case Family.AOR:
            pairs = _aor()
        case _:
            assert_never(family)
    encoded = (f"{name}={quote(value, safe='')}" for name, value in pairs)
    return "&".join((f"id={account.username}", *encoded))


def _endpoint(account: AppAccount, serving: AppServing) -> Iterator[tuple[str, str]]:
    yield "aors", account.username
    yield "auth", account.username
    yield "identify_by", "auth_username"
    yield "context", "from-app"
    yield "set_var", f"MASKLINE_APP={account.username}"
    yield "disallow", "all"
    yield "allow", "opus,alaw,ulaw"
    yield "max_video_streams", "0"
    yield from DISCREET
    # What an app is shown is From.
    yield "from_domain", serving.domain
    yield "send_pai", "no"
    yield "dtmf_mode", "rfc4733"
    # Apps sit behind NAT: called where they called from.
    yield "rewrite_contact", "yes"
    # Silence for this long is an app whose network is gone.
    yield "rtp_timeout", "30"
    yield "rtp_timeout_hold", "600"
    if serving.media_address is not None:
        yield "media_address", serving.media_address
        yield "bind_rtp_to_media_address", "yes"
    match account.kind:
        case AppKind.WEBRTC:
            yield "webrtc", "yes"
        case AppKind.SIP:
            yield "rtp_symmetric", "yes"
            if serving.srtp:
                yield "media_encryption", "sdes"
                yield "media_encryption_optimistic", "yes"
        case _:
            assert_never(account.kind)


def _auth(account: AppAccount) -> Iterator[tuple[str, str]]:
    yield "auth_type", "md5"
    yield "username", account.username
    yield "realm", REALM
    yield "md5_cred", account.md5_cred


def _aor() -> Iterator[tuple[str, str]]:
    yield "max_contacts", "1"
    yield "remove_existing", "yes"
    yield "minimum_expiration", "30"
    yield "default_expiration", "300"
    yield "maximum_expiration", str(LONGEST_S)
    yield "qualify_frequency", "0"
