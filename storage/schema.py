"""Every table of Maskline. The migrations build it step by step; a test holds the two together.

Participants' phones are here only sealed (`*_sealed`) and as a keyed index (`*_index`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from storage.columns import Json, RowId, UtcMillis

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

versions = Table(  # a counter for each thing that others keep copies of
    "versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

marks = Table(  # single facts about this database, e.g. which vault key sealed it
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

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
    Column("version", BigInteger, nullable=False),  # rises with every change of its numbers
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
    Column("created_at", UtcMillis, nullable=False),
    Index(None, "pool", "id"),
    Index(None, "trunk"),
    sqlite_autoincrement=True,  # an id is never used again: leases outlive their numbers
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time of creation
    Column("conversation_id", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("listing_id", Text),
    Column("listing_title", Text),
    Column("channel_policy", Text, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Column("closed_at", UtcMillis),
    Index(None, "conversation_id", "id"),
    sqlite_with_rowid=False,
)

participants = Table(
    "participants",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # 0 or 1, as the platform named them
    Column("role", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("phone_sealed", LargeBinary),
    Column("name", Text),
    Column("rating", Float),
    Column("facts", Json),
    PrimaryKeyConstraint("session_id", "position"),
    CheckConstraint("position IN (0, 1)", name="position"),
    Index(None, "user_id", "session_id"),
    sqlite_with_rowid=False,
)

leases = Table(
    "leases",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # the participant's
    Column("number_id", RowId, ForeignKey("numbers.id"), nullable=False),
    Column("phone_index", LargeBinary, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Column("reserved_until", UtcMillis, nullable=False),
    # Live or cooling. It stays true after `reserved_until` until somebody wants the place or the
    # sweep comes by: the index below then errs on the safe side only.
    Column("active", Boolean, nullable=False),
    PrimaryKeyConstraint("session_id", "position"),
    sqlite_with_rowid=False,
)

_ACTIVE_IN_SQLITE = leases.c.active == literal_column("1")  # as queries spell it: SQLite compares

# The rule of the house: of the leases that live or cool down, no two share proxy number and phone.
# The phone comes first, so that the same index finds all numbers that a participant holds.
Index(
    "uq_leases_live_or_cooling",
    leases.c.phone_index,
    leases.c.number_id,
    unique=True,
    sqlite_where=_ACTIVE_IN_SQLITE,
    postgresql_where=leases.c.active,
)
Index(  # whom a late caller used to reach
    "ix_leases_over",
    leases.c.phone_index,
    leases.c.number_id,
    sqlite_where=~leases.c.active,
    postgresql_where=~leases.c.active,
)
Index(
    "ix_leases_active_reserved_until",
    leases.c.reserved_until,
    sqlite_where=_ACTIVE_IN_SQLITE,
    postgresql_where=leases.c.active,
)

blocks = Table(
    "blocks",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("user_id", Text, nullable=False),
    Column("blocked_user_id", Text, nullable=False),
    Column("reason", Text),
    Column("created_at", UtcMillis, nullable=False),
    UniqueConstraint("user_id", "blocked_user_id"),
    sqlite_autoincrement=True,
)

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

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("linked_id", Text, nullable=False),
    Column("session_id", Text),
    Column("conversation_id", Text),
    Column("listing_id", Text),
    Column("listing_title", Text),
    Column("direction", Text, nullable=False),
    Column("caller_role", Text),
    Column("caller_user_id", Text),
    Column("callee_role", Text),
    Column("callee_user_id", Text),
    Column("caller_sealed", LargeBinary),
    Column("caller_index", LargeBinary),
    Column("number_in", Text),
    Column("number_out", Text),
    Column("trunk_in", Text),
    Column("trunk_out", Text),
    Column("channel", Text),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("announcement", Text),
    Column("ended_by", Text),
    Column("cause", Integer),
    Column("offered_at", UtcMillis, nullable=False),
    Column("rang_at", UtcMillis),
    Column("answered_at", UtcMillis),
    Column("ended_at", UtcMillis, nullable=False),
    Column("ring_ms", BigInteger, nullable=False),
    Column("talk_ms", BigInteger, nullable=False),
    Column("attempts", Json, nullable=False),
    Column("legs", Json, nullable=False),
    Column("recorded_at", UtcMillis, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Index(None, "offered_at", "call_id"),
    Index(None, "session_id", "offered_at", "call_id"),
    Index(None, "conversation_id", "offered_at", "call_id"),
    Index(None, "caller_user_id", "offered_at", "call_id"),
    Index(None, "callee_user_id", "offered_at", "call_id"),
    Index(None, "outcome", "offered_at", "call_id"),
    Index(None, "node"),
)

history_entries = Table(
    "history_entries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("conversation_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Json, nullable=False),
    UniqueConstraint("conversation_id", "call_id"),
    Index(None, "conversation_id", "at", "id"),
    sqlite_autoincrement=True,
)

call_log_entries = Table(
    "call_log_entries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("user_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("ring_ms", BigInteger, nullable=False),
    Column("talk_ms", BigInteger, nullable=False),
    Column("card", Json, nullable=False),
    Column("listing", Json),
    Column("session_id", Text),
    Column("read_at", UtcMillis),
    UniqueConstraint("user_id", "call_id"),
    Index(None, "user_id", "at", "id"),
    sqlite_autoincrement=True,
)

ingest_checkpoints = Table(
    "ingest_checkpoints",
    metadata,
    Column("node", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("node", "file"),
)

open_calls = Table(
    "open_calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("events", Json, nullable=False),
    Column("seen_at", UtcMillis, nullable=False),
    Index(None, "node"),
)
