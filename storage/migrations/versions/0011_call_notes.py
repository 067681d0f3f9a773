"""What staff note of calls: notes, tags, dispositions, complaints."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables."""
    _numbered(
        "call_notes",
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        *_written(),
    )
    op.create_table(
        "call_tags",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        *_written(),
        sa.PrimaryKeyConstraint("call_id", "tag", name=op.f("pk_call_tags")),
    )
    in_order = ["tag", "offered_at", "call_id"]
    op.create_index(op.f("ix_call_tags_tag_offered_at_call_id"), "call_tags", in_order)
    _numbered("call_dispositions", sa.Column("disposition", sa.Text(), nullable=False), *_written())
    _numbered(
        "complaints",
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        *_written(),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_id", sa.Text(), nullable=True),
        sa.Column("decided_by_name", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("changes", sa.BigInteger(), nullable=False),
    )
    op.create_index(op.f("ix_complaints_state_id"), "complaints", ["state", "id"])


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _numbered(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f(f"ix_{name}_call_id_id"), name, ["call_id", "id"])


def _written() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
    )
