"""Trunks say whether their audio is sealed; of those there are none is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "trunks",
        sa.Column("media_encryption", sa.Text(), nullable=False, server_default=sa.text("'none'")),
    )


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
