"""A prepared statement gives the rows that SQLAlchemy's own way gives, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import StatementError

from storage.database import Database
from storage.prepared import Prepared
from storage.schema import participants, sessions
from storage.session_rows import COLUMNS, SIDES
from storage.vault import Vault
from tests.support.storage import opened, stocked

_BY_TIME = (
    select(*COLUMNS)
    .select_from(SIDES)
    .where(sessions.c.created_at > bindparam("after"), participants.c.position >= 0)
    .order_by(sessions.c.id, participants.c.position)
)


async def test_rows_are_the_same_and_of_the_same_types(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    prepared = Prepared(_BY_TIME)

    def work(conn: Connection, after: datetime) -> tuple[list[Any], list[Any]]:
        values = {"after": after}
        return list(prepared.rows(conn, values)), list(conn.execute(_BY_TIME, values))

    for back, sides in ((1, 2), (-1, 0)):
        after = session.created_at - timedelta(seconds=back)
        ours, theirs = await db.look_up(lambda conn, after=after: work(conn, after))  # type: ignore[misc]
        assert len(ours) == sides
        assert [tuple(row) for row in ours] == [tuple(row) for row in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            assert mine._fields == other._fields
            assert [type(value) for value in mine] == [type(value) for value in other]


async def test_a_parameter_that_is_not_given_is_an_error(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    with pytest.raises((KeyError, StatementError), match="after"):
        await db.look_up(lambda conn: Prepared(_BY_TIME).rows(conn, {}))
