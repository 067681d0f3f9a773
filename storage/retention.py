"""What is let go by time: each kind after its term, in small works, counted by day.

Nothing here breaks a chain: of call records only what is personal goes, and whole days of the
ledger are the business of `cdr.ledger_rows`. Each kind remembers how far it is, so that what was
let go is not read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, or_, select, update

from storage import call_notes, sip_messages
from storage.columns import from_ms
from storage.dialect import insert_for
from storage.schema import (
    call_log_entries,
    calls,
    history_entries,
    leases,
    listing_numbers,
    participants,
    retention_cursors,
    retention_days,
    sessions,
    shown_numbers,
    unanswered_runs,
)

_DAY: Final = timedelta(days=1)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long each kind is kept. Zero: for good."""

    sessions: timedelta = timedelta(days=400)  # after they ended
    history: timedelta = timedelta(days=400)
    call_log: timedelta = timedelta(days=400)
    caller_phones: timedelta = timedelta(days=90)  # of calls that no session knew
    records: timedelta = timedelta(days=1100)  # who was on a call, and in what conversation
    sip: timedelta = timedelta(days=7)  # messages of calls


DEFAULT_TERMS: Final = Terms()


def kinds(terms: Terms) -> tuple[tuple[str, timedelta, Work], ...]:
    """Every kind with its term. A session stays as long as its history: it says whose that is."""
    sessions_term = terms.sessions and terms.history and max(terms.sessions, terms.history)
    return (
        ("caller_phones", terms.caller_phones, caller_phones),
        ("people_of_calls", terms.records, people_of_calls),
        ("history", terms.history, old_history),
        ("call_log", terms.call_log, old_log),
        ("sessions", sessions_term, old_sessions),
        ("listing_numbers", sessions_term, old_listings),
        ("sip_messages", terms.sip, sip_messages.old),
    )


Work = Callable[[Connection, datetime, str, int], tuple[int, str | None, int]]
"""Before when, after which place, how many at most: looked at, where to go on, let go."""


def let_go(
    conn: Connection, kind: str, term: timedelta, work: Work, now: datetime, *, at_most: int
) -> int:
    """Do a work of `kind`, keep its place and count it; says how many rows it looked at."""
    if not term:
        return 0
    cursor = retention_cursors.c
    after = conn.scalar(select(cursor.after).where(cursor.kind == kind)) or ""
    looked, place, removed = work(conn, now - term, after, at_most)
    if place is not None and place != after:
        insert = insert_for(conn, retention_cursors)
        conn.execute(
            insert.on_conflict_do_update(
                index_elements=["kind"], set_={"after": insert.excluded.after}
            ),
            {"kind": kind, "after": place},
        )
    count(conn, kind, removed, now)
    return looked


