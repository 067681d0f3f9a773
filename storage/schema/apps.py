"""Tables of in-app calls: devices' credentials, users' switches, what callers are held to, ratings.

Of a device's secrets only what cannot be used elsewhere is here: the digest hash sealed
(`ha1_sealed`), the token as its SHA-256. No address a device was seen at is ever kept.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
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

app_credentials = Table(  # one device of one user: one endpoint of Asterisk
    "app_credentials",
    metadata,
    Column("username", Text, primary_key=True),  # sorts by time of creation
    Column("user_id", Text, nullable=False),
    Column("ha1_sealed", LargeBinary, nullable=False),  # MD5(username:realm:password), RFC 7616
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("device", Text),  # the platform's name for it
    Column("transport_hint", Text),  # webrtc or sip
    Column("created_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Column("revoked_at", UtcMillis),
    Index(None, "user_id", "expires_at"),
    Index(None, "expires_at"),
    sqlite_with_rowid=False,
)

Index(  # which were shut out lately
    "ix_app_credentials_revoked_at",
    app_credentials.c.revoked_at,
    sqlite_where=app_credentials.c.revoked_at.is_not(None),
    postgresql_where=app_credentials.c.revoked_at.is_not(None),
)

app_users = Table(  # what a user chose; no row: everything as a private user has it
    "app_users",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("account", Text, nullable=False),  # private or company
    Column("in_app_calls", Boolean),  # null: a private user yes, a company no
    Column("quiet_hours", Json),  # `masking.quiet` reads it
    Column("timezone", Text),  # IANA; there wherever there are quiet hours
    Column("app_until", UtcMillis),  # when the last credential ever given expires
    Column("updated_at", UtcMillis, nullable=False),
    sqlite_with_rowid=False,
)

app_listings = Table(  # listings for which a company takes in-app calls
    "app_listings",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("listing_id", Text, nullable=False),
    PrimaryKeyConstraint("user_id", "listing_id"),
    sqlite_with_rowid=False,
)

call_tallies = Table(  # calls within an hour, of a pair or of one caller
    "call_tallies",
    metadata,
    Column("scope", Text, nullable=False),  # pair or caller
    Column("key", LargeBinary, nullable=False),  # a keyed index, never a phone
    Column("hour", Integer, nullable=False),  # since 1970, UTC
    Column("calls", Integer, nullable=False),
    PrimaryKeyConstraint("scope", "key", "hour"),
    Index(None, "hour"),
    sqlite_with_rowid=False,
)

unanswered_runs = Table(  # calls of one side of a session in a row that nobody answered
    "unanswered_runs",
    metadata,
    Column("session_id", Text, nullable=False),
    Column("position", Integer, nullable=False),  # the caller's
    Column("run", Integer, nullable=False),
    Column("last_at", UtcMillis, nullable=False),
    PrimaryKeyConstraint("session_id", "position"),
    Index(None, "last_at"),
    sqlite_with_rowid=False,
)

call_ratings = Table(  # what a participant said of a call
    "call_ratings",
    metadata,
    Column("call_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("stars", Integer, nullable=False),
    Column("issues", Json, nullable=False),
    Column("at", UtcMillis, nullable=False),
    PrimaryKeyConstraint("call_id", "user_id"),
    Index(None, "user_id"),
    sqlite_with_rowid=False,
)
