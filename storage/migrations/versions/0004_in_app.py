"""In-app calls: credentials, users' switches, caps, ratings, and what records tell of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add what is new; calls recorded before came from phones."""
    _credentials()
    _users()
    _caps()
    _records()


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _credentials() -> None:
    op.create_table(
        "app_credentials",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("ha1_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("transport_hint", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_app_credentials")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_app_credentials_token_hash")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_app_credentials_user_id_expires_at", "app_credentials", ["user_id", "expires_at"]
    )
    op.create_index("ix_app_credentials_expires_at", "app_credentials", ["expires_at"])
    revoked = sa.text("revoked_at IS NOT NULL")
    op.create_index(
        "ix_app_credentials_revoked_at",
        "app_credentials",
        ["revoked_at"],
        sqlite_where=revoked,
        postgresql_where=revoked,
    )


def _users() -> None:
    op.create_table(
        "app_users",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("in_app_calls", sa.Boolean(), nullable=True),
        sa.Column("quiet_hours", _JSON, nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("app_until", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_app_users")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "app_listings",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "listing_id", name=op.f("pk_app_listings")),
        sqlite_with_rowid=False,
    )


def _caps() -> None:
    op.create_table(
        "call_tallies",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", "hour", name=op.f("pk_call_tallies")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_call_tallies_hour", "call_tallies", ["hour"])
    op.create_table(
        "unanswered_runs",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "position", name=op.f("pk_unanswered_runs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_unanswered_runs_last_at", "unanswered_runs", ["last_at"])


def _records() -> None:
    op.create_table(
        "call_ratings",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("issues", _JSON, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "user_id", name=op.f("pk_call_ratings")),
        sqlite_with_rowid=False,
    )
    op.add_column("calls", sa.Column("channel_in", sa.Text(), nullable=True))
    for name in ("handovers", "prompts", "quality"):
        op.add_column("calls", sa.Column(name, _JSON, nullable=True))
    op.add_column("call_log_entries", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index("ix_call_log_entries_user_id_id", "call_log_entries", ["user_id", "id"])
    unread = sa.text("read_at IS NULL")
    op.create_index(
        "ix_call_log_entries_unread",
        "call_log_entries",
        ["user_id", "id"],
        sqlite_where=unread,
        postgresql_where=unread,
    )
