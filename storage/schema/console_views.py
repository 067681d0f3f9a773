"""Tables of what staff keep of the list of calls: views, columns, exports. Never a phone.

`user_id` stands beside a query that asks for a user, so that it goes when that person is erased.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, UniqueConstraint

from storage.columns import Json, UtcMillis
from storage.schema.base import metadata

console_views = Table(
    "console_views",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),  # as in the list's address, without a phone
    Column("user_id", Text),
    Column("shared", Boolean, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("updated_at", UtcMillis, nullable=False),
    UniqueConstraint("account_id", "name"),
    Index(None, "shared"),
    Index(None, "user_id"),
)

console_columns = Table(  # of the list, by who looks at it
    "console_columns",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("columns", Json, nullable=False),
    Column("updated_at", UtcMillis, nullable=False),
)

console_exports = Table(
    "console_exports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("query", Text, nullable=False),  # as in the list's address, without a phone
    Column("user_id", Text),
    Column("by_phone", Boolean, nullable=False),
    Column("format", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("runner", Text, nullable=False),  # the process that does it
    Column("created_at", UtcMillis, nullable=False),
    Column("seen_at", UtcMillis, nullable=False),  # when its process last said that it goes on
    Column("finished_at", UtcMillis),
    Column("records", BigInteger, nullable=False),
    Column("thousandths", Integer, nullable=False),  # of the time that it goes through
    Column("file_bytes", BigInteger),
    Index(None, "account_id", "created_at"),
    Index(None, "state", "seen_at"),
    Index(None, "created_at"),
    Index(None, "user_id"),
)
