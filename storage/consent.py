"""Who of a session's participants has consented to recording. Holds for the calls to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from masking.errors import UnknownParticipant, UnknownSession
from storage.schema import participants, sessions

__all__ = ["change"]

_CHANGE: Final = (
    update(participants)
    .where(
        participants.c.session_id == bindparam("of_session"),
        participants.c.user_id == bindparam("of_user"),
    )
    .values(recording_consent=bindparam("given"))
)
_EXISTS: Final = select(sessions.c.id).where(sessions.c.id == bindparam("wanted"))


def change(conn: Connection, session_id: str, given: Mapping[str, bool]) -> None:
    """Keep what the participants say, by user id; others stay as they are.

    Raises UnknownSession, UnknownParticipant.
    """
    for user_id, yes in sorted(given.items()):  # in one order, so that two cannot wait in a circle
        said = {"of_session": session_id, "of_user": user_id, "given": yes}
        if conn.execute(_CHANGE, said).rowcount != 1:
            if conn.execute(_EXISTS, {"wanted": session_id}).first() is None:
                raise UnknownSession
            raise UnknownParticipant(field="recording_consent")
