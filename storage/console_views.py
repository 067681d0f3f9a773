"""Views of the list of calls that staff keep, and the columns each of them looks at.

A view is the query of an address: it holds no phone, and who opens it sees what they may see.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from masking.ids import view_id
from storage.dialect import insert_for
from storage.errors import StorageError
from storage.schema import console_columns, console_views

MOST: Final = 50
"""Views that one account keeps."""
MOST_SHOWN: Final = 200


class TooManyViews(StorageError):
    """The account keeps as many views as it may."""

    error_id = "too_many_views"


@dataclass(frozen=True, slots=True)
class View:
    """A filter that somebody gave a name."""

    id: str
    account_id: str
    name: str
    query: str
    shared: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be kept."""

    account_id: str
    name: str
    query: str
    user_id: str | None  # that the query asks for
    shared: bool


def save(conn: Connection, draft: Draft, now: datetime, entropy: bytes) -> View:
    """Keep it in place of the account's view of the same name. Raises TooManyViews."""
    mine = console_views.c.account_id == draft.account_id
    names = set(conn.scalars(select(console_views.c.name).where(mine)))
    if draft.name not in names and len(names) >= MOST:
        raise TooManyViews
    said = {
        "query": draft.query,
        "user_id": draft.user_id,
        "shared": draft.shared,
        "updated_at": now,
    }
    new = insert_for(conn, console_views).values(
        id=view_id(now, entropy),
        account_id=draft.account_id,
        name=draft.name,
        created_at=now,
        **said,
    )
    kept = new.on_conflict_do_update(
        index_elements=[console_views.c.account_id, console_views.c.name], set_=said
    )
    return _view(conn.execute(kept.returning(*console_views.c)).one())


def of_account(conn: Connection, account_id: str) -> list[View]:
    """Their own, then those that others share, by name."""
    own = console_views.c.account_id == account_id
    query = (
        select(console_views)
        .where(or_(own, console_views.c.shared))
        .order_by(own.desc(), func.lower(console_views.c.name), console_views.c.id)
        .limit(MOST_SHOWN)
    )
    return [_view(row) for row in conn.execute(query)]


def share(conn: Connection, account_id: str, which: str, now: datetime, *, shared: bool) -> bool:
    """Show the account's own view to everybody, or no longer; says whether there is one."""
    mine = (console_views.c.id == which) & (console_views.c.account_id == account_id)
    changed = update(console_views).where(mine).values(shared=shared, updated_at=now)
    return conn.execute(changed).rowcount == 1


def remove(conn: Connection, account_id: str, which: str) -> bool:
    """Forget the account's own view; says whether there was one."""
    mine = (console_views.c.id == which) & (console_views.c.account_id == account_id)
    return conn.execute(delete(console_views).where(mine)).rowcount == 1


def columns_of(conn: Connection, account_id: str) -> tuple[str, ...] | None:
    """What they chose; None: nothing yet."""
    query = select(console_columns.c.columns).where(console_columns.c.account_id == account_id)
    found = conn.execute(query).first()
    if found is None:
        return None
    kept: Any = json.loads(found.columns) if isinstance(found.columns, str) else found.columns
    return tuple(str(one) for one in kept)


def choose_columns(
    conn: Connection, account_id: str, columns: Sequence[str], now: datetime
) -> None:
    """Keep what they choose."""
    said = {"columns": list(columns), "updated_at": now}
    new = insert_for(conn, console_columns).values(account_id=account_id, **said)
    conn.execute(
        new.on_conflict_do_update(index_elements=[console_columns.c.account_id], set_=said)
    )


def _view(row: Row[Any]) -> View:
    return View(row.id, row.account_id, row.name, row.query, row.shared, row.updated_at)
