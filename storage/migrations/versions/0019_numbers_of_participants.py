"""A participant's row names the number of their own lease, so that a route is read without it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import RowId

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_OF_LEASES = """
UPDATE participants SET number_id = (
    SELECT leases.number_id FROM leases
    WHERE leases.session_id = participants.session_id
    AND leases.position = participants.position AND leases.slot = 0
)
"""


def upgrade() -> None:
    """Take the numbers from the leases."""
    op.add_column("participants", sa.Column("number_id", RowId))
    op.execute(_OF_LEASES)


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
