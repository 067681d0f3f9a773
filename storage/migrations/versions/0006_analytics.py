"""Analytics: counters of what is shown, called and heard, and what calls are counted by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counters, all at nothing; `maskline analytics rebuild` counts older records."""
    _funnel()
    _traffic()
    for column in (
        sa.Column("listing_category", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("contact_at", sa.BigInteger(), nullable=True),
        sa.Column("contact_variant", sa.Text(), nullable=True),
        sa.Column("contact_reached", sa.Integer(), nullable=True),
    ):
        op.add_column("sessions", column)
    op.add_column("listing_numbers", sa.Column("listing_category", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("category", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("variant", sa.Text(), nullable=True))
    _name_variants()


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _name_variants() -> None:
    """Calls recorded before belong to the funnel where their session was known."""
    calls = sa.table(
        "calls", sa.column("variant"), sa.column("channel_in"), sa.column("conversation_id")
    )
    shown = sa.func.coalesce(calls.c.channel_in, "gsm") == "gsm"
    op.execute(
        calls.update()
        .where(calls.c.conversation_id.is_not(None))
        .values(variant=sa.case((shown, "shown_number"), else_="call_button"))
    )


def _funnel() -> None:
    op.create_table(
        "funnel_contacts",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        *_counts("shown", "pressed", "called", "rang", "answered", "talked"),
        sa.PrimaryKeyConstraint("hour", "variant", "category", name=op.f("pk_funnel_contacts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "funnel_calls",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("came_by", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        *_counts("called", "rang", "answered", "talked", "talk_ms"),
        sa.PrimaryKeyConstraint(
            "hour", "variant", "came_by", "channel", "category", name=op.f("pk_funnel_calls")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "funnel_categories",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "category", name=op.f("pk_funnel_categories")),
        sqlite_with_rowid=False,
    )


def _traffic() -> None:
    op.create_table(
        "traffic",
        *_place(),
        *_counts("seizures", "answered", "effective", "talk_ms"),
        *_counts("delays", "delay_ms", "scores", "score_sum"),
        sa.PrimaryKeyConstraint("hour", "node", "trunk", "direction", name=op.f("pk_traffic")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "traffic_spread",
        *_place(),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        *_counts("count"),
        sa.PrimaryKeyConstraint(
            "hour",
            "node",
            "trunk",
            "direction",
            "measure",
            "bucket",
            name=op.f("pk_traffic_spread"),
        ),
        sqlite_with_rowid=False,
    )


def _place() -> list[sa.Column[object]]:
    return [
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
    ]


def _counts(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]
