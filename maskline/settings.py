"""Settings: command line over MASKLINE_* over maskline.toml over defaults.

One flat set of names for all three. An unknown name is refused with the nearest known one: a
setting that was misspelt and silently ignored is worse than a start that fails.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from api.console.alarms import rules_with
from api.outbound import Allowed, allowed_networks
from masking.staff import StaffRole
from maskline.errors import SettingsRefused

PREFIX = "MASKLINE_"
FILE = "maskline.toml"
_ICE_URL = re.compile(r"(?:stuns?|turns?):[A-Za-z0-9.:\[\]-]+(?:\?transport=(?:udp|tcp))?")
_ISSUER = r"^(https://|http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])[:/])[!-~]*[^?#]$"
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.\[\]:-]+")
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}|::1|localhost")
PORTS_A_CALL = 4  # RTP and RTCP of both legs
CALLS_A_SECOND = 60  # begun, a processor: so many it was seen to carry
# Read by others than this module: the set-up of tools, and where this file is.
FOREIGN = frozenset({"CACHE", "APT_MIRROR", "APT_SUITE", "ASTERISK", "CONFIG"})


class Address(NamedTuple):
    """HOST:PORT."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``HOST:PORT``; an IPv6 address stands in brackets. Raises ValueError."""
        if isinstance(text, cls):
            return text
        found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\s]+):(\d{1,5})", str(text))
        if found is None or not 0 < int(found[2]) < 65_536:
            raise ValueError("must be HOST:PORT")
        return cls(found[1].strip("[]"), int(found[2]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class PortRange(NamedTuple):
    """FIRST-LAST, both included."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``FIRST-LAST``. Raises ValueError."""
        if isinstance(text, cls):
            return text
        found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", str(text))
        if found is None or not 1023 < int(found[1]) < int(found[2]) < 65_536:
            raise ValueError("must be FIRST-LAST, from 1024 to 65535")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _networks(given: object) -> object:
    """Networks from a list, or from text with commas between them. Raises ValueError."""
    texts = given.split(",") if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        return texts
    try:
        return allowed_networks(one.strip() for one in texts if one.strip())
    except ValueError:
        raise ValueError("must be networks such as 10.1.0.0/16, with commas between") from None


def _address(given: object) -> object:
    """HOST:PORT, or nothing. Raises ValueError."""
    return None if given is None or given == "" else Address.parse(given)


def _urls(given: object) -> object:
    """ICE servers (RFC 7064, 7065) from a list, or from text with commas between. ValueError."""
    texts = given.split(",") if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        return texts
    urls = tuple(one.strip() for one in texts if one.strip())
    if not all(_ICE_URL.fullmatch(url) for url in urls):
        raise ValueError("must be such as stun:HOST:3478 or turn:HOST:3478?transport=udp")
    return urls


def _origins(given: object) -> object:
    """Origins (RFC 6454) from a list, or from text with commas between. Raises ValueError."""
    texts = given.split(",") if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        return texts
    origins = tuple(one.strip() for one in texts if one.strip())
    if not all(_ORIGIN.fullmatch(one) for one in origins):
        raise ValueError("must be origins such as https://shop.example, without a path")
    return origins


def _words(given: object) -> object:
    """Words from a list, or from text with commas between them."""
    if isinstance(given, str):
        return tuple(one.strip() for one in given.split(",") if one.strip())
    return given


def _mapping(given: object) -> object:
    """A mapping, or text such as ``a=b,c=d``. Raises ValueError."""
    if not isinstance(given, str):
        return given
    pairs = [one.partition("=") for one in given.split(",") if one.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("must be such as support=agent,leads=supervisor")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _alarms(given: dict[str, float]) -> dict[str, float]:
    """Changes of the rules of alarms. Raises ValueError."""
    rules_with(given)
    return given


class Settings(BaseSettings):
    """Everything an operator may choose."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX)

    data: Path = Path("data")
    """Folder of everything that is kept."""
    http: Annotated[Address, BeforeValidator(Address.parse)] = Address("127.0.0.1", 8080)
    sip: Annotated[Address, BeforeValidator(Address.parse)] = Address("0.0.0.0", 5060)  # noqa: S104
    rtp: Annotated[PortRange, BeforeValidator(PortRange.parse)] = PortRange(10_000, 20_000)
    database_url: str | None = Field(default=None, repr=False)
    """``sqlite:///PATH`` or ``postgresql://…``; by default SQLite in the data folder."""
    public_host: str | None = None
    """HOST of the app addresses that sessions answer with; by default the SIP host."""
    public_url: Annotated[str, Field(pattern=r"^https?://[!-~]+[^/]$")] | None = None
    """Where apps reach this API from outside, ``https://HOST``; by default the HTTP address."""
    app_origins: Annotated[tuple[str, ...], BeforeValidator(_origins)] = ()
    """Web apps that may use /v1/app from a browser: https://shop.example,…; ``*``: any."""
    credential_ttl_s: Annotated[int, Field(ge=60, le=2_592_000)] = 43_200
    """How long an app's credential is good where the platform does not say."""
    gsm_below_mos: Annotated[float, Field(ge=1, le=4.5)] = 3.1
    """Below which expected score (ITU-T G.107) a call had better be an ordinary one."""
    ws: Annotated[Address | None, BeforeValidator(_address)] = None
    """Where apps in browsers come in; by default at the HTTP host, on a port that is kept."""
    ws_url: Annotated[str, Field(pattern=r"^wss?://[!-~]{1,256}$")] | None = None
    """What apps are told instead of `ws`, where something stands in front of it."""
    tls_cert: Path | None = None
    """Certificate chain (PEM) of `public_host`: apps then come in by wss."""
    tls_key: Path | None = None
    sip_tls: Annotated[Address | None, BeforeValidator(_address)] = None
    """SIP over TLS for native apps and carriers, with the same certificate."""
    sip_tls_ca: Path | None = None
    """Who vouches for carriers' certificates (PEM file, or folder made by c_rehash); by default
    whom this machine trusts."""
    stun_urls: Annotated[tuple[str, ...], BeforeValidator(_urls)] = ()
    """``stun:HOST:PORT``, given to apps."""
    turn_urls: Annotated[tuple[str, ...], BeforeValidator(_urls)] = ()
    """``turn:HOST:PORT?transport=udp``: relays that take time-limited passwords (coturn's
    ``use-auth-secret``) made with `turn_secret`."""
    turn_secret: str | None = Field(default=None, repr=False)
    language: Literal["ru", "en"] = "ru"
    """Of the announcement when no controller says which."""
    route_timeout_s: Annotated[float, Field(ge=0.5, le=30)] = 3.0
    """How long an offer waits for its decision."""
    drain_s: Annotated[float, Field(ge=0, le=7_200)] = 0.0
    """How long calls that are up may go on when it is to stop; no new one is begun meanwhile."""
    max_calls: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Calls at once on this node."""
    max_cps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Calls that this node begins within a second; more are turned away at once, for a node that
    takes more than it can carry answers all of them late. By default 60 for each processor."""
    upkeep_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often what is due is done: `session.ending`, numbers that rotate, what is over let go."""
    prompts: Path | None = None
    """Folder with announcements of your own: ru/maskline/…, en/maskline/…."""
    recordings: Path | None = None
    """Folder of recordings, encrypted; by default in the data folder. Nodes may share one."""
    recording_workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Recordings compressed at once, each at the lowest priority: a processor does about 100 s of
    talk in a second."""
    outbound_allow: Annotated[Allowed, BeforeValidator(_networks)] = ()
    """Networks that webhooks and hooks may go to although they are not public: 10.1.0.0/16,…;
    only there may a URL begin with http://."""
    redis_url: str | None = Field(default=None, repr=False)
    """``redis://…`` or ``unix://…``."""
    redis_stream: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")] | None = None
    """Name of a Redis stream that every event goes to, besides the webhooks."""
    keep_sessions_days: Annotated[int, Field(ge=0, le=36_500)] = 400
    """How long sessions and listing numbers are kept after they ended; 0: for good."""
    keep_history_days: Annotated[int, Field(ge=0, le=36_500)] = 400
    """How long calls stand in conversations' histories."""
    keep_call_log_days: Annotated[int, Field(ge=0, le=36_500)] = 400
    """How long calls stand in users' call logs."""
    keep_caller_phones_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    """How long records hold the sealed phones of callers whom no session knew."""
    keep_records_days: Annotated[int, Field(ge=0, le=36_500)] = 1100
    """How long records say who was on a call; the rest of a record is nobody's, and stays."""
    sip_ladder: bool = True
    """Whether the SIP messages of calls are kept, for the console to show them."""
    sip_ladder_days: Annotated[int, Field(ge=1, le=31)] = 7
    """For how many days."""
    trusted_proxies: Annotated[Allowed, BeforeValidator(_networks)] = ()
    """Networks of the proxies in front of HTTP, whose X-Forwarded-For and -Proto are believed."""
    console_idle_s: Annotated[int, Field(ge=60, le=86_400)] = 1_800
    """A session of the console ends when it was not used for so long."""
    console_session_s: Annotated[int, Field(ge=300, le=604_800)] = 43_200
    """And so long after sign-in in any case."""
    console_second_factor: Annotated[tuple[StaffRole, ...], BeforeValidator(_words)] = ()
    """Roles that must have a second factor: supervisor,admin."""
    alarms: Annotated[dict[str, float], BeforeValidator(_mapping), AfterValidator(_alarms)] = Field(
        default_factory=dict
    )
    """When the board's alarms are raised and over: { "delivery_lag.raise_at" = 300 }, or
    delivery_lag.raise_at=300,pool_low.raise_after_s=60 (docs/console.md)."""
    oidc_issuer: Annotated[str, Field(pattern=_ISSUER)] | None = None
    """The organisation's provider of sign-ins (OpenID Connect); http:// on this machine alone."""
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = Field(default=None, repr=False)
    oidc_scopes: Annotated[tuple[str, ...], BeforeValidator(_words)] = (
        "openid",
        "profile",
        "email",
    )
    oidc_name: Annotated[str, Field(min_length=1, max_length=40)] = "OpenID Connect"
    """What the button is called."""
    oidc_claim: str = "groups"
    """Where the provider tells groups or roles; ``realm_access.roles``: inside another claim."""
    oidc_roles: Annotated[dict[str, StaffRole], BeforeValidator(_mapping)] = Field(
        default_factory=dict
    )
    """Which of them is which role here: { support = "agent" }; or support=agent,leads=admin."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def load(
        cls,
        given: Mapping[str, object],
        *,
        environ: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> Settings:
        """Settings from the command line (`given`), `environ` and `file`, the first over the last.

        Without `file`, MASKLINE_CONFIG or ./maskline.toml is read where there is one.
        Raises SettingsRefused.
        """
        env = os.environ if environ is None else environ
        values = _from_file(file, env)
        values.update(_from_environ(env))
        values.update({name: value for name, value in given.items() if value is not None})
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            reason = str(first["msg"]).removeprefix("Value error, ")
            where = f"setting {first['loc'][0]}: " if first["loc"] else ""
            raise SettingsRefused(f"{where}{reason}") from None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """What belongs together is there together. Raises ValueError."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        if self.sip_tls is not None and self.tls_cert is None:
            raise ValueError("sip_tls needs tls_cert and tls_key")
        if bool(self.turn_urls) != bool(self.turn_secret):
            raise ValueError("turn_urls and turn_secret belong together")
        if self.oidc_issuer and not (
            self.oidc_client_id and self.oidc_client_secret and self.oidc_roles
        ):
            raise ValueError("oidc_issuer needs oidc_client_id, oidc_client_secret and oidc_roles")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` gathered: it says of each name where it came from."""
        return (init_settings,)

    def with_own_platform(self) -> Self:
        """These settings, with webhooks to this machine where nobody comes from elsewhere.

        Who listens on loopback alone has the platform's backend here too. Not where a proxy is
        named, or what apps reach from outside, or where webhooks may go: then that holds.
        """
        others = self.public_url or self.trusted_proxies or self.outbound_allow
        if others or not _LOOPBACK.fullmatch(self.http.host):
            return self
        own = allowed_networks(["127.0.0.0/8", "::1/128"])
        return self.model_copy(update={"outbound_allow": own})

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'maskline.db'}"

    @property
    def recordings_folder(self) -> Path:
        """Where recordings are kept."""
        return self.recordings or self.data / "recordings"

    @property
    def calls_at_once(self) -> int:
        """How many calls the node takes: as many as it may, and has RTP ports for."""
        ports = self.rtp.last - self.rtp.first + 1
        return max(1, min(self.max_calls, ports // PORTS_A_CALL))

    @property
    def begun_a_second(self) -> int:
        """How many calls the node begins within a second."""
        return self.max_cps or CALLS_A_SECOND * (os.cpu_count() or 1)

    @property
    def app_url(self) -> str:
        """Where apps ask for themselves."""
        return f"{self.public_url or f'http://{self.http}'}/v1/app"

    @property
    def app_host(self) -> str:
        """HOST of ``sip:ses_…@HOST``."""
        anywhere = self.sip.host in ("0.0.0.0", "::")  # noqa: S104 (compared, never bound)
        return self.public_host or ("127.0.0.1" if anywhere else self.sip.host)


def _from_file(file: Path | None, env: Mapping[str, str]) -> dict[str, Any]:
    chosen = file or (Path(env["MASKLINE_CONFIG"]) if env.get("MASKLINE_CONFIG") else None)
    path = chosen or Path(FILE)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if chosen is not None:
            raise SettingsRefused(f"there is no configuration file {path}") from None
        return {}
    except OSError as error:
        raise SettingsRefused(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"{path} is not TOML: {error}") from None
    for name in values:
        _must_be_known(name, f"{path}: setting {name}", Settings.model_fields)
    return values


def _from_environ(env: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in env.items():
        if not variable.startswith(PREFIX) or variable.removeprefix(PREFIX) in FOREIGN:
            continue
        name = variable.removeprefix(PREFIX).lower()
        known = [PREFIX + field.upper() for field in Settings.model_fields]
        _must_be_known(variable, variable, known)
        values[name] = value
    return values


def _must_be_known(name: str, what: str, known: Iterable[str]) -> None:
    names = sorted(known)
    if name in names:
        return
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)
    raise SettingsRefused(f"{what} is unknown; the nearest is {nearest[0]}")
