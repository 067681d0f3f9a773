"""Tables of what staff note of calls: notes, tags, what came of looking into one, complaints.

What is free text has been through `storage.struck_out`. Who wrote it is an account of the console.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from storage.columns import RowId, UtcMillis
from storage.schema.base import metadata


def _written() -> tuple[Column[Any], ...]:
    return (
        Column("at", UtcMillis, nullable=False),
        Column("by_id", Text, nullable=False),
        Column("by_name", Text, nullable=False),
    )


call_notes = Table(
    "call_notes",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("call_id", Text, nullable=False),
    Column("about", Text),  # caller, callee; null: the call, or both
    Column("text", Text, nullable=False),
    *_written(),
    Index(None, "call_id", "id"),
    sqlite_autoincrement=True,
)

call_tags = Table(
    "call_tags",
    metadata,
    Column("call_id", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("offered_at", UtcMillis, nullable=False),  # the call's: a tag's calls in their order
    *_written(),
    PrimaryKeyConstraint("call_id", "tag"),
    Index(None, "tag", "offered_at", "call_id"),
)

call_dispositions = Table(  # each with those before it: the last one counts
    "call_dispositions",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("call_id", Text, nullable=False),
    Column("disposition", Text, nullable=False),
    *_written(),
    Index(None, "call_id", "id"),
    sqlite_autoincrement=True,
)

complaints = Table(
    "complaints",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("call_id", Text, nullable=False),
    Column("about", Text, nullable=False),  # caller, callee: the other side complains
    Column("kind", Text, nullable=False),
    Column("text", Text),
    *_written(),
    Column("state", Text, nullable=False),  # open, upheld, rejected
    Column("decided_at", UtcMillis),
    Column("decided_by_id", Text),
    Column("decided_by_name", Text),
    Column("decision", Text),  # why, in free text
    Column("changes", BigInteger, nullable=False),  # rises with each: nobody decides unseen
    Index(None, "call_id", "id"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)
