"""Numbers complete: rules of pools, enrolled phones, PINs, listing numbers, what is counted.

Leases get a wider primary key, which SQLite cannot alter: they are copied over.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add what is new; what was there keeps its meaning."""
    _pools()
    _sessions()
    _leases()
    _listings()
    _limits()


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _pools() -> None:
    op.add_column("pools", sa.Column("rules", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("pools", sa.Column("secrets_sealed", sa.LargeBinary(), nullable=True))
    op.add_column(
        "numbers", sa.Column("shown", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def _sessions() -> None:
    for column in (
        sa.Column("closed_why", sa.Text(), nullable=True),
        sa.Column("ttl_from", sa.Text(), nullable=False, server_default="creation"),
        sa.Column("ttl_s", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("hard_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_call_at", sa.BigInteger(), nullable=True),
        sa.Column("noticed_at", sa.BigInteger(), nullable=True),
        sa.Column("pair_index", sa.LargeBinary(), nullable=True),
        sa.Column("listing_number_id", sa.Text(), nullable=True),
        sa.Column("conversation_held", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("sessions", column)
    op.execute("UPDATE sessions SET ttl_s = (expires_at - created_at) / 1000")
    op.create_index("ix_sessions_pair_index_id", "sessions", ["pair_index", "id"])
    op.create_index(
        "ix_sessions_unnoticed",
        "sessions",
        ["pool", "expires_at"],
        sqlite_where=sa.text("closed_at IS NULL AND noticed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL AND noticed_at IS NULL"),
    )


def _leases() -> None:
    op.execute("CREATE TABLE leases_before AS SELECT * FROM leases")
    op.drop_table("leases")
    op.create_table(
        "leases",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("number_id", _ROW_ID, nullable=False),
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("pin", sa.Text(), nullable=True),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("why", _JSON, nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("reserved_until", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number_id"], ["numbers.id"], name=op.f("fk_leases_number_id_numbers")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_leases_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "position", "slot", name=op.f("pk_leases")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO leases (session_id, position, slot, number_id, phone_index, extension, pin,"
        " once, since, why, expires_at, reserved_until, active)"
        " SELECT b.session_id, b.position, 0, b.number_id, b.phone_index, '', NULL, FALSE,"
        " s.created_at, NULL, b.expires_at, b.reserved_until, b.active"
        " FROM leases_before AS b JOIN sessions AS s ON s.id = b.session_id"
    )
    op.drop_table("leases_before")
    op.create_index(
        "uq_leases_live_or_cooling",
        "leases",
        ["phone_index", "number_id", "extension"],
        unique=True,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "ix_leases_over",
        "leases",
        ["phone_index", "number_id"],
        sqlite_where=sa.text("active = 0"),
        postgresql_where=sa.text("NOT active"),
    )
    op.create_index(
        "ix_leases_active_reserved_until",
        "leases",
        ["reserved_until"],
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "uq_leases_pin",
        "leases",
        ["number_id", "pin"],
        unique=True,
        sqlite_where=sa.text("active = 1 AND pin IS NOT NULL"),
        postgresql_where=sa.text("active AND pin IS NOT NULL"),
    )


def _listings() -> None:
    op.create_table(
        "listing_numbers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("listing_title", sa.Text(), nullable=True),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("facts", _JSON, nullable=True),
        sa.Column("channel_policy", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("rotate_after_s", sa.BigInteger(), nullable=True),
        sa.Column("rotate_after_callers", sa.BigInteger(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_numbers")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_listing_numbers_listing_id_id", "listing_numbers", ["listing_id", "id"])
    op.create_index("ix_listing_numbers_user_id_id", "listing_numbers", ["user_id", "id"])
    op.create_table(
        "shown_numbers",
        sa.Column("listing_number_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("number_id", _ROW_ID, nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("shown_at", sa.BigInteger(), nullable=False),
        sa.Column("hidden_at", sa.BigInteger(), nullable=True),
        sa.Column("callers", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("free_from", sa.BigInteger(), nullable=False),
        sa.Column("rotate_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["listing_number_id"],
            ["listing_numbers.id"],
            name=op.f("fk_shown_numbers_listing_number_id_listing_numbers"),
        ),
        sa.ForeignKeyConstraint(
            ["number_id"], ["numbers.id"], name=op.f("fk_shown_numbers_number_id_numbers")
        ),
        sa.PrimaryKeyConstraint("listing_number_id", "turn", name=op.f("pk_shown_numbers")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_shown_numbers_active",
        "shown_numbers",
        ["number_id", "extension"],
        unique=True,
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "ix_shown_numbers_free",
        "shown_numbers",
        ["pool", "free_from"],
        sqlite_where=sa.text("active = 1"),
        postgresql_where=sa.text("active"),
    )
    op.create_index(
        "ix_shown_numbers_due",
        "shown_numbers",
        ["rotate_at"],
        sqlite_where=sa.text("rotate_at IS NOT NULL"),
        postgresql_where=sa.text("rotate_at IS NOT NULL"),
    )


def _limits() -> None:
    op.create_table(
        "dial_tries",
        sa.Column("number_id", _ROW_ID, nullable=False),
        sa.Column("caller_index", sa.LargeBinary(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number_id"],
            ["numbers.id"],
            name=op.f("fk_dial_tries_number_id_numbers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number_id", "caller_index", name=op.f("pk_dial_tries")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_dial_tries_at", "dial_tries", ["at"])
    op.create_table(
        "caller_days",
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("new_links", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("phone_index", "day", name=op.f("pk_caller_days")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_caller_days_day", "caller_days", ["day"])
    op.create_table(
        "pool_pressure",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("high_at", sa.BigInteger(), nullable=False),
        sa.Column("warned_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pool", "phone_index", name=op.f("pk_pool_pressure")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pool_pressure_pool_held", "pool_pressure", ["pool", "held"])
    op.create_index("ix_pool_pressure_at", "pool_pressure", ["at"])
