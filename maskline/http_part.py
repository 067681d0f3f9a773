"""The API role: takes its port first, serves last, stops first."""

from __future__ import annotations

import logging
import os
import secrets
import socket

from aiohttp import web

from api.app import create_runner
from api.services import ApiSettings, Health, Probe, Services
from cdr.ingest import Ingester
from maskline.deliver_part import DeliverPart
from maskline.errors import PortTaken
from maskline.node_part import NodeDoor
from maskline.settings import Settings
from maskline.store import Store, utc_now

_log = logging.getLogger("maskline")
BACKLOG = 512
LATE_BYTES = 4 * 1024 * 1024  # of events not read yet: then records are not up to date


class HttpPart:
    """The API's listening socket and server."""

    def __init__(self, settings: Settings) -> None:
        """Take the port. Raises PortTaken."""
        self._settings = settings
        address = settings.http
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            self._socket = socket.create_server(address, family=family, backlog=BACKLOG)
        except OSError as error:
            # create_server adds the address to the text.
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise PortTaken("HTTP", str(address), reason) from None
        self._runner: web.AppRunner | None = None

    async def start(
        self,
        store: Store,
        node: NodeDoor,
        ingester: Ingester | None,
        deliver: DeliverPart | None = None,
    ) -> None:
        """Answer requests."""
        probes: dict[str, Probe] = dict(node.probes())
        if ingester is not None:
            probes["ingest"] = _probe(ingester)
        if deliver is not None:
            probes["deliver"] = deliver.probe
        services = Services(
            db=store.db,
            vault=store.vault,
            clock=utc_now,
            entropy=secrets.token_bytes,
            trunks_changed=node.trunks_changed,
            live=node,
            settings=ApiSettings(
                sip_host=self._settings.app_host, outbound_allow=self._settings.outbound_allow
            ),
            health=probes,
        )
        self._runner = create_runner(services)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        """Take nothing new; finish what was begun."""
        if self._runner is not None:
            await self._runner.cleanup()

    def let_go(self) -> None:
        """Free the port."""
        self._socket.close()


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
