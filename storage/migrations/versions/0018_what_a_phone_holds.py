"""On SQLite the places that a phone holds are told by an index alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index all that the choice of a number asks of them."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_index(
        "ix_leases_held",
        "leases",
        [
            "phone_index",
            "number_id",
            "extension",
            "slot",
            "since",
            "expires_at",
            "reserved_until",
            "active",
        ],
        sqlite_where=sa.text("active = 1"),
    )


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
