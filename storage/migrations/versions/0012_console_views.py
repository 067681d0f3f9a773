"""What staff keep of the list of calls: views, columns, exports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "console_views",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_views"),
        sa.UniqueConstraint("account_id", "name", name="uq_console_views_account_id_name"),
    )
    op.create_table(
        "console_columns",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_console_columns"),
    )
    op.create_table(
        "console_exports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("by_phone", sa.Boolean(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("thousandths", sa.Integer(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_console_exports"),
    )
    for table, *columns in (
        ("console_views", "shared"),
        ("console_views", "user_id"),
        ("console_exports", "account_id", "created_at"),
        ("console_exports", "state", "seen_at"),
        ("console_exports", "created_at"),
        ("console_exports", "user_id"),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
