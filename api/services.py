"""What the API needs from the rest of the house, as one frozen value and small protocols.

Made and filled by the wiring; nothing here starts or opens anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from api.outbound.addresses import Allowed
from masking.model import Role
from storage.database import Database
from storage.vault import Vault


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


class LivePlane(Protocol):
    """The calls that are up, and the way to end one."""

    def live_calls(self) -> Sequence[LiveCall]:
        """Those there are, in any order."""

    async def hang_up(self, call_id: str) -> None:
        """End the call. Raises LookupError if it is not up, ConnectionError without its node."""


@dataclass(frozen=True, slots=True)
class Health:
    """What one probe found. `detail` and the names in `gauges` never hold personal data."""

    ok: bool
    detail: str = ""
    gauges: Mapping[str, float] = field(default_factory=dict)  # name -> value, for /metrics


Probe = Callable[[], Awaitable[Health]]


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
    health: Mapping[str, Probe] = field(default_factory=dict)  # by name, e.g. ``asterisk``
