"""The SIP messages of calls, for a week."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table; of calls before there are no messages."""
    op.create_table(
        "sip_messages",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("leg", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=True),
        sa.Column("dialog_digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.SmallInteger(), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("messages_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sip_messages")),
        sqlite_autoincrement=True,
    )
    for columns in (["call_id", "id"], ["dialog_digest"], ["at", "id"]):
        op.create_index(f"ix_sip_messages_{'_'.join(columns)}", "sip_messages", columns)


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError
