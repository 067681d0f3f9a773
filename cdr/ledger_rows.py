"""The chains in the database: a place for each record, heads of days, days that are let go.

Whoever takes places must hold the node's turn (`staging.take_turn`, `staging.hold_turn`): two who
took the same place would undo each other's batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update

from cdr import ledger
from storage.dialect import insert_for
from storage.prepared import Prepared
from storage.schema import call_versions, calls, ledger_days, marks
from storage.vault import Vault

NO_PLACE: Final[Mapping[str, Any]] = {
    "ledger_day": None,
    "ledger_seq": None,
    "ledger_form": None,
    "ledger_hash": None,
    "ledger_personal": None,
    "ledger_openings": None,
}
_LAST: Final = Prepared(
    select(*ledger_days.c["day", "calls", "head"])
    .where(ledger_days.c.node == bindparam("of_node"))
    .order_by(ledger_days.c.day.desc())
    .limit(1)
)
_BEFORE_LEDGER: Final = "calls_before_ledger"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a day's chain stands."""

    node: str
    day: int  # days since 1970, UTC
    calls: int
    head: bytes
    previous: bytes
    retired_at: datetime | None = None


def sealed(vault: Vault, rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], bytes]]:
    """The rows of `records.row_of`, now with what the ledger keeps of each; and their links.

    Their places are given by `place`. Callers' seals must open (`vault` made them).
    """
    salts = vault.salts(len(ledger.Group) * len(rows))
    each = len(salts) // len(rows) if rows else 0
    done = []
    for n, row in enumerate(rows):
        phone = row["caller_sealed"]
        made = ledger.seal(
            row,
            None if phone is None else vault.open(phone),
            salts[n * each : (n + 1) * each],
            vault.commitment,
        )
        row["ledger_form"] = ledger.FORM
        row["ledger_personal"] = made.personal
        row["ledger_openings"] = made.openings
        done.append((row, made.link))
    return done


def place(
    conn: Connection,
    node: str,
    today: int,
    rows: Iterable[tuple[dict[str, Any], bytes]],
) -> list[dict[str, Any]]:
    """The rows of `sealed`, each now with its place in the node's chain; its head is moved on.

    A chain's day never goes back, whatever the clock does. May be run again after a roll-back.
    """
    found = _LAST.rows(conn, {"of_node": node})
    last = found[0] if found else None
    if last is not None and last.day >= today:
        day, seq, head = last.day, last.calls, last.head
        previous = None
    else:
        day, seq = today, 0
        previous = b"" if last is None else last.head
        head = ledger.genesis(node, day, previous)
    done = []
    for row, link in rows:
        seq += 1
        head = ledger.hash_of(head, seq, link)
        row["ledger_day"] = day
        row["ledger_seq"] = seq
        row["ledger_hash"] = head
        done.append(row)
    if done:
        _move_head(conn, Head(node, day, seq, head, previous or b""), new=previous is not None)
    return done


def _move_head(conn: Connection, to: Head, *, new: bool) -> None:
    at = {"of_node": to.node, "of_day": to.day}
    if new:
        values = {"node": to.node, "day": to.day, "previous": to.previous, "retired_at": None}
        conn.execute(ledger_days.insert(), values | {"calls": to.calls, "head": to.head})
    else:
        conn.execute(_MOVE, at | {"to_calls": to.calls, "to_head": to.head})


_MOVE: Final = (
    update(ledger_days)
    .where(ledger_days.c.node == bindparam("of_node"), ledger_days.c.day == bindparam("of_day"))
    .values(calls=bindparam("to_calls"), head=bindparam("to_head"))
)


def heads(conn: Connection, *, node: str | None = None, day: int | None = None) -> list[Head]:
    """The heads of all chains, or of one node's, or of one day's; by node and day."""
    query = select(ledger_days).order_by(ledger_days.c.node, ledger_days.c.day)
    if node is not None:
        query = query.where(ledger_days.c.node == node)
    if day is not None:
        query = query.where(ledger_days.c.day == day)
    return [
        Head(row.node, row.day, row.calls, row.head, row.previous, row.retired_at)
        for row in conn.execute(query)
    ]


def chains_with_records(conn: Connection) -> set[tuple[str, int]]:
    """Node and day of every chain that any record claims to be of."""
    return {
        (row.node, row.ledger_day)
        for table in (calls, call_versions)
        for row in conn.execute(
            select(table.c.node, table.c.ledger_day)
            .where(table.c.ledger_day.is_not(None))
            .distinct()
        )
    }


def before_ledger(conn: Connection) -> tuple[int, int]:
    """How many records there were before there were chains: noted then, and found now."""
    kept = conn.execute(select(marks.c.value).where(marks.c.name == _BEFORE_LEDGER)).scalar()
    found = sum(
        conn.execute(
            select(func.count()).select_from(table).where(table.c.ledger_day.is_(None))
        ).scalar_one()
        for table in (calls, call_versions)
    )
    return 0 if kept is None else int.from_bytes(kept, "big"), found


def retire(conn: Connection, before_day: int, now: datetime) -> int:
    """Say of all days before `before_day` that their records are no longer kept; how many days.

    Only then may records be deleted: all of these days, in pieces of any size.
    """
    return conn.execute(
        update(ledger_days)
        .where(ledger_days.c.day < before_day, ledger_days.c.retired_at.is_(None))
        .values(retired_at=now)
    ).rowcount


def insert_versions(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep superseded versions."""
    if rows:
        conn.execute(insert_for(conn, call_versions), rows)
