"""The ledger: records in chains by node and day, versions that were superseded, calls cut short.

Records kept before have no place in a chain; how many there are is noted, so that none can be
slipped in among them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_LEDGER = (
    ("ledger_day", sa.Integer()),
    ("ledger_seq", sa.BigInteger()),
    ("ledger_form", sa.Integer()),
    ("ledger_hash", sa.LargeBinary()),
    ("ledger_personal", sa.LargeBinary()),
    ("ledger_openings", sa.LargeBinary()),
)


def upgrade() -> None:
    """Add what is new."""
    _calls()
    _tables()
    _count_unchained()


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _calls() -> None:
    for name in ("corrected_why", "corrected_by"):
        op.add_column("calls", sa.Column(name, sa.Text(), nullable=True))
    for name, kind in _LEDGER:
        op.add_column("calls", sa.Column(name, kind, nullable=True))
    op.create_index(
        "uq_calls_node_ledger_day_ledger_seq",
        "calls",
        ["node", "ledger_day", "ledger_seq"],
        unique=True,
    )
    op.drop_index("ix_calls_node", table_name="calls")


def _tables() -> None:
    op.create_table(
        "ledger_days",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("node", "day", name=op.f("pk_ledger_days")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_versions",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("listing_id", sa.Text(), nullable=True),
        sa.Column("listing_title", sa.Text(), nullable=True),
        sa.Column("caller_user_id", sa.Text(), nullable=True),
        sa.Column("callee_user_id", sa.Text(), nullable=True),
        sa.Column("caller_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("caller_index", sa.LargeBinary(), nullable=True),
        *(sa.Column(name, kind, nullable=True) for name, kind in _LEDGER),
        sa.PrimaryKeyConstraint("call_id", "version", name=op.f("pk_call_versions")),
    )
    op.create_index(
        "uq_call_versions_node_ledger_day_ledger_seq",
        "call_versions",
        ["node", "ledger_day", "ledger_seq"],
        unique=True,
    )
    op.create_table(
        "cut_calls",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("events", _JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("alive_us", sa.BigInteger(), nullable=False),
        sa.Column("kept_until", sa.BigInteger(), nullable=False),
        sa.Column("late_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_cut_calls")),
    )
    op.create_index("ix_cut_calls_kept_until", "cut_calls", ["kept_until"])
    late = sa.text("late_at IS NOT NULL")
    op.create_index(
        "ix_cut_calls_late_at",
        "cut_calls",
        ["node", "late_at"],
        sqlite_where=late,
        postgresql_where=late,
    )


def _count_unchained() -> None:
    """As eight bytes, big-endian; no mark where there are none."""
    bind = op.get_bind()
    found = bind.execute(sa.text("SELECT count(*) FROM calls")).scalar_one()
    if found:
        bind.execute(
            sa.text("INSERT INTO marks (name, value) VALUES ('calls_before_ledger', :value)"),
            {"value": found.to_bytes(8, "big")},
        )
