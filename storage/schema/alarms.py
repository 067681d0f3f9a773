"""The table of alarms: those that are up, and for a while those that are over. About nobody."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from storage.columns import Json, UtcMillis
from storage.schema.base import metadata

alarms = Table(
    "alarms",
    metadata,
    Column("id", Text, primary_key=True),
    Column("condition", Text, nullable=False),
    Column("subject", Text, nullable=False),  # the trunk, pool or part; "": the whole house
    Column("grave", Boolean, nullable=False),
    Column("facts", Json, nullable=False),  # what was told when it was raised
    Column("times", Integer, nullable=False),  # it was raised, counting returns
    Column("since", UtcMillis, nullable=False),  # it is wrong since then
    Column("raised_at", UtcMillis, nullable=False),
    Column("observer", Text, nullable=False),  # the process that saw it last
    Column("seen_at", UtcMillis, nullable=False),  # and when
    Column("cleared_at", UtcMillis),  # null: it is up
    Column("acknowledged_at", UtcMillis),
    Column("acknowledged_by", Text),  # the account
    Column("acknowledged_name", Text),
)

Index(  # one thing is wrong once, whichever process says so
    "uq_alarms_up",
    alarms.c.condition,
    alarms.c.subject,
    unique=True,
    sqlite_where=alarms.c.cleared_at.is_(None),
    postgresql_where=alarms.c.cleared_at.is_(None),
)
Index(
    "ix_alarms_cleared_at",
    alarms.c.cleared_at,
    alarms.c.id,
    sqlite_where=alarms.c.cleared_at.is_not(None),
    postgresql_where=alarms.c.cleared_at.is_not(None),
)
