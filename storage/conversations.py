"""Conversations that have no name yet: a caller came by a listing, and the platform names it later.

Until then everything is kept under the session's id. Naming moves all of it in one transaction, and
what is recorded at that very moment follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from masking.errors import ConversationNamed, UnknownSession
from storage.schema import calls, history_entries, sessions

_LOCK: Final = (
    select(sessions.c.conversation_id, sessions.c.conversation_held)
    .where(sessions.c.id == bindparam("wanted"))
    .with_for_update()
)
_NAME: Final = (
    update(sessions)
    .where(sessions.c.id == bindparam("of_session"))
    .values(conversation_id=bindparam("name"), conversation_held=False)
)
_MOVE_CALLS: Final = (
    update(calls)
    .where(
        calls.c.session_id == bindparam("of_session"),
        calls.c.conversation_id == bindparam("of_session"),
    )
    .values(conversation_id=bindparam("name"))
)
_MOVE_HISTORY: Final = (
    update(history_entries)
    .where(history_entries.c.conversation_id == bindparam("of_session"))
    .values(conversation_id=bindparam("name"))
)
_NAMED: Final = (
    select(sessions.c.id, sessions.c.conversation_id)
    .where(
        sessions.c.id.in_(bindparam("wanted", expanding=True)),
        sessions.c.conversation_held.is_(False),
    )
    .order_by(sessions.c.id)
    .with_for_update()
)


def name(conn: Connection, session_id: str, conversation_id: str) -> None:
    """Give a held conversation its name, once. The same name again changes nothing.

    Raises UnknownSession, ConversationNamed.
    """
    found = conn.execute(_LOCK, {"wanted": session_id}).first()
    if found is None:
        raise UnknownSession
    if not found.conversation_held:
        if found.conversation_id == conversation_id:
            return
        raise ConversationNamed(field="conversation_id")
    named = {"of_session": session_id, "name": conversation_id}
    conn.execute(_NAME, named)
    _move(conn, named)


def follow(conn: Connection, recorded: Iterable[tuple[str | None, str | None]]) -> None:
    """Move what was just recorded under names that sessions got since it was prepared.

    `recorded` are the session and the conversation of each call. Whoever names a session waits for
    this transaction, or this one for theirs.
    """
    held = {session for session, conversation in recorded if session and session == conversation}
    if held:
        rows = conn.execute(_NAMED, {"wanted": sorted(held)}).all()
        for row in rows:
            _move(conn, {"of_session": row.id, "name": row.conversation_id})


def _move(conn: Connection, named: dict[str, Any]) -> None:
    conn.execute(_MOVE_CALLS, named)
    conn.execute(_MOVE_HISTORY, named)
