"""A prepared statement gives the rows that SQLAlchemy's own way gives, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.exc import StatementError

from storage.columns import UtcMillis
from storage.database import Database
from storage.errors import ConstraintViolated, SchemaOutdated
from storage.prepared import InsertTogether, Prepared, PreparedInsert, PreparedUpdate
from storage.schema import leases, participants, sessions
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


async def test_what_is_wrong_with_the_database_is_told_in_our_words(db: Database) -> None:
    """Who asks every second goes on after a StorageError, and after nothing else."""
    nowhere = Prepared(select(Table("nowhere", MetaData(), Column("id", Integer))))
    for ask in (db.read, db.look_up, db.write):
        with pytest.raises(SchemaOutdated):
            await ask(lambda conn: nowhere.rows(conn, {}))


def _in_order(table: Table) -> Select[Any]:
    return select(table).order_by(*table.primary_key)


async def test_rows_are_inserted_as_they_would_be_otherwise(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    def rows(conn: Connection) -> list[list[dict[str, Any]]]:
        tables = (sessions, participants, leases)
        return [[dict(row._mapping) for row in conn.execute(_in_order(table))] for table in tables]

    def again(conn: Connection) -> None:
        """All that was written for the session, once more."""
        found = rows(conn)
        conn.execute(delete(sessions).where(sessions.c.id == session.id))
        for table, of_table in zip((sessions, participants, leases), found, strict=True):
            PreparedInsert(table).insert(conn, of_table)

    before = await db.read(rows)
    await db.write(again)

    assert await db.read(rows) == before
    assert all(before)


@pytest.mark.parametrize("phones", [0, 1, 2])
async def test_rows_that_belong_together_are_inserted_together(
    db: Database, vault: Vault, phones: int
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    tables = (sessions, participants, leases)

    def rows(conn: Connection) -> list[list[dict[str, Any]]]:
        return [[dict(row._mapping) for row in conn.execute(_in_order(table))] for table in tables]

    def again(conn: Connection) -> None:
        conn.execute(delete(sessions).where(sessions.c.id == session.id))
        InsertTogether(*tables).insert(conn, wanted)

    *others, both = await db.read(rows)
    wanted = [*others, both[:phones]]
    await db.write(again)

    assert await db.read(rows) == wanted
    assert len(both) == 2


async def test_what_the_database_forbids_leaves_nothing_of_what_belongs_together(
    db: Database, vault: Vault
) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    tables = (sessions, participants, leases)

    def rows(conn: Connection) -> list[list[dict[str, Any]]]:
        return [[dict(row._mapping) for row in conn.execute(_in_order(table))] for table in tables]

    def orphans(conn: Connection) -> None:
        """Participants and leases of another session than the one that comes with them."""
        first, *others = before
        conn.execute(delete(sessions).where(sessions.c.id == session.id))
        InsertTogether(*tables).insert(conn, ([first[0] | {"id": "ses_other"}], *others))

    before = await db.read(rows)
    with pytest.raises(ConstraintViolated):
        await db.write(orphans)

    assert await db.read(rows) == before
    assert before[0][0]["id"] == session.id


async def test_a_column_that_is_not_given_is_an_error(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    with pytest.raises((KeyError, StatementError, ConstraintViolated)):
        await db.write(lambda conn: PreparedInsert(sessions).insert(conn, [{"id": "ses_1"}]))


async def test_many_rows_are_updated_each_with_its_own_values(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)
    prepared = PreparedUpdate(
        update(sessions)
        .where(sessions.c.id == bindparam("wanted"))
        .values(last_call_at=bindparam("at", type_=UtcMillis()), ttl_s=bindparam("lives"))
    )
    at = session.created_at + timedelta(hours=1)

    def work(conn: Connection) -> list[Any]:
        prepared.each(conn, [])
        rows = [{"wanted": wanted, "at": at, "lives": 77} for wanted in (session.id, "ses_none")]
        prepared.each(conn, rows)
        return list(conn.execute(select(sessions.c.last_call_at, sessions.c.ttl_s)).one())

    assert await db.write(work) == [at, 77]
