"""Takes a person out of sessions, listing numbers, switches, credentials, blocks and counters.

Small works, each of which may be done again. What a session or a listing number still lets happen
is ended first, by the ways that end it for everybody; calls and what shows them: `cdr.erasing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    null,
    or_,
    select,
    tuple_,
    update,
)

from masking.model import Phone, Role
from storage import apps, call_tallies, endings, listings
from storage.people import Person, held_by
from storage.personal import ERASED_USER
from storage.schema import (
    app_credentials,
    app_listings,
    app_users,
    blocks,
    call_log_entries,
    call_ratings,
    call_versions,
    caller_days,
    calls,
    console_exports,
    console_views,
    dial_tries,
    leases,
    listing_numbers,
    participants,
    pool_pressure,
    sessions,
)
from storage.vault import Vault

AT_ONCE: Final = 100
_NOBODY: Final = Phone("")  # where a phone has to be sealed, and there is none


@contextmanager
def overwritten(conn: Connection) -> Iterator[None]:
    """What SQLite lets go of inside is overwritten with zeros, not only forgotten."""
    if conn.dialect.name != "sqlite":
        yield
        return
    conn.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        conn.exec_driver_sql("PRAGMA secure_delete=OFF")


def open_sessions(conn: Connection, person: Person, now: datetime, at_most: int) -> list[str]:
    """Some of their sessions that are not over."""
    query = (
        select(participants.c.session_id)
        .join(sessions, sessions.c.id == participants.c.session_id)
        .where(
            participants.c.user_id.in_(person.user_ids),
            sessions.c.closed_at.is_(None),
            sessions.c.expires_at > now,
        )
        .limit(at_most)
    )
    return list(conn.scalars(query))


def open_listings(conn: Connection, person: Person, now: datetime, at_most: int) -> list[str]:
    """Some of their listing numbers that are not over."""
    query = select(listing_numbers.c.id).where(
        listing_numbers.c.user_id.in_(person.user_ids),
        listing_numbers.c.closed_at.is_(None),
        listing_numbers.c.expires_at > now,
    )
    return list(conn.scalars(query.limit(at_most)))


def end(conn: Connection, person: Person, now: datetime, at_most: int = 20) -> Counter[str]:
    """End some of what still lets calls through; nothing is counted once all is over."""
    counts: Counter[str] = Counter()
    for session_id in open_sessions(conn, person, now, at_most):
        endings.close(conn, session_id, now)
        counts["sessions_closed"] += 1
    for listing_id in open_listings(conn, person, now, at_most):
        listings.close(conn, listing_id, now)
        counts["listing_numbers_closed"] += 1
    return counts


def revoke(conn: Connection, person: Person, now: datetime) -> tuple[str, ...]:
    """End their devices' credentials; those that were live until now."""
    return tuple(name for user in person.user_ids for name in apps.revoke(conn, user, None, now))


def from_sessions(conn: Connection, person: Person, at_most: int = AT_ONCE) -> Counter[str]:
    """Take them out of some sessions: id, phone, card, leases, and what pairs count."""
    counts: Counter[str] = Counter()
    side = participants.c
    found = conn.execute(
        select(side.session_id, side.position, side.role, side.user_id)
        .where(side.user_id.in_(person.user_ids))
        .limit(at_most)
    ).all()
    if not found:
        return counts
    _forget_pairs(conn, [(row.session_id, row.position, row.user_id) for row in found])
    places = [{"of_session": row.session_id, "at": row.position} for row in found]
    conn.execute(
        delete(leases).where(
            leases.c.session_id == bindparam("of_session"), leases.c.position == bindparam("at")
        ),
        places,
    )
    # Facts as SQL's null, not JSON's.
    nobody = {
        "user_id": ERASED_USER,
        "phone_sealed": None,
        "name": None,
        "rating": None,
        "facts": null(),
        "number_id": None,
    }
    conn.execute(
        update(participants)
        .where(side.session_id == bindparam("of_session"), side.position == bindparam("at"))
        .values(nobody),
        places,
    )
    ids = sorted({row.session_id for row in found})
    conn.execute(update(sessions).where(sessions.c.id.in_(ids)).values(pair_index=None))
    owned = sorted({row.session_id for row in found if row.role == Role.SELLER})
    if owned:
        titles = update(sessions).where(sessions.c.id.in_(owned))
        conn.execute(titles.values(listing_title=None))
    counts["sessions"] = len(ids)
    return counts


def from_listings(
    conn: Connection, vault: Vault, person: Person, at_most: int = AT_ONCE
) -> Counter[str]:
    """Take them out of some of their listing numbers, which are over."""
    ids = list(
        conn.scalars(
            select(listing_numbers.c.id)
            .where(listing_numbers.c.user_id.in_(person.user_ids))
            .limit(at_most)
        )
    )
    if not ids:
        return Counter()
    nobody = {
        "user_id": ERASED_USER,
        "phone_sealed": vault.seal(_NOBODY),
        "phone_index": vault.index(_NOBODY),
        "name": None,
        "rating": None,
        "facts": null(),
        "listing_title": None,
    }
    conn.execute(update(listing_numbers).where(listing_numbers.c.id.in_(ids)).values(nobody))
    return Counter(listing_numbers=len(ids))


