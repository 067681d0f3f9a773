"""What the console keeps while it runs: its assets, its streams."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from api.console.assets import Assets
from api.console.audit_check import AuditCheck
from api.console.board_watch import Watch
from api.console.export_jobs import ExportJobs
from api.console.passwords import Checker
from cdr.waveforms import Waveforms


class Console:
    """Assets, and every stream that is open, so that they end with the process."""

    def __init__(
        self, assets: Assets, board: Watch, jobs: ExportJobs, audit_check: AuditCheck
    ) -> None:
        self.assets = assets
        self.board = board
        self.jobs = jobs
        self.audit_check = audit_check
        self.checker = Checker()
        self.provider: object | None = None  # `oidc.Provider`, where one is configured
        self.provider_name: str | None = None  # of the organisation's sign-in
        self.waves = Waveforms()
        self.following: Counter[str] = Counter()  # lists of live calls that are open, by account
        self._streams: set[asyncio.Future[Any]] = set()

    def add(self, stream: asyncio.Future[Any]) -> None:
        """A stream has begun."""
        self._streams.add(stream)

    def discard(self, stream: asyncio.Future[Any]) -> None:
        """It is over."""
        self._streams.discard(stream)

    def close(self) -> None:
        """End all of them."""
        for one in tuple(self._streams):
            one.cancel()
