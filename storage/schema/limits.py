"""Tables of what is counted: wrong digits, new callers' days, participants near a pool's end.

People are here only as a keyed index (`*_index`).
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from storage.columns import RowId, UtcMillis
from storage.schema.base import metadata

dial_tries = Table(  # digits that led nowhere, typed after dialling a number
    "dial_tries",
    metadata,
    Column("number_id", RowId, ForeignKey("numbers.id", ondelete="CASCADE"), nullable=False),
    Column("caller_index", LargeBinary, nullable=False),  # of a withheld caller: of its trunk
    Column("failed", Integer, nullable=False),
    Column("locked_until", UtcMillis),
    Column("at", UtcMillis, nullable=False),  # of the last one
    PrimaryKeyConstraint("number_id", "caller_index"),
    Index(None, "at"),
    sqlite_with_rowid=False,
)

caller_days = Table(  # what one caller began on one day
    "caller_days",
    metadata,
    Column("phone_index", LargeBinary, nullable=False),
    Column("day", Integer, nullable=False),  # since 1970, UTC
    Column("new_links", Integer, nullable=False),  # listings called for the first time
    PrimaryKeyConstraint("phone_index", "day"),
    Index(None, "day"),
    sqlite_with_rowid=False,
)

pool_pressure = Table(  # participants who hold so much of a pool that it is worth watching
    "pool_pressure",
    metadata,
    Column("pool", Text, nullable=False),
    Column("phone_index", LargeBinary, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("held", Integer, nullable=False),  # numbers, live and cooling, at `at`
    Column("high", Integer, nullable=False),  # the most they ever held
    Column("at", UtcMillis, nullable=False),
    Column("high_at", UtcMillis, nullable=False),
    Column("warned_at", UtcMillis),  # of the last pool.low; null: none since it was last relaxed
    PrimaryKeyConstraint("pool", "phone_index"),
    Index(None, "pool", "held"),
    Index(None, "at"),
    sqlite_with_rowid=False,
)
