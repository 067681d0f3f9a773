"""Tables of who signs in to the console. Secrets are hashed or sealed; no participant is here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from storage.columns import UtcMillis
from storage.schema.base import metadata

staff_accounts = Table(
    "staff_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("login", Text, nullable=False, unique=True),  # in lower case
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("theme", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("password_hash", Text),  # argon2id; null: signs in elsewhere
    Column("must_change", Boolean, nullable=False),  # the password is not of their own choice
    Column("totp_sealed", LargeBinary),  # null: no second factor
    Column("totp_step", BigInteger, nullable=False),  # the last that was used: none serves twice
    Column("oidc_issuer", Text),
    Column("oidc_subject", Text),
    Column("locked_at", UtcMillis),  # by an admin
    Column("created_at", UtcMillis, nullable=False),
    Column("updated_at", UtcMillis, nullable=False),
    Column("signed_in_at", UtcMillis),
    UniqueConstraint("oidc_issuer", "oidc_subject"),
)

staff_recovery_codes = Table(
    "staff_recovery_codes",
    metadata,
    Column("account_id", Text, ForeignKey("staff_accounts.id"), nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("account_id", "code_hash"),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account_id", Text, ForeignKey("staff_accounts.id"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("device", Text, nullable=False),  # browser and system, in words
    Column("address", Text, nullable=False),
    Column("known", Text),  # the mark of a device that signed in to the account before
    Column("created_at", UtcMillis, nullable=False),
    Column("seen_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index(None, "account_id"),
    Index(None, "expires_at"),
)

staff_attempts = Table(  # to sign in, that failed
    "staff_attempts",
    metadata,
    Column("kind", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),  # keyed hash: of a login, a device, an address
    Column("failures", Integer, nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("locked_until", UtcMillis),
    PrimaryKeyConstraint("kind", "key"),
    Index(None, "at"),
)
