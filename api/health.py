"""What every probe finds, each within its deadline. Nothing that a probe does ends here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy import Connection, literal, select

from api.services import Health, Probe, Services


async def check_all(services: Services) -> Mapping[str, Health]:
    """What every probe finds, the database's among them."""
    probes: dict[str, Probe] = {"database": lambda: _database(services), **services.health}
    timeout_s = services.settings.probe_timeout_s
    found = await asyncio.gather(*(_check(probe, timeout_s) for probe in probes.values()))
    return dict(zip(probes, found, strict=True))


async def _check(probe: Probe, timeout_s: float) -> Health:
    try:
        async with asyncio.timeout(timeout_s):
            return await probe()
    except TimeoutError:
        return Health(ok=False, detail="no answer in time")
    except Exception as error:  # noqa: BLE001 (a broken probe is a finding, whatever broke it)
        return Health(ok=False, detail=type(error).__name__)


async def _database(services: Services) -> Health:
    def work(conn: Connection) -> None:
        conn.execute(select(literal(1)))

    await services.db.read(work)
    return Health(ok=True)
