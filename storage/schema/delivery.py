"""Tables of what is owed to the platform and of how it gets there: outbox, webhooks, deliveries.

None of them holds a phone. Receivers' secrets are here only sealed (`*_sealed`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from storage.columns import Json, RowId, UtcMillis
from storage.schema.base import metadata

outbox = Table(  # notices, each written in the transaction in which it became true
    "outbox",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("conversation_id", Text),
    Column("data", Text, nullable=False),  # JSON, as it is sent
    # Its place among all notices, given when it is handed to those who want it; null: not yet.
    # Ids cannot serve: a transaction may commit after another that took a higher one.
    Column("sequence", BigInteger, unique=True),
    Column("stream_due", Boolean, nullable=False),  # still to go to the Redis stream
    sqlite_autoincrement=True,
)

Index(
    "ix_outbox_undispatched",
    outbox.c.id,
    sqlite_where=outbox.c.sequence.is_(None),
    postgresql_where=outbox.c.sequence.is_(None),
)
Index(
    "ix_outbox_stream_due",
    outbox.c.sequence,
    sqlite_where=outbox.c.stream_due == literal_column("1"),
    postgresql_where=outbox.c.stream_due,
)

webhooks = Table(  # the platform's endpoints
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Json),  # null: all kinds
    Column("description", Text),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_why", Text),  # null: the platform asked; else e.g. gone (it answered 410)
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("previous_sealed", LargeBinary),  # the secret before, while both sign
    Column("previous_until", UtcMillis),
    Column("created_at", UtcMillis, nullable=False),
    Column("updated_at", UtcMillis, nullable=False),
    Column("failures", Integer, nullable=False),  # in a row
    Column("failing_since", UtcMillis),  # null: the last try went well, or there was none
    Column("open_until", UtcMillis),  # its circuit is open: nothing is sent before
    Column("succeeded_at", UtcMillis),
    Index(None, "created_at", "id"),
)

deliveries = Table(  # one notice to one webhook
    "deliveries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("notice_id", RowId, ForeignKey("outbox.id"), nullable=False),
    Column("sequence", BigInteger, nullable=False),  # of the notice
    Column("conversation_id", Text),  # of the notice: one at a time, in order of `sequence`
    Column("created_at", UtcMillis, nullable=False),
    Column("since", UtcMillis, nullable=False),  # its three days run from here
    # When it may be sent; while one process sends it, when another may take it over.
    Column("due_at", UtcMillis, nullable=False),
    Column("claim", BigInteger, nullable=False),  # rises whenever it is taken
    Column("tries", Integer, nullable=False),
    Column("log", Json, nullable=False),  # of the last tries
    Column("finished_at", UtcMillis),  # null: it is still to be delivered
    Column("state", Text, nullable=False),  # pending, delivered, dead
    UniqueConstraint("webhook_id", "notice_id"),
    Index(None, "webhook_id", "id"),
    Index(None, "webhook_id", "state", "id"),
    Index(None, "notice_id"),
    sqlite_autoincrement=True,
)

_PENDING = deliveries.c.finished_at.is_(None)

Index(
    "ix_deliveries_due",
    deliveries.c.webhook_id,
    deliveries.c.due_at,
    deliveries.c.sequence,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(  # whether an earlier one of the conversation is still to be delivered
    "ix_deliveries_turn",
    deliveries.c.webhook_id,
    deliveries.c.conversation_id,
    deliveries.c.sequence,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(  # what is to be given up
    "ix_deliveries_since",
    deliveries.c.since,
    sqlite_where=_PENDING,
    postgresql_where=_PENDING,
)
Index(  # what may be forgotten
    "ix_deliveries_finished_at",
    deliveries.c.finished_at,
    sqlite_where=deliveries.c.finished_at.is_not(None),
    postgresql_where=deliveries.c.finished_at.is_not(None),
)
