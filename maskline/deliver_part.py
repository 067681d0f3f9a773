"""The deliver role: notices to webhooks and, where it is configured, to a Redis stream."""

from __future__ import annotations

import random

from api.outbound.courier import Counts, DeliverySettings, House
from api.outbound.deliverer import Deliverer
from api.outbound.stream import RedisStream
from api.services import Health
from maskline.errors import SettingsRefused
from maskline.settings import Settings
from maskline.store import Store, utc_now
from storage import deliveries


class DeliverPart:
    """This process's deliverer."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Raises SettingsRefused for a stream without its Redis."""
        self._db = store.db
        self._stream: RedisStream | None = None
        if settings.redis_stream is not None:
            if settings.redis_url is None:
                raise SettingsRefused("setting redis_stream: needs redis_url")
            try:
                self._stream = RedisStream(settings.redis_url, settings.redis_stream)
            except ValueError:
                raise SettingsRefused("setting redis_url: this is no URL of a Redis") from None
        self._counts = Counts()
        house = House(
            db=store.db,
            vault=store.vault,
            clock=utc_now,
            draw=random.random,
            settings=DeliverySettings(),
            allowed=settings.outbound_allow,
            counts=self._counts,
        )
        self._deliverer = Deliverer(house, self._stream)

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._deliverer.run()

    def wake(self) -> None:
        """Something is owed."""
        self._deliverer.wake()

    async def close(self) -> None:
        """Let go of Redis."""
        if self._stream is not None:
            await self._stream.close()

    async def probe(self) -> Health:
        """Whether notices are handed out. A receiver that is down is not our ill health."""
        now = utc_now()
        waiting, dead, oldest_s = await self._db.read(lambda conn: deliveries.counts(conn, now))
        gauges = {
            "deliveries_pending": float(waiting),
            "deliveries_dead": float(dead),
            "deliveries_oldest_seconds": oldest_s,
            "delivered_total": float(self._counts.delivered),
            "delivery_failures_total": float(self._counts.failed),
            "deliveries_given_up_total": float(self._counts.given_up),
            "notices_streamed_total": float(self._counts.streamed),
        }
        failing = self._deliverer.failing
        return Health(failing is None, failing or "", gauges)
