"""Takes a person out of what is kept of calls: records, histories, call logs, notices, recordings.

Small works, each over some rows in the order of an index; every one may be done again. Records keep
their places in the chain: what is personal in them becomes null, and the salts of its digests are
destroyed (`cdr.ledger`), so that the chain verifies and nobody can tell what they held.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    RowMapping,
    Table,
    and_,
    bindparam,
    delete,
    or_,
    select,
    tuple_,
    update,
)

from cdr import ledger
from cdr.ledger import Group
from cdr.without import without
from masking.model import Role
from storage import call_notes, json_text, sip_messages
from storage.people import Person
from storage.schema import (
    call_log_entries,
    call_ratings,
    call_versions,
    calls,
    history_entries,
    idempotency_keys,
    outbox,
    sessions,
)

AT_ONCE: Final = 100  # calls in one work
_NOBODY: Final[dict[str, Any]] = {"name": None, "rating": None, "facts": [], "erased": True}
SCANNED: Final = 1000  # rows of what has no index by user, in one work


def calls_of(conn: Connection, user_ids: Collection[str], at_most: int = AT_ONCE) -> list[str]:
    """Some calls that still name one of these users."""
    found: dict[str, None] = {}
    for side in (calls.c.caller_user_id, calls.c.callee_user_id):
        query = select(calls.c.call_id).where(side.in_(sorted(user_ids))).limit(at_most)
        found.update(dict.fromkeys(conn.scalars(query)))
    return list(found)[:at_most]


def calls_from(conn: Connection, indexes: Collection[bytes], at_most: int = AT_ONCE) -> list[str]:
    """Some calls of these phones that nobody's session knew."""
    query = select(calls.c.call_id).where(calls.c.caller_index.in_(sorted(indexes)))
    return list(conn.scalars(query.limit(at_most)))


def versions_of(
    conn: Connection, person: Person, after: Sequence[Any] | None, at_most: int = SCANNED
) -> tuple[list[Any] | None, list[str]]:
    """Calls of which some superseded versions name them; where to go on (None: over).

    What `calls_of` and `calls_from` find has its versions with it. This is for those of calls that
    name them no more.
    """
    key = (call_versions.c.call_id, call_versions.c.version)
    people = call_versions.c["caller_user_id", "callee_user_id", "caller_index"]
    query = select(*key, *people).order_by(*key).limit(at_most)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    users, theirs = {*person.user_ids}, dict[str, None]()
    for looked, row in enumerate(conn.execute(query).all(), 1):
        if {row.caller_user_id, row.callee_user_id} & users or row.caller_index in person.indexes:
            theirs[row.call_id] = None
        if looked == at_most or len(theirs) == AT_ONCE:
            return [row.call_id, row.version], list(theirs)
    return None, list(theirs)


def calls_before(
    conn: Connection, person: Person, before: datetime, at_most: int = AT_ONCE
) -> list[str]:
    """Some calls that still name them and were offered at or before a moment."""
    theirs = (
        calls.c.caller_user_id.in_(person.user_ids),
        calls.c.callee_user_id.in_(person.user_ids),
        calls.c.caller_index.in_(person.indexes),
    )
    found: dict[str, None] = {}
    for which in theirs:
        query = select(calls.c.call_id).where(which, calls.c.offered_at <= before)
        found.update(dict.fromkeys(conn.scalars(query.limit(at_most))))
    return list(found)[:at_most]


def log_of_calls(conn: Connection, user_ids: Collection[str], call_ids: Collection[str]) -> int:
    """Delete their own entries of these calls; how many."""
    entry = call_log_entries.c
    key = tuple_(entry.user_id, entry.call_id)
    places = [(user, call) for user in sorted(user_ids) for call in sorted(call_ids)]
    by_call = entry.call_id.in_(sorted(call_ids))  # by index: pairs alone SQLite looks for nowhere
    return conn.execute(delete(call_log_entries).where(by_call, key.in_(places))).rowcount


