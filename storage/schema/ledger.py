"""Tables of the ledger: the chains' heads, versions of records that were superseded, calls cut.

The columns by which a record stands in its chain are the same wherever a record is kept.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from storage.columns import Json, UtcMillis
from storage.schema.base import metadata


def ledger_columns() -> tuple[Column[Any], ...]:
    """A record's place in its chain; null: it was kept before there were chains."""
    return (
        Column("ledger_day", Integer),  # days since 1970, UTC
        Column("ledger_seq", BigInteger),  # from 1, without a gap, among those of node and day
        Column("ledger_form", Integer),  # how its content is written down for hashing
        Column("ledger_hash", LargeBinary),
        Column("ledger_personal", LargeBinary),  # keyed digests of what is personal in it
        Column("ledger_openings", LargeBinary),  # their salts; zeros: erased
    )


ledger_days = Table(  # the head of each chain
    "ledger_days",
    metadata,
    Column("node", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("calls", BigInteger, nullable=False),  # records in the chain: the last one's place
    Column("head", LargeBinary, nullable=False),  # the last one's hash
    Column("previous", LargeBinary, nullable=False),  # the head of the node's day before
    Column("retired_at", UtcMillis),  # its records are no longer kept
    PrimaryKeyConstraint("node", "day"),
    sqlite_with_rowid=False,
)

call_versions = Table(  # what a record said before it was corrected
    "call_versions",
    metadata,
    Column("call_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("content", Text, nullable=False),  # canonical, see cdr/ledger.py
    Column("conversation_id", Text),
    Column("listing_id", Text),
    Column("listing_title", Text),
    Column("caller_user_id", Text),
    Column("callee_user_id", Text),
    Column("caller_sealed", LargeBinary),
    Column("caller_index", LargeBinary),
    *ledger_columns(),
    PrimaryKeyConstraint("call_id", "version"),
)

Index(
    "uq_call_versions_node_ledger_day_ledger_seq",
    call_versions.c.node,
    call_versions.c.ledger_day,
    call_versions.c.ledger_seq,
    unique=True,
)

cut_calls = Table(  # calls closed without their end: should it come late, they are folded again
    "cut_calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("events", Json, nullable=False),
    Column("reason", Text, nullable=False),
    Column("alive_us", BigInteger, nullable=False),
    Column("kept_until", UtcMillis, nullable=False),
    Column("late_at", UtcMillis),  # when rows came that were not folded yet
    Index(None, "kept_until"),
)

Index(
    "ix_cut_calls_late_at",
    cut_calls.c.node,
    cut_calls.c.late_at,
    sqlite_where=cut_calls.c.late_at.is_not(None),
    postgresql_where=cut_calls.c.late_at.is_not(None),
)
