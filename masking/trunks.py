"""Trunks as the domain sees them: what they accept, how they spell numbers, their order.

How a trunk is made known to Asterisk is the business of `telephony`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from masking.errors import InvalidTrunk


class Transport(StrEnum):
    """SIP transport toward the carrier."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class MediaEncryption(StrEnum):
    """What the audio toward the carrier is sealed with."""

    NONE = "none"
    SDES = "sdes"  # SRTP, whose keys stand in SDP (RFC 4568); never in clear


class AuthType(StrEnum):
    """How the carrier proves that a call is its own, and we to it."""

    IP = "ip"
    DIGEST = "digest"


class NumberFormat(StrEnum):
    """How the carrier spells numbers."""

    E164 = "e164"  # +79161234567
    E164_BARE = "e164_bare"  # 79161234567
    NATIONAL = "national"  # 89161234567 in Russia: trunk prefix and national number


@dataclass(frozen=True, slots=True)
class TrunkAuth:
    """Credentials of a trunk. `repr` never shows the password."""

    type: AuthType = AuthType.IP
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    register: bool = False  # we register with the carrier


@dataclass(frozen=True, slots=True)
class Trunk:
    """A SIP connection to a carrier."""

    name: str  # [a-z0-9][a-z0-9-]{0,31}: part of channel names and events
    host: str  # address or DNS name
    port: int = 5060
    transport: Transport = Transport.UDP
    auth: TrunkAuth = TrunkAuth()
    number_format: NumberFormat = NumberFormat.E164
    country: str = "RU"  # ISO 3166-1 alpha-2: reads and writes national numbers
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    max_channels: int = 100  # both directions together
    max_cps: int = 30  # call set-ups a second, both directions together
    priority: int = 100  # lower is tried first among those that are not the number's own trunk
    inbound: bool = True
    outbound: bool = True
    enabled: bool = True
    trusted: bool = True  # P-Asserted-Identity names the caller, else From
    options_interval_s: int = 30  # OPTIONS keep-alive; 0: none
    media_encryption: MediaEncryption = MediaEncryption.NONE


def check(trunk: Trunk) -> None:
    """Raise InvalidTrunk for a trunk whose settings cannot go together."""
    if trunk.media_encryption is MediaEncryption.SDES and trunk.transport is not Transport.TLS:
        raise InvalidTrunk(
            "sdes needs transport tls: the keys of the audio stand in the SIP messages",
            field="media_encryption",
        )


def needs_tls_door(trunk: Trunk) -> bool:
    """Whether its carrier opens TLS connections to us.

    One with which we register calls over the connection that we opened.
    """
    return trunk.transport is Transport.TLS and trunk.inbound and not trunk.auth.register


def check_door(trunk: Trunk) -> None:
    """Raise InvalidTrunk for a trunk that would wait for calls where no TLS comes in."""
    if needs_tls_door(trunk):
        raise InvalidTrunk(
            "TLS comes in only with the setting sip_tls: set that, or inbound to false",
            field="inbound",
        )