def from_the_rest(conn: Connection, person: Person, now: datetime) -> Counter[str]:
    """Delete what is theirs alone: switches, credentials' owners, blocks, ratings, counters."""
    users, indexes = person.user_ids, person.indexes
    gone = {
        "blocks": _delete(
            conn, blocks, or_(blocks.c.user_id.in_(users), blocks.c.blocked_user_id.in_(users))
        ),
        "switches": _delete(conn, app_users, app_users.c.user_id.in_(users))
        + _delete(conn, app_listings, app_listings.c.user_id.in_(users)),
        "ratings": _delete(conn, call_ratings, call_ratings.c.user_id.in_(users)),
        "counters": _delete(conn, dial_tries, dial_tries.c.caller_index.in_(indexes))
        + _delete(conn, caller_days, caller_days.c.phone_index.in_(indexes))
        + _delete(
            conn,
            pool_pressure,
            or_(pool_pressure.c.phone_index.in_(indexes), pool_pressure.c.user_id.in_(users)),
        )
        + sum(call_tallies.forget_caller(conn, one) for one in users),
        "console_views": _delete(conn, console_views, console_views.c.user_id.in_(users))
        + _delete(conn, console_exports, console_exports.c.user_id.in_(users)),
        "enrolled_phones": sum(_delete(conn, leases, one) for one in held_by(indexes)),
    }
    owner = app_credentials.c.user_id.in_(users)
    # They were ended before; without a time to come they are swept as all others are.
    nobody = {"user_id": ERASED_USER, "device": None, "expires_at": now}
    gone["credentials"] = conn.execute(update(app_credentials).where(owner).values(nobody)).rowcount
    return Counter({name: count for name, count in gone.items() if count})


def left(conn: Connection, person: Person) -> dict[str, int]:
    """What indexes still find of them, by kind; empty: nothing."""
    users, indexes = person.user_ids, person.indexes
    found = {
        "sessions": _count(conn, participants, participants.c.user_id.in_(users)),
        "leases": sum(_count(conn, leases, one) for one in held_by(indexes)),
        "listing_numbers": _count(conn, listing_numbers, listing_numbers.c.user_id.in_(users)),
        "calls": _count(
            conn,
            calls,
            or_(calls.c.caller_user_id.in_(users), calls.c.callee_user_id.in_(users)),
        )
        + _count(conn, calls, calls.c.caller_index.in_(indexes)),
        "call_versions": _count(conn, call_versions, _of_their_calls(users, indexes)),
        "call_log": _count(conn, call_log_entries, call_log_entries.c.user_id.in_(users)),
        "blocks": _count(
            conn, blocks, or_(blocks.c.user_id.in_(users), blocks.c.blocked_user_id.in_(users))
        ),
        "ratings": _count(conn, call_ratings, call_ratings.c.user_id.in_(users)),
        "credentials": _count(conn, app_credentials, app_credentials.c.user_id.in_(users)),
        "switches": _count(conn, app_users, app_users.c.user_id.in_(users)),
        "console_views": _count(conn, console_views, console_views.c.user_id.in_(users))
        + _count(conn, console_exports, console_exports.c.user_id.in_(users)),
    }
    return {name: count for name, count in found.items() if count}


def _of_their_calls(users: Sequence[str], indexes: Sequence[bytes]) -> ColumnElement[bool]:
    """Versions that name them, of calls that do: versions have no index of people."""
    here, there = (
        or_(
            table.c.caller_user_id.in_(users),
            table.c.callee_user_id.in_(users),
            table.c.caller_index.in_(indexes),
        )
        for table in (call_versions, calls)
    )
    return and_(call_versions.c.call_id.in_(select(calls.c.call_id).where(there)), here)


def _forget_pairs(conn: Connection, sides: Sequence[tuple[str, int, str]]) -> None:
    side = participants.c
    wanted = [(session_id, 1 - position) for session_id, position, _ in sides]
    query = select(side.session_id, side.user_id).where(
        # By index: pairs alone SQLite looks for nowhere.
        side.session_id.in_(sorted({session_id for session_id, _ in wanted})),
        tuple_(side.session_id, side.position).in_(wanted),
    )
    others = {row.session_id: row.user_id for row in conn.execute(query)}
    for session_id, _, user in sides:
        if session_id in others:
            call_tallies.forget_pair(conn, user, others[session_id])


def _delete(conn: Connection, table: Table, which: Any) -> int:  # noqa: ANN401 (a condition)
    return conn.execute(delete(table).where(which)).rowcount


def _count(conn: Connection, table: Table, which: Any) -> int:  # noqa: ANN401 (a condition)
    return conn.execute(select(func.count()).select_from(table).where(which)).scalar_one()