def from_calls(
    conn: Connection,
    call_ids: Sequence[str],
    user_ids: Collection[str],
    indexes: Collection[bytes],
) -> Counter[str]:
    """Take them out of these calls and of all that shows them; what was changed, by kind."""
    counts: Counter[str] = Counter()
    found = conn.execute(select(calls).where(calls.c.call_id.in_(call_ids)))
    rows = found.mappings().all()
    for row in rows:
        groups = _groups(row, user_ids, indexes)
        if groups:
            _take_out(conn, calls, (calls.c.call_id,), row, groups)
            counts["calls"] += 1
    counts["history_entries"] += _histories(conn, rows, user_ids)
    counts["call_log_cards"] += _cards(conn, rows, user_ids)
    versions = select(call_versions).where(call_versions.c.call_id.in_(call_ids))
    for row in conn.execute(versions).mappings().all():
        groups = _groups(row, user_ids, indexes)
        if groups:
            key = (call_versions.c.call_id, call_versions.c.version)
            _take_out(conn, call_versions, key, row, groups)
            counts["call_versions"] += 1
    mine = and_(call_ratings.c.call_id.in_(call_ids), call_ratings.c.user_id.in_(sorted(user_ids)))
    counts["ratings"] += conn.execute(delete(call_ratings).where(mine)).rowcount
    counts["notes"] += call_notes.forget(conn, call_ids)
    counts["sip_messages"] += sip_messages.forget(conn, call_ids)
    return counts


def log_of(conn: Connection, user_ids: Collection[str], at_most: int = 500) -> int:
    """Delete some of their own call logs; how many entries."""
    own = select(call_log_entries.c.id).where(call_log_entries.c.user_id.in_(sorted(user_ids)))
    gone = delete(call_log_entries).where(call_log_entries.c.id.in_(own.limit(at_most)))
    return conn.execute(gone).rowcount


def notices(
    conn: Connection, user_ids: Collection[str], after: int, at_most: int = SCANNED
) -> tuple[int | None, int]:
    """Take them out of some notices, sent or not; where to go on (None: over), how many."""
    query = select(outbox.c.id).where(outbox.c.id > after).order_by(outbox.c.id).limit(at_most)
    ids = list(conn.scalars(query))
    if not ids:
        return None, 0
    theirs = select(outbox.c.id, outbox.c.data).where(
        outbox.c.id.between(ids[0], ids[-1]), _mentions(outbox.c.data, user_ids)
    )
    changed = [
        {"wanted": row.id, "text": json_text.dumps(without(json.loads(row.data), user_ids))}
        for row in conn.execute(theirs).all()
    ]
    if changed:
        which = update(outbox).where(outbox.c.id == bindparam("wanted"))
        conn.execute(which.values(data=bindparam("text")), changed)
    return (ids[-1] if len(ids) == at_most else None), len(changed)


def answers(
    conn: Connection,
    user_ids: Collection[str],
    after: Sequence[str] | None,
    at_most: int = SCANNED,
) -> tuple[list[str] | None, int]:
    """Take them out of some answers that are kept for repeated requests, as `notices` does."""
    key = (idempotency_keys.c.key_id, idempotency_keys.c.idempotency_key)
    query = select(*key).order_by(*key).limit(at_most)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    keys = conn.execute(query).all()
    if not keys:
        return None, 0
    first, last = keys[0], keys[-1]
    theirs = select(*key, idempotency_keys.c.body).where(
        tuple_(*key) >= tuple_(*first),
        tuple_(*key) <= tuple_(*last),
        idempotency_keys.c.body.is_not(None),
        _mentions(idempotency_keys.c.body, user_ids),
    )
    changed = [
        {
            "of_key": row.key_id,
            "wanted": row.idempotency_key,
            "text": json_text.dumps(without(json.loads(row.body), user_ids)),
        }
        for row in conn.execute(theirs).all()
    ]
    if changed:
        which = update(idempotency_keys).where(
            key[0] == bindparam("of_key"), key[1] == bindparam("wanted")
        )
        conn.execute(which.values(body=bindparam("text")), changed)
    return ([*last] if len(keys) == at_most else None), len(changed)


def _mentions(column: Column[Any], user_ids: Collection[str]) -> Any:  # noqa: ANN401
    """Ids need no escapes in JSON: they stand there in quotes, as they are."""
    return or_(*(column.contains(f'"{one}"', autoescape=True) for one in sorted(user_ids)))


