"""What is written of a call lies together: entries by call, and shorter indexes of records."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_UNIQUE = {"history_entries": "conversation_id", "call_log_entries": "user_id"}
_BY_TIME = ("session_id", "conversation_id", "caller_user_id", "callee_user_id")


def upgrade() -> None:
    """Turn the unique rules round, and leave out of indexes what only makes them larger."""
    _mark()
    for name in _BY_TIME:
        op.drop_index(f"ix_calls_{name}_offered_at_call_id", "calls")
        op.create_index(f"ix_calls_{name}_offered_at", "calls", [name, "offered_at"])
    if op.get_bind().dialect.name == "postgresql":
        for table, of in _UNIQUE.items():
            op.drop_constraint(f"uq_{table}_{of}_call_id", table)
            op.create_unique_constraint(f"uq_{table}_call_id_{of}", table, ["call_id", of])
        op.drop_index("ix_call_log_entries_user_id_id", "call_log_entries")
    else:
        _rebuild("history_entries", _history())
        op.create_index(
            "ix_history_entries_conversation_id_at_id",
            "history_entries",
            ["conversation_id", "at", "id"],
        )
        _rebuild("call_log_entries", _call_log())
        op.create_index(
            "ix_call_log_entries_user_id_at_id", "call_log_entries", ["user_id", "at", "id"]
        )
        op.create_index(
            "ix_call_log_entries_unread",
            "call_log_entries",
            ["user_id", "id"],
            sqlite_where=sa.text("read_at IS NULL"),
        )


def downgrade() -> None:
    """There is no way back: restore the backup made before."""
    raise NotImplementedError


def _mark() -> None:
    """Note until when calls may have begun that are known by ids without a time.

    Not in a database that has seen no call: there are none.
    """
    conn = op.get_bind()
    seen = (sa.text(f"SELECT 1 FROM {table} LIMIT 1") for table in ("calls", "open_calls"))  # noqa: S608
    if any(conn.execute(query).first() for query in seen):
        conn.execute(
            sa.text("INSERT INTO marks (name, value) VALUES ('calls_without_times', :value)"),
            {"value": int(time.time()).to_bytes(8, "big")},
        )


def _rebuild(table: str, columns: list[sa.Column[object]]) -> None:
    """SQLite changes no rule of a table: another takes its place, and goes on with its numbers."""
    conn = op.get_bind()
    of, given = _UNIQUE[table], sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    last = conn.execute(given, {"name": table}).scalar()
    op.rename_table(table, f"{table}_before")
    op.create_table(
        table,
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("call_id", of, name=f"uq_{table}_call_id_{of}"),
        sqlite_autoincrement=True,
    )
    names = ", ".join(column.name for column in columns)
    op.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}_before ORDER BY id"  # noqa: S608
    )
    op.drop_table(f"{table}_before")
    if last is not None:
        conn.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table})
        conn.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"),
            {"name": table, "seq": last},
        )


def _history() -> list[sa.Column[object]]:
    return [
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", _JSON, nullable=False),
    ]


def _call_log() -> list[sa.Column[object]]:
    return [
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ring_ms", sa.BigInteger(), nullable=False),
        sa.Column("talk_ms", sa.BigInteger(), nullable=False),
        sa.Column("card", _JSON, nullable=False),
        sa.Column("listing", _JSON, nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
    ]
