"""Tables of carriers: trunks, pools, proxy numbers."""

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
    text,
)

from storage.columns import Json, RowId, UtcMillis
from storage.schema.base import metadata

trunks = Table(
    "trunks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", Text, nullable=False),
    Column("auth_type", Text, nullable=False),
    Column("username", Text),
    Column("password_sealed", LargeBinary),
    Column("register", Boolean, nullable=False),
    Column("number_format", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("codecs", Json, nullable=False),
    Column("max_channels", Integer, nullable=False),
    Column("max_cps", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("inbound", Boolean, nullable=False),
    Column("outbound", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("options_interval_s", Integer, nullable=False),
    Column("media_encryption", Text, nullable=False, server_default=text("'none'")),
    Column("created_at", UtcMillis, nullable=False),
    Column("updated_at", UtcMillis, nullable=False),
)

pools = Table(
    "pools",
    metadata,
    Column("name", Text, primary_key=True),
    Column("cool_down_s", BigInteger, nullable=False),
    Column("language", Text, nullable=False),
    Column("ring_s", Integer, nullable=False),
    Column("max_call_s", Integer, nullable=False),
    Column("rules", Text, nullable=False),  # `masking.rules.PoolRules` as JSON; see pool_rules
    Column("secrets_sealed", LargeBinary),  # `masking.rules.PoolSecrets`
    # Rises with every change of its rules and numbers.
    Column("version", BigInteger, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("updated_at", UtcMillis, nullable=False),
)

numbers = Table(
    "numbers",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("e164", Text, nullable=False, unique=True),
    Column("pool", Text, ForeignKey("pools.name"), nullable=False),
    Column("trunk", Text, ForeignKey("trunks.name"), nullable=False),
    Column("state", Text, nullable=False),
    # A listing shows it, or showed it lately: pairs get it only where nothing else is left.
    Column("shown", Boolean, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Index(None, "pool", "id"),
    Index(None, "trunk"),
    sqlite_autoincrement=True,  # an id is never used again: leases outlive their numbers
)
