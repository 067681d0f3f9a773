"""Sessions are looked up by their listing as well."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index them."""
    there = sa.text("listing_id IS NOT NULL")
    op.create_index(
        "ix_sessions_listing",
        "sessions",
        ["listing_id", "id"],
        sqlite_where=there,
        postgresql_where=there,
    )


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