def _groups(
    row: RowMapping, user_ids: Collection[str], indexes: Collection[bytes]
) -> frozenset[Group]:
    """What of a record is about them. What the call was about is the seller's."""
    found: set[Group] = set()
    if row["caller_user_id"] in user_ids or row["caller_index"] in indexes:
        found.add(Group.CALLER)
    if row["callee_user_id"] in user_ids:
        found.add(Group.CALLEE)
    content = row if "caller_role" in row else json.loads(row["content"])
    for group, role in ((Group.CALLER, "caller_role"), (Group.CALLEE, "callee_role")):
        if group in found and content.get(role) == Role.SELLER:
            found.add(Group.ABOUT)
    return frozenset(found)


def _take_out(
    conn: Connection,
    table: Table,
    key: Iterable[Column[Any]],
    row: RowMapping,
    groups: frozenset[Group],
) -> None:
    values: dict[str, Any] = {name: None for group in groups for name in ledger.ERASABLE[group]}
    if row["ledger_openings"] is not None:
        values["ledger_openings"] = ledger.erased(row["ledger_openings"], groups)
    which = [column == row[column.name] for column in key]
    conn.execute(update(table).where(*which).values(values))


def _histories(conn: Connection, rows: Sequence[RowMapping], user_ids: Collection[str]) -> int:
    places = _conversations(conn, rows)
    if not places:
        return 0
    entry = history_entries.c
    key = tuple_(entry.conversation_id, entry.call_id)
    by_call = entry.call_id.in_(sorted({call for _, call in places}))  # by index
    query = select(entry.id, entry.body).where(by_call, key.in_(places))
    changed = [
        {"wanted": row.id, "new": new}
        for row in conn.execute(query).all()
        if (new := without(row.body, user_ids)) != row.body
    ]
    if changed:
        which = update(history_entries).where(entry.id == bindparam("wanted"))
        conn.execute(which.values(body=bindparam("new", type_=entry.body.type)), changed)
    return len(changed)


def _conversations(conn: Connection, rows: Sequence[RowMapping]) -> list[tuple[str, str]]:
    """Where the calls stand in histories. Where a seller was erased, only the session says it."""
    asked = {row["session_id"] for row in rows if row["conversation_id"] is None} - {None}
    query = select(sessions.c.id, sessions.c.conversation_id).where(sessions.c.id.in_(asked))
    known = {row.id: row.conversation_id for row in conn.execute(query)} if asked else {}
    return [
        (conversation, row["call_id"])
        for row in rows
        if (conversation := row["conversation_id"] or known.get(row["session_id"])) is not None
    ]


def _cards(conn: Connection, rows: Sequence[RowMapping], user_ids: Collection[str]) -> int:
    """Of the other side's entries: that a call took place stays, with whom does not."""
    places: dict[tuple[str, str], bool] = {}
    for row in rows:
        for mine, role, other in (
            (row["caller_user_id"], row["caller_role"], row["callee_user_id"]),
            (row["callee_user_id"], row["callee_role"], row["caller_user_id"]),
        ):
            if mine in user_ids and other is not None:
                places[other, row["call_id"]] = role == Role.SELLER
    if not places:
        return 0
    entry = call_log_entries.c
    key = tuple_(entry.user_id, entry.call_id)
    query = select(entry.id, entry.user_id, entry.call_id, entry.card, entry.listing)
    changed = []
    by_call = entry.call_id.in_(sorted({call for _, call in places}))  # by index
    for found in conn.execute(query.where(by_call, key.in_(list(places)))).all():
        card = {
            "role": found.card["role"],
            "name": None,
            "rating": None,
            "facts": [],
            "erased": True,
        }
        owned = places[found.user_id, found.call_id] and found.listing is not None
        listing = {**found.listing, "title": None} if owned else found.listing
        changed.append({"wanted": found.id, "new_card": card, "new_listing": listing})
    if changed:
        which = update(call_log_entries).where(entry.id == bindparam("wanted"))
        values = {
            "card": bindparam("new_card", type_=entry.card.type),
            "listing": bindparam("new_listing", type_=entry.listing.type),
        }
        conn.execute(which.values(values), changed)
    return len(changed)
