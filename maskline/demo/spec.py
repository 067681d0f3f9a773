"""How a party of the simulated carrier dials, and how far a call can come. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from maskline.demo import sip
from maskline.demo.g711 import Codec

PATIENCE_S: Final = 30.0
"""How long is waited for what has to come: no bound of anything, for a machine may be busy."""


class CallState(IntEnum):
    """How far a call has come; it never goes back."""

    DIALLING = 0
    TRYING = 1
    RINGING = 2
    UP = 3
    ENDED = 4


@dataclass(frozen=True, slots=True)
class CallSpec:
    """How a caller of the carrier dials. Everything on the wire can be chosen."""

    number: str  # user part of the request URI, raw
    from_: str | None  # user part of From; None: anonymous
    display: str = ""  # display name of From, raw, quoted by the caller
    from_header: str | None = None  # the whole From value instead, without tag
    uri: str | None = None  # the whole request URI instead
    contact: str | None = None  # the whole Contact value
    headers: tuple[str, ...] = ()  # further lines: P-Asserted-Identity, Privacy, X-…
    codecs: tuple[Codec, ...] = (Codec.ALAW, Codec.ULAW)
    sdp: str | None = None  # a whole body instead
    call_id: str | None = None
    auth: tuple[str, str] | None = None  # user and password for a digest challenge
    tone_hz: int | None = None
    event_type: int | None = sip.EVENT_TYPE  # payload type offered for keys; None: in-band only
    rewrite: Callable[[bytes], bytes] | None = field(
        default=None, repr=False
    )  # last word on every datagram we send
    limit_s: int = 180
