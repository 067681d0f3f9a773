"""Tables of listing numbers: what a listing shows to people we do not know.

Sellers' phones are here only sealed (`*_sealed`) and as a keyed index (`*_index`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    literal_column,
)

from storage.columns import Json, RowId, UtcMillis
from storage.schema.base import metadata

listing_numbers = Table(
    "listing_numbers",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time of creation
    Column("listing_id", Text, nullable=False),
    Column("listing_title", Text),
    Column("listing_category", Text),
    Column("pool", Text, nullable=False),
    Column("role", Text, nullable=False),  # of the one who is called: seller, mostly
    Column("user_id", Text, nullable=False),
    Column("phone_sealed", LargeBinary, nullable=False),
    Column("phone_index", LargeBinary, nullable=False),
    Column("name", Text),
    Column("rating", Float),
    Column("facts", Json),
    Column("channel_policy", Text, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Column("closed_at", UtcMillis),
    Column("rotate_after_s", BigInteger),  # null: not by time
    Column("rotate_after_callers", BigInteger),  # null: not by count
    Column("turn", Integer, nullable=False),  # which of its `shown_numbers` is the last
    Index(None, "listing_id", "id"),
    Index(None, "user_id", "id"),
    Index(None, "phone_index"),
    sqlite_with_rowid=False,
)

shown_numbers = Table(  # which number a listing shows, and showed
    "shown_numbers",
    metadata,
    Column("listing_number_id", Text, ForeignKey("listing_numbers.id"), nullable=False),
    Column("turn", Integer, nullable=False),  # 0 is the first that the listing showed
    Column("pool", Text, nullable=False),
    Column("number_id", RowId, ForeignKey("numbers.id"), nullable=False),
    Column("extension", Text, nullable=False),  # digits that follow the number; "" where none do
    Column("shown_at", UtcMillis, nullable=False),
    Column("hidden_at", UtcMillis),  # null: it is the one shown now
    Column("callers", BigInteger, nullable=False),  # new callers it brought
    # The place is taken: shown now, or shown before and not yet wanted by another listing. A number
    # that was hidden goes on reaching its listing for as long.
    Column("active", Boolean, nullable=False),
    # From when another listing may have the place: when it was hidden, else when its listing ends.
    Column("free_from", UtcMillis, nullable=False),
    Column("rotate_at", UtcMillis),  # when the listing is to show another; null: not by time
    PrimaryKeyConstraint("listing_number_id", "turn"),
    sqlite_with_rowid=False,
)

_ACTIVE_IN_SQLITE = shown_numbers.c.active == literal_column("1")  # as queries spell it

Index(  # one listing for each number and extension
    "uq_shown_numbers_active",
    shown_numbers.c.number_id,
    shown_numbers.c.extension,
    unique=True,
    sqlite_where=_ACTIVE_IN_SQLITE,
    postgresql_where=shown_numbers.c.active,
)
Index(  # which has been free longest
    "ix_shown_numbers_free",
    shown_numbers.c.pool,
    shown_numbers.c.free_from,
    sqlite_where=_ACTIVE_IN_SQLITE,
    postgresql_where=shown_numbers.c.active,
)
Index(
    "ix_shown_numbers_due",
    shown_numbers.c.rotate_at,
    sqlite_where=shown_numbers.c.rotate_at.is_not(None),
    postgresql_where=shown_numbers.c.rotate_at.is_not(None),
)
