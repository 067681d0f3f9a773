"""Calls that are not over are found by their session: one with a call up gives no place away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index them."""
    there = sa.text("session_id IS NOT NULL")
    op.create_index(
        "ix_open_calls_session_id",
        "open_calls",
        ["session_id"],
        sqlite_where=there,
        postgresql_where=there,
    )


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
