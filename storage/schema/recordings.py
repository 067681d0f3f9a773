"""The table of recordings: where each is, and what became of it. The sound itself is in files.

A recording's key is here only sealed, and only while the recording may be heard.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from storage.columns import UtcMillis
from storage.schema.base import metadata

recordings = Table(
    "recordings",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("node", Text, nullable=False),  # on whose disk its raw files are, and itself
    Column("session_id", Text),
    Column("conversation_id", Text),
    Column("state", Text, nullable=False),  # pending, ready, failed, deleted
    Column("why", Text),  # it failed, or was deleted
    Column("created_at", UtcMillis, nullable=False),
    Column("tries", Integer, nullable=False),
    # When it has to be looked at next, as its state wants: pending, to be made; ready, to be
    # deleted; failed or deleted, to be tidied up after. Null: never.
    Column("due_at", UtcMillis),
    Column("path", Text),  # below the folder of recordings
    Column("key_sealed", LargeBinary),  # null: there is none, or no longer
    Column("audio_bytes", BigInteger),  # of what is heard
    Column("file_bytes", BigInteger),  # of the file, which is encrypted
    Column("digest", LargeBinary),  # SHA-256 of the file
    Column("duration_ms", BigInteger),
    Column("ready_at", UtcMillis),
    Column("delete_at", UtcMillis),  # null: kept until somebody asks
    Column("deleted_at", UtcMillis),  # its key was destroyed then
    Column("removed_at", UtcMillis),  # and its file was gone then
    Index(None, "created_at", "call_id"),
)

Index(
    "ix_recordings_due",
    recordings.c.due_at,
    sqlite_where=recordings.c.due_at.is_not(None),
    postgresql_where=recordings.c.due_at.is_not(None),
)
