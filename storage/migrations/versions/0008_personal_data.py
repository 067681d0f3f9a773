"""Personal data: vault rotations, erasures and their receipts, what is let go by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables, and the ways by which a person's rows are found."""
    _vault()
    _erasures()
    _retention()
    op.create_index(
        "ix_calls_caller_index",
        "calls",
        ["caller_index"],
        sqlite_where=sa.text("caller_index IS NOT NULL"),
        postgresql_where=sa.text("caller_index IS NOT NULL"),
    )
    op.create_index("ix_listing_numbers_phone_index", "listing_numbers", ["phone_index"])
    op.create_index("ix_blocks_blocked_user_id", "blocks", ["blocked_user_id"])
    op.create_index("ix_call_ratings_user_id", "call_ratings", ["user_id"])


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _vault() -> None:
    op.create_table(
        "vault_readers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("knows", _JSON, nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("on_disk", _JSON, nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_readers")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vault_rotations",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("to_key", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at_column", sa.Integer(), nullable=False),
        sa.Column("after", _JSON, nullable=True),
        sa.Column("pass_found", sa.BigInteger(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("resealed", sa.BigInteger(), nullable=False),
        sa.Column("broken", sa.BigInteger(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("proof", _JSON, nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_rotations")),
        sqlite_autoincrement=True,
    )


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("person_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("after", _JSON, nullable=True),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("watch_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_erasures_subject_requested_at", "erasures", ["subject", "requested_at"])
    op.create_index("ix_erasures_state", "erasures", ["state"])


def _retention() -> None:
    op.create_table(
        "retention_cursors",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_retention_cursors")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retention_days",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "day", name=op.f("pk_retention_days")),
        sqlite_with_rowid=False,
    )
