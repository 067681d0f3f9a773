"""Tells the apps of both sides that a call of theirs has begun, is up, is over.

For what an app does during a call: its own SIP stack does not know the call's id. What must arrive
comes with the call log and the webhooks; here what nobody listens to is gone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, NoReturn

from api.in_app.bus import AppBus
from masking.plan import Channel
from storage import reaching
from storage.database import Database
from storage.errors import StorageError
from storage.vault import Vault
from telephony.live import LiveCall, LiveEvent

__all__ = ["LiveEvents"]

_log = logging.getLogger("maskline.live")
MOST_WAITING: Final = 2000  # events that are not told yet; those that come then are dropped


class LiveEvents:
    """`heard` is the controller's; `run` must be somebody's task."""

    def __init__(self, db: Database, vault: Vault, bus: AppBus) -> None:
        self._db = db
        self._vault = vault
        self._bus = bus
        self._queue: asyncio.Queue[tuple[LiveEvent, LiveCall]] = asyncio.Queue(MOST_WAITING)

    def heard(self, event: LiveEvent, call: LiveCall) -> None:
        """Something has happened to a call. Calls between two phones are no matter of apps."""
        legs = (call.caller_leg, call.callee_leg)
        in_app = any(leg is not None and leg.kind is Channel.APP for leg in legs)
        if in_app and call.session_id is not None and not self._queue.full():
            self._queue.put_nowait((event, call))

    async def run(self) -> NoReturn:
        """Tell it, in order, until cancelled."""
        while True:
            event, call = await self._queue.get()
            try:
                await self._tell(event, call)
            except StorageError as error:
                _log.warning("apps are not told of call %s: %s", call.call_id, error.error_id)

    async def _tell(self, event: LiveEvent, call: LiveCall) -> None:
        wanted = call.session_id or ""
        sides = await self._db.look_up(lambda conn: reaching.in_session(conn, self._vault, wanted))
        data = {"call_id": call.call_id, "session_id": wanted}
        for one in sides:
            self._bus.publish(one.callee.user_id, f"call.{event.value}", data)
