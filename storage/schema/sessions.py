"""Tables of sessions, their participants and leases, and of blocks.

Participants' phones are here only sealed (`*_sealed`) and as a keyed index (`*_index`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
)

from storage.columns import Json, RowId, UtcMillis
from storage.schema.base import metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time of creation
    Column("conversation_id", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("listing_id", Text),
    Column("listing_title", Text),
    Column("listing_category", Text),
    Column("variant", Text),  # what its people had to call with; null: as their first call shows
    Column("channel_policy", Text, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Column("closed_at", UtcMillis),
    Column("closed_why", Text),  # null: the platform asked; else who took it, e.g. recycled
    Column("ttl_from", Text, nullable=False),
    Column("ttl_s", BigInteger, nullable=False),
    Column("hard_expires_at", UtcMillis),  # calls extend it no further
    Column("last_call_at", UtcMillis),
    Column("noticed_at", UtcMillis),  # when its coming end was told to the platform
    Column("pair_index", LargeBinary),  # of both phones together; null where one has none
    Column("listing_number_id", Text),  # the listing number by which the caller came
    Column("conversation_held", Boolean, nullable=False),  # its conversation has no name yet
    # What analytics counted of it: its first call, by what that came, how far any call came.
    Column("contact_at", UtcMillis),
    Column("contact_variant", Text),
    Column("contact_reached", Integer),
    Index(None, "conversation_id", "id"),
    Index(None, "pair_index", "id"),
    sqlite_with_rowid=False,
)

participants = Table(
    "participants",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # 0 or 1, as the platform named them
    Column("role", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("phone_sealed", LargeBinary),
    Column("name", Text),
    Column("rating", Float),
    Column("facts", Json),
    Column("recording_consent", Boolean),  # null: not given
    # The number of their own lease, which is chosen once: a route is read without the lease. It
    # binds nothing, and stays when the lease and the number are long gone.
    Column("number_id", RowId),
    PrimaryKeyConstraint("session_id", "position"),
    CheckConstraint("position IN (0, 1)", name="position"),
    Index(None, "user_id", "session_id"),
    sqlite_with_rowid=False,
)

leases = Table(
    "leases",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),  # the participant's
    Column("slot", Integer, nullable=False),  # 0: their own phone; 1 and up: enrolled ones
    Column("number_id", RowId, ForeignKey("numbers.id"), nullable=False),
    Column("phone_index", LargeBinary, nullable=False),
    Column("extension", Text, nullable=False),  # digits that follow the number; "" where none do
    Column("pin", Text),  # by which another phone may call as this participant
    Column("once", Boolean, nullable=False),  # an enrolled phone that is good for one call
    Column("since", UtcMillis, nullable=False),
    Column("why", Json),  # how the number was chosen
    Column("expires_at", UtcMillis, nullable=False),
    Column("reserved_until", UtcMillis, nullable=False),
    # Live or cooling. It stays true after `reserved_until` until somebody wants the place or the
    # sweep comes by: the index below then errs on the safe side only.
    Column("active", Boolean, nullable=False),
    PrimaryKeyConstraint("session_id", "position", "slot"),
    sqlite_with_rowid=False,
)

_ACTIVE_IN_SQLITE = leases.c.active == literal_column("1")  # as queries spell it: SQLite compares

# The rule of the house: of the leases that live or cool down, no two share proxy number and phone
# (and extension, where the pool had to share a number out).
# The phone comes first, so that the same index finds all numbers that a participant holds.
Index(
    "uq_leases_live_or_cooling",
    leases.c.phone_index,
    leases.c.number_id,
    leases.c.extension,
    unique=True,
    sqlite_where=_ACTIVE_IN_SQLITE,
    postgresql_where=leases.c.active,
)
# What a phone holds is read for every session that is opened for it. With hundreds of sessions the
# rows lie on as many pages, and to read them takes SQLite as long as to write the new one; this
# index tells it all, `active` too, without which SQLite would not take it for enough.
Index(
    "ix_leases_held",
    *leases.c[
        "phone_index",
        "number_id",
        "extension",
        "slot",
        "since",
        "expires_at",
        "reserved_until",
        "active",
    ],
    sqlite_where=_ACTIVE_IN_SQLITE,
    info={"dialect": "sqlite"},
).ddl_if(dialect="sqlite")
Index(  # whom a late caller used to reach
    "ix_leases_over",
    leases.c.phone_index,
    leases.c.number_id,
    sqlite_where=~leases.c.active,
    postgresql_where=~leases.c.active,
)
Index(
    "ix_leases_active_reserved_until",
    leases.c.reserved_until,
    sqlite_where=_ACTIVE_IN_SQLITE,
    postgresql_where=leases.c.active,
)

Index(  # whom a PIN means
    "uq_leases_pin",
    leases.c.number_id,
    leases.c.pin,
    unique=True,
    sqlite_where=and_(_ACTIVE_IN_SQLITE, leases.c.pin.is_not(None)),
    postgresql_where=and_(leases.c.active, leases.c.pin.is_not(None)),
)
Index(  # whose coming end is to be told
    "ix_sessions_unnoticed",
    sessions.c.pool,
    sessions.c.expires_at,
    sqlite_where=and_(sessions.c.closed_at.is_(None), sessions.c.noticed_at.is_(None)),
    postgresql_where=and_(sessions.c.closed_at.is_(None), sessions.c.noticed_at.is_(None)),
)

Index(  # what was ever opened about a listing
    "ix_sessions_listing",
    sessions.c.listing_id,
    sessions.c.id,
    sqlite_where=sessions.c.listing_id.is_not(None),
    postgresql_where=sessions.c.listing_id.is_not(None),
)

blocks = Table(
    "blocks",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("user_id", Text, nullable=False),
    Column("blocked_user_id", Text, nullable=False),
    Column("reason", Text),
    Column("created_at", UtcMillis, nullable=False),
    UniqueConstraint("user_id", "blocked_user_id"),
    Index(None, "blocked_user_id"),
    sqlite_autoincrement=True,
)
