"""The route table: everything that can be asked of this API, in the order of the reference."""

from __future__ import annotations

from typing import Final

from api import (
    blocks,
    caller_numbers,
    calls,
    deliveries,
    headroom,
    history,
    inspection,
    keys,
    listing_numbers,
    live_calls,
    numbers,
    pools,
    service,
    sessions,
    trunks,
    webhooks,
)
from api.routing import Route

ROUTES: Final[tuple[Route, ...]] = (
    *sessions.ROUTES,
    *caller_numbers.ROUTES,
    *listing_numbers.ROUTES,
    *blocks.ROUTES,
    *calls.ROUTES,
    *history.ROUTES,
    *live_calls.ROUTES,
    *webhooks.ROUTES,
    *deliveries.ROUTES,
    *trunks.ROUTES,
    *pools.ROUTES,
    *headroom.ROUTES,
    *numbers.ROUTES,
    *inspection.ROUTES,
    *keys.ROUTES,
    *service.ROUTES,
)
