"""The list of calls with its filters: an index for each, and what they are sorted into."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_WHOLE = ("outcome", "direction", "ring_band", "talk_band")
_SPARSE = (
    *("listing_id", "caller_index", "number_in", "number_out", "trunk_in", "trunk_out", "channel"),
    *("cause", "mos_band", "stars", "recorded"),
)
_DURATION_EDGES_MS = (1, 5_000, 10_000, 30_000, 60_000, 180_000, 600_000, 1_800_000, 3_600_000)
_MOS_EDGES = (150, 200, 250, 300, 350, 400, 430)

_calls = sa.table(
    "calls",
    *(sa.column(name, sa.BigInteger) for name in ("ring_ms", "talk_ms")),
    *(sa.column(name, sa.SmallInteger) for name in ("ring_band", "talk_band")),
    *(sa.column(name, sa.SmallInteger) for name in ("mos_min", "mos_band")),
)
# The worst windowed score of either side; where there was no window, of any stream of any leg.
_MOS = {
    "sqlite": (
        """
        UPDATE calls SET mos_min = (
          SELECT MIN(CAST(ROUND(json_extract(value, '$.mos_min') * 100) AS INTEGER))
          FROM json_each(quality)) WHERE quality IS NOT NULL
        """,
        """
        UPDATE calls SET mos_min = (
          SELECT MIN(CAST(ROUND(m * 100) AS INTEGER)) FROM (
            SELECT json_extract(value, '$.received.mos') AS m FROM json_each(legs)
            UNION ALL SELECT json_extract(value, '$.sent.mos') FROM json_each(legs)))
        WHERE mos_min IS NULL
        """,
    ),
    "postgresql": (
        """
        UPDATE calls SET mos_min = (
          SELECT MIN(ROUND((one->>'mos_min')::numeric * 100))
          FROM jsonb_array_elements(quality) AS one) WHERE quality IS NOT NULL
        """,
        """
        UPDATE calls SET mos_min = (
          SELECT MIN(ROUND(LEAST((one->'received'->>'mos')::numeric,
                                 (one->'sent'->>'mos')::numeric) * 100))
          FROM jsonb_array_elements(legs) AS one)
        WHERE mos_min IS NULL
        """,
    ),
}
_STARS = """
    UPDATE calls SET stars = (
      SELECT MIN(call_ratings.stars) FROM call_ratings WHERE call_ratings.call_id = calls.call_id)
    WHERE call_id IN (SELECT call_id FROM call_ratings)
"""


def upgrade() -> None:
    """Add what is searched by, fill it in for the calls there are, then index it."""
    _columns()
    _fill()
    _indexes()


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _columns() -> None:
    for name in ("mos_min", "mos_band", "stars"):
        op.add_column("calls", sa.Column(name, sa.SmallInteger(), nullable=True))
    op.add_column("calls", sa.Column("recorded", sa.Boolean(), nullable=True))
    for name in ("ring_band", "talk_band"):
        column = sa.Column(name, sa.SmallInteger(), nullable=False, server_default=sa.text("0"))
        op.add_column("calls", column)


def _fill() -> None:
    for statement in _MOS[op.get_bind().dialect.name]:
        op.execute(statement)
    op.execute(_STARS)
    op.execute(
        _calls.update().values(
            ring_band=_band(_calls.c.ring_ms, _DURATION_EDGES_MS),
            talk_band=_band(_calls.c.talk_ms, _DURATION_EDGES_MS),
            mos_band=sa.case(
                (_calls.c.mos_min.is_(None), None), else_=_band(_calls.c.mos_min, _MOS_EDGES)
            ),
        )
    )


def _band(value: sa.ColumnElement[int], edges: tuple[int, ...]) -> sa.ColumnElement[int]:
    steps = [(value < edge, number) for number, edge in enumerate(edges)]
    return sa.case(*steps, else_=len(edges))


def _indexes() -> None:
    op.drop_index("ix_calls_outcome_offered_at_call_id", "calls")
    op.drop_index("ix_calls_caller_index", "calls")
    for name in _WHOLE:
        op.create_index(f"ix_calls_{name}_offered_at", "calls", [name, "offered_at"])
    op.create_index("ix_calls_node_offered_at_call_id", "calls", ["node", "offered_at", "call_id"])
    for name in _SPARSE:
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_calls_{name}_offered_at",
            "calls",
            [name, "offered_at"],
            sqlite_where=there,
            postgresql_where=there,
        )
