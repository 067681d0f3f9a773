"""Tables of how personal data is looked after: vault rotations, erasures, what was let go by time.

`erasures` holds whom it is about only sealed, and only for as long as it is being carried out; what
stays is a keyed digest (`subject`), which says to who already knows the person that they were
erased, and nothing else.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from storage.columns import Json, JsonOrNull, RowId, UtcMillis
from storage.schema.base import metadata

vault_readers = Table(  # processes that hold the vault's keys: nobody seals with what one lacks
    "vault_readers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("node", Text),  # whose event files it reads; null: none
    Column("knows", Json, nullable=False),  # ids of the sealing keys it can open with
    Column("uses", Integer, nullable=False),  # the one it seals with
    # Of unread rows of the node's event files: which keys sealed what they hold. Null: not looked.
    Column("on_disk", JsonOrNull),
    Column("seen_at", UtcMillis, nullable=False),
    sqlite_with_rowid=False,
)

vault_rotations = Table(  # a new sealing key, and how far all that was sealed before is resealed
    "vault_rotations",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("to_key", Integer, nullable=False),
    Column("state", Text, nullable=False),  # `storage.rotation.State`
    Column("at_column", Integer, nullable=False),  # of the list of sealed columns
    Column("after", JsonOrNull),  # primary key of the last row looked at; null: none yet
    Column("pass_found", BigInteger, nullable=False),  # sealed with another key, in this pass
    Column("passes", Integer, nullable=False),  # whole ones
    Column("looked_at", BigInteger, nullable=False),  # sealed values, over all passes
    Column("resealed", BigInteger, nullable=False),
    Column("broken", BigInteger, nullable=False),  # that none of our keys opens; left as they are
    Column("waits_for", Text),  # what keeps it from going on, for people
    Column("proof", JsonOrNull),  # of each sealed column how many values the last pass counted
    Column("started_at", UtcMillis, nullable=False),
    Column("state_at", UtcMillis, nullable=False),  # since when it is in its state
    Column("finished_at", UtcMillis),
    sqlite_autoincrement=True,
)

erasures = Table(  # a person erased; also the receipt
    "erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", LargeBinary, nullable=False),  # keyed digest of the user id or phone
    Column("person_sealed", LargeBinary),  # `storage.people.Person`; null: it is over
    Column("state", Text, nullable=False),  # `storage.erasure.State`
    Column("step", Integer, nullable=False),
    Column("after", JsonOrNull),  # how far in the step
    Column("counts", Json, nullable=False),  # what was erased, by kind
    Column("asked_by", Text),  # id of the API key
    Column("requested_at", UtcMillis, nullable=False),
    Column("finished_at", UtcMillis),
    # What was written of the person before and comes in later, from a node's event file, is erased
    # as well, until then.
    Column("watch_until", UtcMillis),
    Index(None, "subject", "requested_at"),
    Index(None, "state"),
    sqlite_with_rowid=False,
)

retention_cursors = Table(  # how far each kind was let go: what is before it need not be read again
    "retention_cursors",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("after", Text, nullable=False),
    sqlite_with_rowid=False,
)

retention_days = Table(  # what was let go by time, in figures
    "retention_days",
    metadata,
    Column("kind", Text, nullable=False),
    Column("day", Integer, nullable=False),  # since 1970, UTC
    Column("removed", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "day"),
    sqlite_with_rowid=False,
)
