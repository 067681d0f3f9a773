"""Held conversations: kept under the session's id until the platform names them, once."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select

from masking.errors import ConversationNamed, UnknownSession
from storage import Database, conversations, sessions
from storage.schema import calls, history_entries
from storage.vault import Vault
from tests.support.listings import created, link, shop
from tests.support.storage import NOW, opened, stocked


def _call(call_id: str, session_id: str, conversation_id: str) -> dict[str, object]:
    return {
        "call_id": call_id,
        "node": "n1",
        "linked_id": call_id,
        "session_id": session_id,
        "conversation_id": conversation_id,
        "direction": "inbound",
        "outcome": "answered",
        "offered_at": NOW,
        "ended_at": NOW,
        "ring_ms": 0,
        "talk_ms": 0,
        "attempts": [],
        "legs": [],
        "recorded_at": NOW,
    }


def record(conn: Connection, call_id: str, session_id: str, conversation_id: str) -> None:
    """Keep a call of a session and its history entry, as the ingester does."""
    conn.execute(insert(calls), _call(call_id, session_id, conversation_id))
    entry = {"conversation_id": conversation_id, "call_id": call_id, "at": NOW}
    conn.execute(insert(history_entries), entry | {"kind": "call", "body": {}})


async def where(db: Database) -> dict[str, tuple[str, str]]:
    """Under which name each call is recorded, and is in a history."""
    query = select(calls.c.call_id, calls.c.conversation_id, history_entries.c.conversation_id)
    query = query.join_from(calls, history_entries, history_entries.c.call_id == calls.c.call_id)
    rows = await db.read(lambda conn: conn.execute(query).all())
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_naming_moves_what_was_kept_so_far(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    session = (await link(db, vault, await created(db, vault))).session
    await db.write(lambda conn: record(conn, "cal_1", session.id, session.id))
    await db.write(lambda conn: record(conn, "cal_2", session.id, session.id))
    await db.write(lambda conn: record(conn, "cal_3", "ses_other", "chat-1"))

    await db.write(lambda conn: conversations.name(conn, session.id, "chat-99"))

    assert await where(db) == {
        "cal_1": ("chat-99", "chat-99"),
        "cal_2": ("chat-99", "chat-99"),
        "cal_3": ("chat-1", "chat-1"),
    }
    named = await db.read(lambda conn: sessions.get(conn, vault, session.id))
    assert named is not None
    assert (named.conversation_id, named.conversation_held) == ("chat-99", False)


async def test_a_name_is_given_once(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    session = (await link(db, vault, await created(db, vault))).session
    await db.write(lambda conn: conversations.name(conn, session.id, "chat-99"))

    await db.write(lambda conn: conversations.name(conn, session.id, "chat-99"))
    with pytest.raises(ConversationNamed):
        await db.write(lambda conn: conversations.name(conn, session.id, "chat-100"))


async def test_only_a_held_conversation_is_named(db: Database, vault: Vault) -> None:
    await stocked(db, vault)
    session = await opened(db, vault)

    with pytest.raises(ConversationNamed):
        await db.write(lambda conn: conversations.name(conn, session.id, "chat-2"))
    with pytest.raises(UnknownSession):
        await db.write(lambda conn: conversations.name(conn, "ses_nobody", "chat-2"))


async def test_what_was_prepared_before_and_kept_after_follows(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    session = (await link(db, vault, await created(db, vault))).session
    prepared = (session.id, session.id)
    await db.write(lambda conn: conversations.name(conn, session.id, "chat-99"))

    def keep(conn: Connection) -> None:
        record(conn, "cal_1", *prepared)
        record(conn, "cal_2", "ses_other", "chat-1")
        conversations.follow(conn, [prepared, ("ses_other", "chat-1"), (None, None)])

    await db.write(keep)

    assert await where(db) == {"cal_1": ("chat-99", "chat-99"), "cal_2": ("chat-1", "chat-1")}


async def test_what_is_held_still_stays_where_it_is(db: Database, vault: Vault) -> None:
    await shop(db, vault)
    session = (await link(db, vault, await created(db, vault))).session

    def keep(conn: Connection) -> None:
        record(conn, "cal_1", session.id, session.id)
        conversations.follow(conn, [(session.id, session.id)])

    await db.write(keep)

    assert await where(db) == {"cal_1": (session.id, session.id)}
