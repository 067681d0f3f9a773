"""Apps' credentials and users' switches. A password and a token go out once and never come in."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import WHOLE, IdField, In, Moment, Out, ShortText
from api.schemas.texts import refuse_any_phone
from masking.switches import Account, Day

MONTH_S: Final = 2_592_000
_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_CLOCK_TO_24: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_ZONE: Final = r"^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,2}$"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise PydanticCustomError(
            "timezone", "is no time zone: give a name of the IANA database, such as Europe/Moscow"
        ) from None
    return name


class CredentialIn(In):
    """A credential for one device of the user."""

    device: Annotated[ShortText, AfterValidator(refuse_any_phone)] | None = Field(
        default=None,
        description="Your name for the device, and no phone. A new credential ends the one before "
        "it of the same name",
        examples=["iphone-12"],
    )
    transport: Literal["webrtc", "sip"] = Field(
        default="webrtc",
        description="What the client's media are: `webrtc` (DTLS-SRTP, ICE), as browsers have it, "
        "or `sip` (plain RTP)",
    )
    ttl_s: Annotated[int, Field(ge=60, le=MONTH_S), WHOLE] | None = Field(
        default=None, description="How long it is good; left out: as the operator chose"
    )


class IceServerOut(Out):
    """An entry of RTCPeerConnection's `iceServers`."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class TransportsOut(Out):
    """Where native clients register, HOST:PORT; null: not this way."""

    udp: str | None
    tcp: str | None
    tls: str | None


class CredentialOut(Out):
    """A new credential. Its secrets are not shown again."""

    username: str = Field(examples=["app_01jd8n2k9hq3v6tbx4w7ymzcfe"])
    password: str = Field(description="For SIP's digest authentication")
    realm: str
    ws_url: str | None = Field(
        description="For SIP over WebSocket (RFC 7118); null: there is none",
        examples=["wss://sip.example.org:8089/ws"],
    )
    sip_uri: str = Field(
        description="The address of record to register",
        examples=["sip:app_01jd8n2k9hq3v6tbx4w7ymzcfe@sip.example.org"],
    )
    transports: TransportsOut
    ice_servers: list[IceServerOut]
    token: str = Field(description="For `Authorization: Bearer` at `app_url`, and nowhere else")
    app_url: str = Field(
        description="Where the app asks", examples=["https://maskline.test/v1/app"]
    )
    display: str = Field(
        description="What the client may put into From: nobody is shown it", examples=["app"]
    )
    user_id: str
    device: str | None
    transport: str
    expires_at: Moment


class DeviceOut(Out):
    """A live credential, without its secrets."""

    username: str
    device: str | None
    transport: str | None
    created_at: Moment
    expires_at: Moment
    registered: bool = Field(description="Whether it can be rung now, as far as this node knows")


class DevicePage(Out):
    """The user's live credentials, the newest first."""

    items: list[DeviceOut]
    next_cursor: str | None = None


class QuietHoursIn(In):
    """A time in which nothing rings."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = Field(
        default_factory=lambda: list(Day), description="Those on which it begins; left out: all"
    )
    from_: Annotated[str, Field(pattern=_CLOCK)] = Field(alias="from", examples=["22:00"])
    until: Annotated[str, Field(pattern=_CLOCK_TO_24)] = Field(
        description="Where it is no later than `from`, on the next day", examples=["08:00"]
    )


class ReachabilityIn(In):
    """What the user chose; what is left out gets its default."""

    in_app_calls: bool | None = Field(
        default=None, description="false: none ever. Else as the account has it"
    )
    account: Account = Field(
        default=Account.PRIVATE,
        description="A private user takes in-app calls; a company about the listings in `listings`",
    )
    listings: Annotated[list[IdField], Field(max_length=10_000)] = Field(
        default_factory=list, description="Listings for which a company takes in-app calls"
    )
    quiet_hours: Annotated[list[QuietHoursIn], Field(max_length=21)] = Field(default_factory=list)
    timezone: Annotated[str, Field(pattern=_ZONE), AfterValidator(_zone)] | None = Field(
        default=None, description="IANA; needed with quiet hours", examples=["Europe/Moscow"]
    )

    @model_validator(mode="after")
    def _where(self) -> Self:
        if self.quiet_hours and self.timezone is None:
            raise PydanticCustomError("needs_zone", "quiet hours need a `timezone`")
        return self


class QuietHoursOut(Out):
    """A time in which nothing rings."""

    days: list[Day]
    from_: str = Field(alias="from")
    until: str


class ReachabilityOut(Out):
    """What the user chose, and what follows from it."""

    user_id: str
    in_app_calls: bool | None
    account: Account
    listings: list[str]
    quiet_hours: list[QuietHoursOut]
    timezone: str | None
    quiet_now: bool
    has_app: bool = Field(description="Whether there is an app that could be woken")
