"""A deliverer as a process of its own, to be killed: the URL of its database.

Its clock, the same in every such process, runs 30 times as fast as others: pauses of minutes pass
in seconds. A try's deadline is by the true one.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime
from ipaddress import ip_network

from api.outbound.courier import Counts, DeliverySettings, House
from api.outbound.deliverer import Deliverer
from storage import open_database
from tests.support.storage import a_vault

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
FASTER = 30
_SETTINGS = DeliverySettings(deadline_s=0.5, spare_s=0.5 * FASTER, poll_s=0.02, retry_s=0.02)


def clock() -> datetime:
    return EPOCH + (datetime.now(UTC) - EPOCH) * FASTER


async def main(url: str) -> None:
    """Deliver for at most a minute."""
    house = House(
        db=open_database(url),
        vault=a_vault(),
        clock=clock,
        draw=random.random,
        settings=_SETTINGS,
        allowed=(ip_network("127.0.0.0/8"),),
        counts=Counts(),
    )
    sys.stdout.write("delivering\n")
    sys.stdout.flush()
    async with asyncio.timeout(60):
        await Deliverer(house).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
