"""Trunks: what an operator says of a carrier, and what we say of it again: all but the password.

What comes in here ends in Asterisk's configuration: every text has a pattern.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import WHOLE, In, NameField, Out
from api.schemas.patterns import COUNTRY, CREDENTIAL, HOST, USERNAME
from masking import e164
from masking.trunks import AuthType, MediaEncryption, NumberFormat, Transport

Port = Annotated[int, Field(ge=1, le=65_535), WHOLE]
SIPS_PORT: Final = 5061  # RFC 3261, 18.2.1: where SIP over TLS is served
Codec = Literal["alaw", "ulaw", "g722", "opus", "gsm", "g729"]


def _host(value: str) -> str:
    """What looks like an address must be one."""
    if ":" in value or value.rsplit(".", 1)[-1].isdigit():
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise PydanticCustomError("host", "is no IP address") from None
    return value


def _country(value: str) -> str:
    if not e164.is_country(value):
        raise PydanticCustomError("country", "is no country of ISO 3166-1")
    return value


def _usual_codecs() -> list[Codec]:
    return ["alaw", "ulaw"]


def _distinct(value: list[Codec]) -> list[Codec]:
    if len(set(value)) != len(value):
        raise PydanticCustomError("repeated", "name each codec once")
    return value


Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=HOST,
        description="Address or DNS name",
        examples=["127.0.0.2"],
    ),
    AfterValidator(_host),
]
Country = Annotated[
    str,
    Field(
        pattern=COUNTRY,
        description="ISO 3166-1 alpha-2: reads and writes national numbers",
        examples=["RU"],
    ),
    AfterValidator(_country),
]
Codecs = Annotated[
    list[Codec],
    Field(
        min_length=1,
        max_length=6,
        json_schema_extra={"uniqueItems": True},
        description="In order of preference",
    ),
    AfterValidator(_distinct),
]
MaxChannels = Annotated[
    int, Field(ge=1, le=100_000, description="Calls at once, both directions together"), WHOLE
]
MaxCps = Annotated[
    int,
    Field(ge=1, le=10_000, description="Call set-ups a second, both directions together"),
    WHOLE,
]
Priority = Annotated[int, Field(ge=0, le=1000, description="Lower is tried first"), WHOLE]
OptionsInterval = Annotated[
    int, Field(ge=0, le=3600, description="OPTIONS keep-alive; 0: none"), WHOLE
]


class IpAuth(In):
    """The carrier is known by its address and port."""

    type: Literal["ip"]


class DigestAuth(In):
    """The carrier, and we, prove it by user name and password (RFC 8760)."""

    type: Literal["digest"]
    username: Annotated[str, Field(pattern=USERNAME)]
    password: Annotated[
        str, Field(pattern=CREDENTIAL, description="Never sent out again", repr=False)
    ]
    register_: Annotated[
        bool, Field(alias="register", description="We register with the carrier")
    ] = False


Auth = Annotated[IpAuth | DigestAuth, Field(discriminator="type")]


class TrunkBody(In):
    """All of a trunk but its name."""

    host: Host
    port: Port = Field(default=5060, description="Over TLS 5061 where it is left out")
    transport: Transport = Field(
        default=Transport.UDP,
        description="Over `tls` the carrier's certificate must be good for `host`",
    )
    auth: Auth = IpAuth(type="ip")
    number_format: NumberFormat = Field(
        default=NumberFormat.E164, description="How the carrier spells numbers"
    )
    country: Country = "RU"
    codecs: Codecs = Field(default_factory=_usual_codecs)
    max_channels: MaxChannels = 100
    max_cps: MaxCps = 30
    priority: Priority = 100
    inbound: bool = True
    outbound: bool = True
    enabled: bool = True
    trusted: bool = Field(
        default=True, description="P-Asserted-Identity names the caller; else From"
    )
    options_interval_s: OptionsInterval = 30
    media_encryption: MediaEncryption = Field(
        default=MediaEncryption.NONE,
        description="`sdes`: SRTP or no sound over this trunk, both ways; needs `transport` tls",
    )

    @model_validator(mode="after")
    def _usual_port(self) -> Self:
        if self.transport is Transport.TLS and "port" not in self.model_fields_set:
            self.port = SIPS_PORT
        return self


class TrunkIn(TrunkBody):
    """A new trunk."""

    name: NameField = Field(examples=["carrier-a"])


class TrunkPatch(In):
    """What is to change; what is left out stays."""

    host: Host | None = None
    port: Port | None = None
    transport: Transport | None = None
    auth: Auth | None = None
    number_format: NumberFormat | None = None
    country: Country | None = None
    codecs: Codecs | None = None
    max_channels: MaxChannels | None = None
    max_cps: MaxCps | None = None
    priority: Priority | None = None
    inbound: bool | None = None
    outbound: bool | None = None
    enabled: bool | None = None
    trusted: bool | None = None
    options_interval_s: OptionsInterval | None = None
    media_encryption: MediaEncryption | None = None


class AuthOut(Out):
    """How the carrier proves that a call is its own; never the password."""

    type: AuthType
    username: str | None
    register_: bool = Field(alias="register")


class TrunkOut(Out):
    """A trunk."""

    name: str
    host: str
    port: int
    transport: Transport
    auth: AuthOut
    number_format: NumberFormat
    country: str
    codecs: list[str]
    max_channels: int
    max_cps: int
    priority: int
    inbound: bool
    outbound: bool
    enabled: bool
    trusted: bool
    options_interval_s: int
    media_encryption: MediaEncryption


class TrunkPage(Out):
    """Trunks, by name."""

    items: list[TrunkOut]
    next_cursor: str | None
