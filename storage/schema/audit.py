"""Tables of who did what with what is not theirs: written once, never changed, chained by hashes.

Triggers refuse every UPDATE and DELETE of an entry. No phone is in them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from storage.columns import JsonOrNull, UtcMillis
from storage.schema.base import metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    # From 1 and without a gap: what was taken out leaves a hole.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcMillis, nullable=False),
    Column("actor_kind", Text, nullable=False),  # key, command, system
    Column("actor_id", Text),
    Column("actor_name", Text),
    Column("action", Text, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text),
    Column("reason", Text),
    Column("facts", JsonOrNull),
    Column("hash", LargeBinary, nullable=False),  # over the hash before it and all of this
    Index(None, "actor_id", "id"),
    Index(None, "action", "id"),
    Index("ix_audit_entries_object", "object_kind", "object_id", "id"),
)

audit_heads = Table(  # how far the chain goes: one row
    "audit_heads",
    metadata,
    Column("name", Text, primary_key=True),
    Column("entries", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
