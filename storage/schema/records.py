"""Tables of what is kept of calls.

Callers' phones are here only sealed (`*_sealed`) and as a keyed index (`*_index`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.columns import Json, JsonOrNull, RowId, UtcMillis
from storage.schema.base import metadata
from storage.schema.ledger import ledger_columns

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("linked_id", Text, nullable=False),
    Column("session_id", Text),
    Column("conversation_id", Text),
    Column("listing_id", Text),
    Column("listing_title", Text),
    Column("direction", Text, nullable=False),
    Column("caller_role", Text),
    Column("caller_user_id", Text),
    Column("callee_role", Text),
    Column("callee_user_id", Text),
    Column("caller_sealed", LargeBinary),
    Column("caller_index", LargeBinary),
    Column("number_in", Text),
    Column("number_out", Text),
    Column("trunk_in", Text),
    Column("trunk_out", Text),
    Column("channel", Text),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("announcement", Text),
    Column("ended_by", Text),
    Column("cause", Integer),
    Column("offered_at", UtcMillis, nullable=False),
    Column("rang_at", UtcMillis),
    Column("answered_at", UtcMillis),
    Column("ended_at", UtcMillis, nullable=False),
    Column("ring_ms", BigInteger, nullable=False),
    Column("talk_ms", BigInteger, nullable=False),
    Column("attempts", Json, nullable=False),
    Column("legs", Json, nullable=False),
    Column("channel_in", Text),  # how the caller came: app, gsm or click; null: gsm
    Column("handovers", JsonOrNull),
    Column("prompts", JsonOrNull),
    Column("quality", JsonOrNull),
    Column("recording", JsonOrNull),  # null: the pool asks for none
    Column("category", Text),  # of the listing, as the session said
    Column("variant", Text),  # what the contact was made with; null: its session is not known
    # For searching alone: the worst score in hundredths, bands of it and of durations
    # (cdr/bands.py), the worst rating, and whether there was ever a recording (null: no).
    Column("mos_min", SmallInteger),
    Column("mos_band", SmallInteger),
    Column("ring_band", SmallInteger, nullable=False, server_default=text("0")),
    Column("talk_band", SmallInteger, nullable=False, server_default=text("0")),
    Column("stars", SmallInteger),
    Column("recorded", Boolean),
    Column("recorded_at", UtcMillis, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("corrected_why", Text),  # null: the first version
    Column("corrected_by", Text),
    *ledger_columns(),
    Index(None, "offered_at", "call_id"),
    # For the list with its filters. Without the id, which would double them: what was offered in
    # the same millisecond is sorted when it is read.
    *(
        Index(None, name, "offered_at")
        for name in (
            *("session_id", "conversation_id", "caller_user_id", "callee_user_id"),
            *("outcome", "direction", "ring_band", "talk_band"),
        )
    ),
    # With the id: the ledger's index begins with the node as well, and must not look as good.
    Index(None, "node", "offered_at", "call_id"),
)

for _name in (
    *("listing_id", "caller_index", "number_in", "number_out", "trunk_in", "trunk_out", "channel"),
    *("cause", "mos_band", "stars", "recorded"),
):
    Index(
        f"ix_calls_{_name}_offered_at",
        calls.c[_name],
        calls.c.offered_at,
        sqlite_where=calls.c[_name].is_not(None),
        postgresql_where=calls.c[_name].is_not(None),
    )

Index(
    "uq_calls_node_ledger_day_ledger_seq",
    calls.c.node,
    calls.c.ledger_day,
    calls.c.ledger_seq,
    unique=True,
)

history_entries = Table(
    "history_entries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("conversation_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Json, nullable=False),
    # The call first: its id begins with its time, so new ones lie together at the end.
    UniqueConstraint("call_id", "conversation_id"),
    Index(None, "conversation_id", "at", "id"),
    sqlite_autoincrement=True,
)

call_log_entries = Table(
    "call_log_entries",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("user_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("ring_ms", BigInteger, nullable=False),
    Column("talk_ms", BigInteger, nullable=False),
    Column("card", Json, nullable=False),
    Column("listing", Json),
    Column("session_id", Text),
    Column("reason", Text),  # why it was missed, as the user is told
    Column("read_at", UtcMillis),
    UniqueConstraint("call_id", "user_id"),
    Index(None, "user_id", "at", "id"),
    sqlite_autoincrement=True,
)

Index(
    "ix_call_log_entries_unread",
    call_log_entries.c.user_id,
    call_log_entries.c.id,
    sqlite_where=call_log_entries.c.read_at.is_(None),
    postgresql_where=call_log_entries.c.read_at.is_(None),
)

ingest_checkpoints = Table(
    "ingest_checkpoints",
    metadata,
    Column("node", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("node", "file"),
)

open_calls = Table(
    "open_calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("events", Json, nullable=False),
    Column("seen_at", UtcMillis, nullable=False),
    # What is shown of it while it is up; null where nobody has said it yet.
    Column("offered_at", UtcMillis),
    Column("state", Text),  # offered, ringing, up
    Column("session_id", Text),
    Column("caller_role", Text),
    Column("callee_role", Text),
    Column("trunk_in", Text),
    Column("trunk_out", Text),
    Index(None, "node"),
    Index(None, "offered_at", "call_id", "state", "node"),
)
Index(
    "ix_open_calls_session_id",
    open_calls.c.session_id,
    sqlite_where=open_calls.c.session_id.is_not(None),
    postgresql_where=open_calls.c.session_id.is_not(None),
)
