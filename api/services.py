"""What the API needs from the rest of the house, as one frozen value and small protocols.

Made and filled by the wiring; nothing here starts or opens anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from api.in_app.bus import AppBus, Bus
from api.outbound.addresses import Allowed
from cdr.recording_files import RecordingFiles
from masking.model import Role
from masking.plan import Channel
from masking.quality import Thresholds
from masking.staff import StaffRole
from storage.database import Database
from storage.vault import Vault

_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True)
class Oidc:
    """The organisation's provider of sign-ins (OpenID Connect)."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    claim: str  # in which roles are told; ``a.b``: inside another
    roles: Mapping[str, StaffRole]  # by what the claim says
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name: str = "OpenID Connect"  # on the button


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The limits of the API."""

    sip_host: str = "127.0.0.1"  # HOST of the app addresses ``sip:ses_…@HOST``
    max_body_bytes: int = 524_288
    request_timeout_s: float = 15.0  # for a whole request, reading its body included
    trunks_timeout_s: float = 5.0  # how long a trunk's answer waits for the node to take it
    key_cache_ttl_s: float = 5.0  # how long a key revoked by another process may still work
    outbound_allow: Allowed = ()  # networks that webhooks may go to although they are not public
    probe_timeout_s: float = 2.0  # for each probe of /readyz and /metrics
    app_origins: tuple[str, ...] = ()  # of web apps that may use /v1/app from a browser; *: any
    app_url: str = "/v1/app"  # where apps ask, absolute where it is known
    credential_ttl_s: int = 43_200  # of an app's credential, where none is asked for
    thresholds: Thresholds = _THRESHOLDS  # below which a call had better be an ordinary one
    app_rate: float = 5.0  # requests a second of one token, in the long run
    app_burst: int = 60  # and at once
    streams_of_device: int = 4  # event streams; one more ends the oldest
    streams: int = 10_000  # in this process; one more is refused
    keep_alive_s: float = 15.0  # a comment into every stream, so often
    streams_of_key: int = 16  # of one conversation or user; one more ends the oldest
    public_url: str | None = None  # ``https://HOST``, where something stands in front of us
    trusted_proxies: Allowed = ()  # whose word on who asks, and by which scheme, is taken
    console_idle_s: int = 1_800  # a session of the console ends when it is not used so long
    console_session_s: int = 43_200  # and so long after sign-in in any case
    console_second_factor: frozenset[StaffRole] = frozenset()  # roles that must have one
    alarms: Mapping[str, float] = field(default_factory=dict)  # changes of `api.console.alarms`
    oidc: Oidc | None = None


class LiveCall(Protocol):
    """A call that is on a node now."""

    @property
    def call_id(self) -> str:
        """As in the call record that it will leave."""

    @property
    def session_id(self) -> str | None:
        """None: not known yet, or none."""

    @property
    def caller(self) -> Role | None:
        """Who calls."""

    @property
    def callee(self) -> Role | None:
        """Who is called."""

    @property
    def trunk_in(self) -> str | None:
        """Through which it came."""

    @property
    def trunk_out(self) -> str | None:
        """Through which it goes on."""

    @property
    def state(self) -> str:
        """`offered`, `ringing` or `up`."""

    @property
    def since(self) -> datetime:
        """When it came."""


class NodeElsewhere(ConnectionError):
    """This process controls no node: nodes are in other processes."""


class LivePlane(Protocol):
    """The calls that are up, and the way to end one."""

    def live_calls(self) -> Sequence[LiveCall]:
        """Those there are, in any order."""

    async def hang_up(self, call_id: str) -> None:
        """End the call.

        Raises LookupError if it is not up here, ConnectionError without its node, NodeElsewhere.
        """

    async def hand_over(self, call_id: str, user_id: str, to: Channel) -> None:
        """Begin to move that user's side of the call; returns once it is begun.

        Raises LookupError for a call that is not up here or not theirs, LiveRefused,
        ConnectionError, NodeElsewhere.
        """

    async def click(self, session_id: str, user_id: str) -> str:
        """Begin a call of that participant to the other one; its id.

        Their phone rings first. Raises LookupError, LiveRefused, ConnectionError, NodeElsewhere.
        """


class AppDevices(Protocol):
    """Which apps are registered now."""

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        """Those of `usernames` that are."""


class NoDevices:
    """Where no node is known."""

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        """None."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Turn:
    """Relays that check passwords by coturn's REST scheme (`use-auth-secret`)."""

    urls: tuple[str, ...]  # ``turn:HOST:PORT?transport=udp``
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppTransports:
    """Where apps reach the nodes. None: not this way."""

    ws_url: str | None = None  # ``ws[s]://HOST:PORT/ws``
    udp: str | None = None  # HOST:PORT
    tcp: str | None = None
    tls: str | None = None
    stun: tuple[str, ...] = ()  # ``stun:HOST:PORT``
    turn: Turn | None = None


async def _nobody(_usernames: Sequence[str]) -> None:
    """No node is to be told."""


@dataclass(frozen=True, slots=True)
class Health:
    """What one probe found. `detail` and the names in `gauges` never hold personal data."""

    ok: bool
    detail: str = ""
    gauges: Mapping[str, float] = field(default_factory=dict)  # name -> value, for /metrics


Probe = Callable[[], Awaitable[Health]]


def _no_answers() -> Mapping[str, bool]:
    """Of no trunk it is known."""
    return {}


@dataclass(frozen=True, slots=True)
class Services:
    """What the API is wired to."""

    db: Database
    vault: Vault
    clock: Callable[[], datetime]  # aware, UTC
    entropy: Callable[[int], bytes]  # n unpredictable bytes
    trunks_changed: Callable[[], Awaitable[None]]
    """Tell the nodes of the trunks as stored now; returns once they have taken them.

    May be cancelled after `trunks_timeout_s`: what it began must go on without it.
    """
    live: LivePlane
    settings: ApiSettings = ApiSettings()
    node: str | None = None  # the name of the node that `live` is; None: it is in other processes
    health: Mapping[str, Probe] = field(default_factory=dict)  # by name, e.g. ``asterisk``
    apps_changed: Callable[[Sequence[str]], Awaitable[None]] = _nobody
    """Tell the nodes that these credentials are over: registrations end at once, calls go on.

    May be cancelled after `trunks_timeout_s`, like `trunks_changed`.
    """
    devices: AppDevices = field(default_factory=NoDevices)
    transports: Callable[[], AppTransports] = AppTransports  # asked anew for every credential
    trunk_answers: Callable[[], Mapping[str, bool]] = _no_answers
    """By trunk, whether it answered its last OPTIONS; only those of which it is known."""
    bus: AppBus = field(default_factory=Bus)
    web: Path | None = None  # where the softphone was built; None: it is not served
    console: Path | None = None  # where the console's script and style were built
    exports: Path | None = None  # folder for files of exports; None: the console makes none
    recordings: RecordingFiles | None = None  # None: this process has none to play
