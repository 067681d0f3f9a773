"""Tables of what is kept of calls.

Callers' phones are here only sealed (`*_sealed`) and as a keyed index (`*_index`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.columns import Json, RowId, UtcMillis
from storage.schema.base import metadata

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
