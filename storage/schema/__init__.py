"""Every table of Maskline. Migrations build them step by step; a test holds the two together."""

from storage.schema.access import api_keys, idempotency_keys
from storage.schema.alarms import alarms
from storage.schema.analytics import (
    funnel_calls,
    funnel_categories,
    funnel_contacts,
    traffic,
    traffic_spread,
)
from storage.schema.apps import (
    app_credentials,
    app_listings,
    app_users,
    call_ratings,
    call_tallies,
    unanswered_runs,
)
from storage.schema.audit import audit_entries, audit_heads
from storage.schema.base import marks, metadata, versions
from storage.schema.call_notes import call_dispositions, call_notes, call_tags, complaints
from storage.schema.console_views import console_columns, console_exports, console_views
from storage.schema.delivery import deliveries, outbox, webhooks
from storage.schema.ledger import call_versions, cut_calls, ledger_days
from storage.schema.limits import caller_days, dial_tries, pool_pressure
from storage.schema.listings import listing_numbers, shown_numbers
from storage.schema.numbers import numbers, pools, trunks
from storage.schema.personal import (
    erasures,
    retention_cursors,
    retention_days,
    vault_readers,
    vault_rotations,
)
from storage.schema.recordings import recordings
from storage.schema.records import (
    call_log_entries,
    calls,
    history_entries,
    ingest_checkpoints,
    open_calls,
)
from storage.schema.sessions import blocks, leases, participants, sessions
from storage.schema.sip import sip_messages
from storage.schema.staff import (
    staff_accounts,
    staff_attempts,
    staff_recovery_codes,
    staff_sessions,
)

__all__ = [
    "alarms",
    "api_keys",
    "app_credentials",
    "app_listings",
    "app_users",
    "audit_entries",
    "audit_heads",
    "blocks",
    "call_dispositions",
    "call_log_entries",
    "call_notes",
    "call_ratings",
    "call_tags",
    "call_tallies",
    "call_versions",
    "caller_days",
    "calls",
    "complaints",
    "console_columns",
    "console_exports",
    "console_views",
    "cut_calls",
    "deliveries",
    "dial_tries",
    "erasures",
    "funnel_calls",
    "funnel_categories",
    "funnel_contacts",
    "history_entries",
    "idempotency_keys",
    "ingest_checkpoints",
    "leases",
    "ledger_days",
    "listing_numbers",
    "marks",
    "metadata",
    "numbers",
    "open_calls",
    "outbox",
    "participants",
    "pool_pressure",
    "pools",
    "recordings",
    "retention_cursors",
    "retention_days",
    "sessions",
    "shown_numbers",
    "sip_messages",
    "staff_accounts",
    "staff_attempts",
    "staff_recovery_codes",
    "staff_sessions",
    "traffic",
    "traffic_spread",
    "trunks",
    "unanswered_runs",
    "vault_readers",
    "vault_rotations",
    "versions",
    "webhooks",
]
