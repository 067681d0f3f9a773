"""Sessions with calls, as a node itself notes them: their places are not to be taken over.

Ingesters stage calls for everybody to see; this holds also while a node's is behind or away. Only
sessions in pools that recycle are noted: nobody else asks how long a session was idle.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, or_, select, update

from masking.rules import Exhausted
from storage.columns import UtcMillis
from storage.dialect import one_of
from storage.pool_rules import read_rules
from storage.schema import pools, sessions

_RULES: Final = select(pools.c.name, pools.c.rules)
_at: Final = bindparam("at", type_=UtcMillis())
_NOTE: Final = (
    update(sessions)
    .where(
        sessions.c.id == bindparam("wanted"),
        one_of(sessions.c.pool, "recycling"),
        or_(sessions.c.last_call_at.is_(None), sessions.c.last_call_at < _at),
    )
    .values(last_call_at=_at)
)


def recycling(conn: Connection) -> frozenset[str]:
    """The pools in which a session that was idle for long may be closed for a new one."""
    return frozenset(
        row.name
        for row in conn.execute(_RULES)
        if read_rules(row.rules).numbers.exhausted is Exhausted.RECYCLE_IDLE
    )


def note(
    conn: Connection, session_ids: Collection[str], pools_of: Collection[str], at: datetime
) -> None:
    """These sessions have calls: those in these pools were not idle until `at`.

    In the order of their ids, in which all lock sessions.
    """
    common = {"recycling": sorted(pools_of), "at": at}
    rows = [{"wanted": one, **common} for one in sorted(session_ids)]
    if rows and pools_of:
        conn.execute(_NOTE, rows)
