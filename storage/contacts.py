"""Contacts: what analytics has counted of each session, kept with it.

A contact counts once at each level that it reached, in the hour of its first call. Both come out
the same in whatever order, and by however many nodes, its calls are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, bindparam, select, type_coerce, update

from masking.funnel import Contact, Level, Variant, level_of
from masking.outcome import Outcome
from storage.analytics import HOUR_MS, Cells, put
from storage.dialect import one_of
from storage.prepared import Prepared, PreparedUpdate
from storage.schema import calls, sessions

_at_ms: Final = type_coerce(sessions.c.contact_at, BigInteger).label("at_ms")
_KEPT: Final = (
    select(sessions.c.id, sessions.c.listing_category, _at_ms)
    .add_columns(sessions.c.contact_variant, sessions.c.contact_reached)
    .where(one_of(sessions.c.id, "wanted"))
    .order_by(sessions.c.id)
)
_LOCKED: Final = Prepared(_KEPT.with_for_update())
_AT_ONCE: Final = 500
_NOTE: Final = PreparedUpdate(
    update(sessions)
    .where(sessions.c.id == bindparam("of_session"))
    .values(
        contact_at=bindparam("at_ms", type_=BigInteger()),
        contact_variant=bindparam("came"),
        contact_reached=bindparam("came_to"),
    )
)
_OF_SESSION: Final = select(
    calls.c.call_id,
    type_coerce(calls.c.offered_at, BigInteger).label("at_ms"),
    *calls.c["variant", "outcome", "rang_at", "talk_ms"],
).where(calls.c.session_id == bindparam("wanted"), calls.c.variant.is_not(None))


def follow(conn: Connection, reached: Mapping[str, Contact]) -> Cells:
    """Note what calls came to that were just recorded; what changes by it in the counters.

    Locks the sessions; to be called before anything else locks some of them.
    """
    cells: Cells = {}
    changed: list[dict[str, Any]] = []
    if not reached:
        return cells
    for row in _LOCKED.rows(conn, {"wanted": sorted(reached)}):
        before, contact = _kept(row), reached[row.id]
        after = contact if before is None else before.joined(contact)
        if after != before:
            changed.append(_noted(row.id, after))
            move(cells, row.listing_category or "", before, after)
    _NOTE.each(conn, changed)
    return cells


def corrected(
    conn: Connection,
    session_id: str,
    category: str,
    call_id: str,
    old: Contact | None,
    new: Contact | None,
) -> Cells:
    """What changes in the counters by one call of the session that was counted as `old`."""
    rest: Contact | None = None
    for row in conn.execute(_OF_SESSION, {"wanted": session_id}):
        if row.call_id != call_id:
            rest = _both(rest, contact_of(row))
    before, after = (_both(rest, one) for one in (old, new))
    cells: Cells = {}
    if before != after:
        move(cells, category, before, after)
        _NOTE.each(conn, [_noted(session_id, after)])
    return cells


def _both(one: Contact | None, other: Contact | None) -> Contact | None:
    if one is None or other is None:
        return one or other
    return one.joined(other)


def _kept(row: Any) -> Contact | None:  # noqa: ANN401 (a row of `_KEPT`)
    """What was counted of the session; None: nothing yet."""
    if row.at_ms is None:
        return None
    return Contact(row.at_ms, Variant(row.contact_variant), Level(row.contact_reached))


def contact_of(row: Any) -> Contact:  # noqa: ANN401 (a row of `calls`)
    """What a recorded call alone came to."""
    answered = row.outcome == Outcome.ANSWERED
    level = level_of(rang=row.rang_at is not None, answered=answered, talk_ms=row.talk_ms)
    return Contact(row.at_ms, Variant(row.variant), level)


def note(conn: Connection, found: Mapping[str, Contact]) -> None:
    """Note with the sessions what their calls, all counted anew, came to, where that is wrong."""
    wrong: list[dict[str, Any]] = []
    for begin in range(0, len(found), _AT_ONCE):
        wanted = sorted(found)[begin : begin + _AT_ONCE]
        rows = conn.execute(_KEPT, {"wanted": wanted}).all()
        wrong += [_noted(row.id, found[row.id]) for row in rows if _kept(row) != found[row.id]]
    _NOTE.each(conn, wrong)


def move(cells: Cells, category: str, before: Contact | None, after: Contact | None) -> None:
    """Count a contact as `after`, and no more as `before`."""
    for contact, sign in ((before, -1), (after, 1)):
        if contact is not None:
            key = (contact.at_ms // HOUR_MS, contact.variant.value, category)
            put(cells, key, (0, 0, *levels(contact.reached)), sign)


def levels(reached: Level) -> Iterable[int]:
    """One for each level that was reached, nought for the others."""
    return [int(level <= reached) for level in Level]


def _noted(session_id: str, contact: Contact | None) -> dict[str, Any]:
    return {
        "of_session": session_id,
        "at_ms": None if contact is None else contact.at_ms,
        "came": None if contact is None else contact.variant.value,
        "came_to": None if contact is None else int(contact.reached),
    }