def count(conn: Connection, kind: str, removed: int, now: datetime) -> None:
    """Count what was let go on this day."""
    if not removed:
        return
    insert = insert_for(conn, retention_days)
    conn.execute(
        insert.on_conflict_do_update(
            index_elements=["kind", "day"],
            set_={"removed": retention_days.c.removed + insert.excluded.removed},
        ),
        {"kind": kind, "day": (now - _FIRST) // _DAY, "removed": removed},
    )


def figures(conn: Connection, *, days: int, now: datetime) -> list[tuple[str, int, int]]:
    """Kind, day since 1970 and how many, of the last days, the newest first."""
    row = retention_days.c
    query = (
        select(row.kind, row.day, row.removed)
        .where(row.day > (now - _FIRST) // _DAY - days)
        .order_by(row.day.desc(), row.kind)
    )
    return [(kind, day, removed) for kind, day, removed in conn.execute(query)]


def caller_phones(
    conn: Connection, before: datetime, after: str, at_most: int
) -> tuple[int, str | None, int]:
    """Phones of callers whom no session knew. The record's digest goes with them."""
    return _of_calls(conn, before, after, at_most, _no_phone)


def _no_phone(conn: Connection, row: Any) -> bool:  # noqa: ANN401 (a Row)
    """Says whether there was one. What a user id says of the same caller goes too: one digest."""
    if row.caller_sealed is None and row.caller_index is None:
        return False
    if row.caller_user_id is not None:  # known by a session: kept as long as its people
        return False
    values = {"caller_sealed": None, "caller_index": None}
    _erase(conn, row, values, 0b001)
    return True


def people_of_calls(
    conn: Connection, before: datetime, after: str, at_most: int
) -> tuple[int, str | None, int]:
    """Who was on a call, which conversation it belonged to, which listing it was about."""
    return _of_calls(conn, before, after, at_most, _nobody)


_PEOPLE: Final = (
    "caller_user_id",
    "caller_sealed",
    "caller_index",
    "callee_user_id",
    "conversation_id",
    "listing_id",
    "listing_title",
)


def _nobody(conn: Connection, row: Any) -> bool:  # noqa: ANN401 (a Row)
    call_notes.forget(conn, (row.call_id,))
    sip_messages.forget(conn, (row.call_id,))
    if all(getattr(row, name) is None for name in _PEOPLE):
        return False
    _erase(conn, row, dict.fromkeys(_PEOPLE), 0b111)
    return True


def _erase(conn: Connection, row: Any, values: dict[str, Any], groups: int) -> None:  # noqa: ANN401
    """`groups`: a bit for each third of the openings, as `cdr.ledger.Group` has them."""
    openings: bytes | None = row.ledger_openings
    if openings is not None:
        size = len(openings) // 3
        thirds = [openings[n * size : (n + 1) * size] for n in range(3)]
        values["ledger_openings"] = b"".join(
            bytes(size) if groups & (1 << n) else third for n, third in enumerate(thirds)
        )
    conn.execute(update(calls).where(calls.c.call_id == row.call_id).values(values))


def _of_calls(
    conn: Connection,
    before: datetime,
    after: str,
    at_most: int,
    work: Callable[[Connection, Any], bool],
) -> tuple[int, str | None, int]:
    """Calls in the order in which they were offered, each once."""
    at, call_id = _place(after)
    query = (
        select(calls)
        .where(
            calls.c.offered_at < before,
            or_(
                calls.c.offered_at > at,
                (calls.c.offered_at == at) & (calls.c.call_id > call_id),
            ),
            calls.c.offered_at >= at,
        )
        .order_by(calls.c.offered_at, calls.c.call_id)
        .limit(at_most)
    )
    rows = conn.execute(query).all()
    removed = sum(work(conn, row) for row in rows)
    if not rows:
        return 0, None, 0
    last = rows[-1]
    return (
        len(rows),
        f"{(last.offered_at - _FIRST) // timedelta(milliseconds=1)} {last.call_id}",
        removed,
    )


def _place(after: str) -> tuple[datetime, str]:
    if not after:
        return _FIRST, ""
    ms, _, call_id = after.partition(" ")
    return from_ms(int(ms)), call_id


def old_history(
    conn: Connection, before: datetime, _: str, at_most: int
) -> tuple[int, str | None, int]:
    """Entries of conversations, in the order in which they were written."""
    return _oldest(conn, history_entries, before, at_most)


def old_log(
    conn: Connection, before: datetime, _: str, at_most: int
) -> tuple[int, str | None, int]:
    """Entries of call logs, likewise."""
    return _oldest(conn, call_log_entries, before, at_most)


def _oldest(
    conn: Connection, table: Table, before: datetime, at_most: int
) -> tuple[int, str | None, int]:
    query = select(table.c.id, table.c.at).order_by(table.c.id).limit(at_most)
    old = [row.id for row in conn.execute(query) if row.at < before]
    if old:
        conn.execute(delete(table).where(table.c.id.in_(old)))
    return len(old), None, len(old)


def old_sessions(
    conn: Connection, before: datetime, after: str, at_most: int
) -> tuple[int, str | None, int]:
    """Sessions that were over before then and whose numbers have rested, with their people.

    Ids sort by time. Behind the last one that is old enough it begins again at the first, for some
    live long.
    """
    query = (
        select(sessions.c.id, sessions.c.expires_at, sessions.c.closed_at, sessions.c.created_at)
        .where(sessions.c.id > after)
        .order_by(sessions.c.id)
        .limit(at_most)
    )
    rows = conn.execute(query).all()
    young = next((n for n, row in enumerate(rows) if row.created_at >= before), len(rows))
    over = [row.id for row in rows[:young] if (row.closed_at or row.expires_at) < before]
    if over:
        resting = set(
            conn.scalars(
                select(leases.c.session_id).where(
                    leases.c.session_id.in_(over), leases.c.reserved_until >= before
                )
            )
        )
        over = [one for one in over if one not in resting]
    for table, column in (
        (unanswered_runs, unanswered_runs.c.session_id),
        (leases, leases.c.session_id),
        (participants, participants.c.session_id),
        (sessions, sessions.c.id),
    ):
        if over:
            conn.execute(delete(table).where(column.in_(over)))
    ended = young < at_most
    place = "" if ended else rows[-1].id
    return (0 if ended else len(rows)), place, len(over)


def old_listings(
    conn: Connection, before: datetime, after: str, at_most: int
) -> tuple[int, str | None, int]:
    """Listing numbers that were over before then, with what they showed; like `old_sessions`."""
    row_ = listing_numbers.c
    query = (
        select(row_.id, row_.expires_at, row_.closed_at, row_.created_at)
        .where(row_.id > after)
        .order_by(row_.id)
        .limit(at_most)
    )
    rows = conn.execute(query).all()
    young = next((n for n, row in enumerate(rows) if row.created_at >= before), len(rows))
    over = [row.id for row in rows[:young] if (row.closed_at or row.expires_at) < before]
    if over:
        shown = shown_numbers.c
        active = set(
            conn.scalars(
                select(shown.listing_number_id).where(
                    shown.listing_number_id.in_(over), shown.free_from >= before
                )
            )
        )
        over = [one for one in over if one not in active]
    if over:
        conn.execute(delete(shown_numbers).where(shown_numbers.c.listing_number_id.in_(over)))
        conn.execute(delete(listing_numbers).where(row_.id.in_(over)))
    ended = young < at_most
    place = "" if ended else rows[-1].id
    return (0 if ended else len(rows)), place, len(over)
