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

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from api.outbound import Allowed, allowed_networks
from maskline.errors import SettingsRefused

PREFIX = "MASKLINE_"
FILE = "maskline.toml"
PORTS_A_CALL = 4  # RTP and RTCP of both legs
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
    language: Literal["ru", "en"] = "ru"
    """Of the announcement when no controller says which."""
    route_timeout_s: Annotated[float, Field(ge=0.5, le=30)] = 3.0
    """How long an offer waits for its decision."""
    max_calls: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Calls at once on this node."""
    upkeep_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often what is due is done: `session.ending`, numbers that rotate, what is over let go."""
    prompts: Path | None = None
    """Folder with announcements of your own: ru/maskline/…, en/maskline/…."""
    outbound_allow: Annotated[Allowed, BeforeValidator(_networks)] = ()
    """Networks that webhooks and hooks may go to although they are not public: 10.1.0.0/16,…;
    only there may a URL begin with http://."""
    redis_url: str | None = Field(default=None, repr=False)
    """``redis://…`` or ``unix://…``."""
    redis_stream: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")] | None = None
    """Name of a Redis stream that every event goes to, besides the webhooks."""
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
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise SettingsRefused(f"setting {name}: {reason}") from None

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

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'maskline.db'}"

    @property
    def calls_at_once(self) -> int:
        """How many calls the node takes: as many as it may, and has RTP ports for."""
        ports = self.rtp.last - self.rtp.first + 1
        return max(1, min(self.max_calls, ports // PORTS_A_CALL))

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
