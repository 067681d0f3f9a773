"""Tables of counters: what was shown, called and heard, by hours, and of older days by days.

Nobody is in them: no user, no phone, no call. A row's `hour` counts from 1970, UTC; once its day is
rolled up, the day's first hour stands for all of it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text

from storage.schema.base import metadata

funnel_contacts = Table(  # sessions in which somebody called, at their first call; and what is told
    "funnel_contacts",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("variant", Text, nullable=False),
    Column("category", Text, nullable=False),  # "" where none was given
    Column("shown", BigInteger, nullable=False),  # numbers shown, as the platform told
    Column("pressed", BigInteger, nullable=False),  # Call pressed, as the platform told
    Column("called", BigInteger, nullable=False),
    Column("rang", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
    Column("talked", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "variant", "category"),
    sqlite_with_rowid=False,
)

funnel_calls = Table(  # calls of known sessions
    "funnel_calls",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("variant", Text, nullable=False),
    Column("came_by", Text, nullable=False),
    Column("channel", Text, nullable=False),  # the callee's; "" where nobody was tried
    Column("category", Text, nullable=False),
    Column("called", BigInteger, nullable=False),
    Column("rang", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
    Column("talked", BigInteger, nullable=False),
    Column("talk_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "variant", "came_by", "channel", "category"),
    sqlite_with_rowid=False,
)

funnel_categories = Table(  # those that a day counts by name; all others are one
    "funnel_categories",
    metadata,
    Column("day", Integer, nullable=False),  # since 1970, UTC
    Column("category", Text, nullable=False),
    PrimaryKeyConstraint("day", "category"),
    sqlite_with_rowid=False,
)

traffic = Table(  # seizures of trunks, and of apps together
    "traffic",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("trunk", Text, nullable=False),  # "" for apps
    Column("direction", Text, nullable=False),  # in, out
    Column("seizures", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
    Column("effective", BigInteger, nullable=False),  # the network did its part
    Column("talk_ms", BigInteger, nullable=False),
    Column("delays", BigInteger, nullable=False),  # seizures that rang or were answered
    Column("delay_ms", BigInteger, nullable=False),
    Column("scores", BigInteger, nullable=False),  # legs of which RTCP told
    Column("score_sum", BigInteger, nullable=False),  # hundredths of MOS
    PrimaryKeyConstraint("hour", "node", "trunk", "direction"),
    sqlite_with_rowid=False,
)

traffic_spread = Table(  # how delays and scores are spread
    "traffic_spread",
    metadata,
    Column("hour", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("measure", Text, nullable=False),  # delay, score
    Column("bucket", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "node", "trunk", "direction", "measure", "bucket"),
    sqlite_with_rowid=False,
)
