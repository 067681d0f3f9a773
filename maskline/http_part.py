"""The API role: takes its port first, is built before calls can come, serves last, stops first."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from pathlib import Path

from aiohttp import web

from api.app import Guests, create_runner
from api.in_app.bus import AppBus
from api.services import ApiSettings, Health, Oidc, Probe, Services
from cdr.ingest import Ingester
from masking.quality import Thresholds
from maskline.deliver_part import DeliverPart
from maskline.errors import PortTaken
from maskline.node_part import NodeDoor
from maskline.recording_part import RecordingPart, files_of
from maskline.settings import Settings
from maskline.store import Store, utc_now
from maskline.toolbox import ToolboxError, ToolboxSettings
from maskline.toolbox.web import CONSOLE, SOFTPHONE, find_web

_log = logging.getLogger("maskline")
BACKLOG = 512
LATE_BYTES = 4 * 1024 * 1024  # of events not read yet: then records are not up to date


class HttpPart:
    """The API's listening socket and server."""

    def __init__(self, settings: Settings, guests: Guests) -> None:
        """Take the port. Raises PortTaken."""
        self._settings = settings
        self._guests = guests
        address = settings.http
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            self._socket = socket.create_server(address, family=family, backlog=BACKLOG)
        except OSError as error:
            # create_server adds the address to the text.
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise PortTaken("HTTP", str(address), reason) from None
        self._runner: web.AppRunner | None = None

    def build(
        self,
        store: Store,
        node: NodeDoor,
        bus: AppBus,
        ingester: Ingester | None,
        deliver: DeliverPart | None = None,
        recorder: RecordingPart | None = None,
    ) -> None:
        """Make ready all that answers requests; holds the loop up for a tenth of a second."""
        probes: dict[str, Probe] = dict(node.probes())
        if ingester is not None:
            probes["ingest"] = _probe(ingester)
        if deliver is not None:
            probes["deliver"] = deliver.probe
        if recorder is not None:
            probes["recordings"] = recorder.probe
        services = Services(
            db=store.db,
            vault=store.vault,
            clock=utc_now,
            entropy=secrets.token_bytes,
            trunks_changed=node.trunks_changed,
            live=node,
            node=node.name,
            settings=_api_settings(self._settings),
            health=probes,
            apps_changed=node.apps_changed,
            devices=node,
            transports=node.transports,
            trunk_answers=node.trunk_answers,
            bus=bus,
            web=_web(SOFTPHONE),
            console=_web(CONSOLE),
            exports=self._settings.data / "exports",
            recordings=files_of(self._settings),
        )
        self._runner = create_runner(services, self._guests)

    async def start(self) -> None:
        """Answer requests, once it is built."""
        assert self._runner is not None
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        """Take nothing new; finish what was begun."""
        if self._runner is not None:
            await self._runner.cleanup()

    def let_go(self) -> None:
        """Free the port."""
        self._socket.close()


def _web(part: str) -> Path | None:
    """Where set-up built a part of what browsers run."""
    try:
        return find_web(ToolboxSettings.from_env(os.environ), part=part)
    except ToolboxError:
        return None


def _api_settings(settings: Settings) -> ApiSettings:
    return ApiSettings(
        sip_host=settings.app_host,
        outbound_allow=settings.outbound_allow,
        app_origins=settings.app_origins,
        app_url=settings.app_url,
        credential_ttl_s=settings.credential_ttl_s,
        thresholds=Thresholds(settings.gsm_below_mos),
        public_url=settings.public_url,
        trusted_proxies=settings.trusted_proxies,
        console_idle_s=settings.console_idle_s,
        console_session_s=settings.console_session_s,
        console_second_factor=frozenset(settings.console_second_factor),
        alarms=settings.alarms,
        oidc=_oidc(settings),
    )


def _oidc(settings: Settings) -> Oidc | None:
    if settings.oidc_issuer is None:
        return None
    return Oidc(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id or "",
        client_secret=settings.oidc_client_secret or "",
        claim=settings.oidc_claim,
        roles=settings.oidc_roles,
        scopes=settings.oidc_scopes,
        name=settings.oidc_name,
    )


def _probe(ingester: Ingester) -> Probe:
    async def probe() -> Health:
        stats = ingester.stats
        ok = stats.failing is None and stats.lag_bytes < LATE_BYTES
        gauges = {
            "ingest_lag_bytes": float(stats.lag_bytes),
            "ingest_lag_seconds": stats.lag_s,
            "ingest_recorded_total": float(stats.recorded),
            "ingest_garbage_total": float(stats.garbage),
        }
        return Health(ok, stats.failing or "", gauges)

    return probe
