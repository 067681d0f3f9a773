"""The SIP messages of calls, for a week: their text sealed, what may be searched beside it.

A row holds what one dialog of a call said within a second or two: a row for each message would
cost four times as much room, and most of the writing.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, SmallInteger, Table, Text

from storage.columns import RowId, UtcMillis
from storage.schema.base import metadata

sip_messages = Table(
    "sip_messages",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("call_id", Text, nullable=False),
    Column("leg", SmallInteger, nullable=False),  # dialogs of the call in their order, from 0
    Column("channel", Text, nullable=False),  # of the leg: gsm or app
    Column("trunk", Text),  # null: it is an app's
    Column("dialog_digest", LargeBinary, nullable=False),  # of the Call-ID, keyed
    Column("at", UtcMillis, nullable=False),  # of the first message
    Column("messages", SmallInteger, nullable=False),  # how many
    # Lines: methods, statuses, headers. No phone, no name, no address of a person's device.
    Column("searched", Text, nullable=False),
    Column("messages_sealed", LargeBinary, nullable=False),
    Index(None, "call_id", "id"),
    Index(None, "dialog_digest"),
    Index(None, "at", "id"),
    sqlite_autoincrement=True,
)
