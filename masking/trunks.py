"""Trunks as the domain sees them: what they accept, how they spell numbers, their order.

How a trunk is made known to Asterisk is the business of `telephony`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Transport(StrEnum):
    """SIP transport toward the carrier."""

    UDP = "udp"
    TCP = "tcp"


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
