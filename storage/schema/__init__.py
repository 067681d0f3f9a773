"""Every table of Maskline. Migrations build them step by step; a test holds the two together."""

from storage.schema.access import api_keys, idempotency_keys
from storage.schema.base import marks, metadata, versions
from storage.schema.delivery import deliveries, outbox, webhooks
from storage.schema.limits import caller_days, dial_tries, pool_pressure
from storage.schema.listings import listing_numbers, shown_numbers
from storage.schema.numbers import numbers, pools, trunks
from storage.schema.records import (
    call_log_entries,
    calls,
    history_entries,
    ingest_checkpoints,
    open_calls,
)
from storage.schema.sessions import blocks, leases, participants, sessions

__all__ = [
    "api_keys",
    "blocks",
    "call_log_entries",
    "caller_days",
    "calls",
    "deliveries",
    "dial_tries",
    "history_entries",
    "idempotency_keys",
    "ingest_checkpoints",
    "leases",
    "listing_numbers",
    "marks",
    "metadata",
    "numbers",
    "open_calls",
    "outbox",
    "participants",
    "pool_pressure",
    "pools",
    "sessions",
    "shown_numbers",
    "trunks",
    "versions",
    "webhooks",
]
