"""Delivery: the outbox, the platform's webhooks, and what was and is to be delivered to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Add the tables; calls recorded before owe nothing."""
    _outbox()
    _webhooks()
    _deliveries()


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("stream_due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
        sa.UniqueConstraint("sequence", name=op.f("uq_outbox_sequence")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_undispatched",
        "outbox",
        ["id"],
        sqlite_where=sa.text("sequence IS NULL"),
        postgresql_where=sa.text("sequence IS NULL"),
    )
    op.create_index(
        "ix_outbox_stream_due",
        "outbox",
        ["sequence"],
        sqlite_where=sa.text("stream_due = 1"),
        postgresql_where=sa.text("stream_due"),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", _JSON, nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_why", sa.Text(), nullable=True),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("previous_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("open_until", sa.BigInteger(), nullable=True),
        sa.Column("succeeded_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_created_at_id", "webhooks", ["created_at", "id"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("notice_id", _ROW_ID, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("log", _JSON, nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["outbox.id"], name=op.f("fk_deliveries_notice_id_outbox")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_deliveries_webhook_id_webhooks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "webhook_id", "notice_id", name=op.f("uq_deliveries_webhook_id_notice_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_webhook_id_id", "deliveries", ["webhook_id", "id"])
    op.create_index(
        "ix_deliveries_webhook_id_state_id", "deliveries", ["webhook_id", "state", "id"]
    )
    op.create_index("ix_deliveries_notice_id", "deliveries", ["notice_id"])
    pending = sa.text("finished_at IS NULL")
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["webhook_id", "due_at", "sequence"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index(
        "ix_deliveries_turn",
        "deliveries",
        ["webhook_id", "conversation_id", "sequence"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index(
        "ix_deliveries_since",
        "deliveries",
        ["since"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    finished = sa.text("finished_at IS NOT NULL")
    op.create_index(
        "ix_deliveries_finished_at",
        "deliveries",
        ["finished_at"],
        sqlite_where=finished,
        postgresql_where=finished,
    )
