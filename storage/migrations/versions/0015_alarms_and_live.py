"""Alarms are kept, and calls that are not over say what a board shows of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add the table, and columns of the staging table: of calls that are up now they are empty."""
    op.create_table(
        "alarms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("grave", sa.Boolean(), nullable=False),
        sa.Column("facts", _JSON, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("observer", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    up, over = sa.text("cleared_at IS NULL"), sa.text("cleared_at IS NOT NULL")
    op.create_index(
        "uq_alarms_up",
        "alarms",
        ["condition", "subject"],
        unique=True,
        sqlite_where=up,
        postgresql_where=up,
    )
    op.create_index(
        "ix_alarms_cleared_at",
        "alarms",
        ["cleared_at", "id"],
        sqlite_where=over,
        postgresql_where=over,
    )
    op.add_column("open_calls", sa.Column("offered_at", sa.BigInteger(), nullable=True))
    for name in ("state", "session_id", "caller_role", "callee_role", "trunk_in", "trunk_out"):
        op.add_column("open_calls", sa.Column(name, sa.Text(), nullable=True))
    op.create_index(
        "ix_open_calls_offered_at_call_id_state_node",
        "open_calls",
        ["offered_at", "call_id", "state", "node"],
    )


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
