"""Tables of who may ask, and of what they asked already."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from storage.columns import UtcMillis
from storage.schema.base import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("revoked_at", UtcMillis),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key_id", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", Integer),  # null: the answer is not known yet
    Column("body", Text),
    Column("claimed_at", UtcMillis, nullable=False),
    PrimaryKeyConstraint("key_id", "idempotency_key"),
    Index(None, "claimed_at"),
    sqlite_with_rowid=False,
)
