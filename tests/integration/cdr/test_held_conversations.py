"""Calls of a conversation that is named in the very moment in which they are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection, update

from storage import Database, conversations
from storage.errors import NotAtOnce
from storage.schema import sessions
from tests.integration.cdr.world import World
from tests.unit.cdr.calls import call

T = TypeVar("T")


class NamedMeanwhile:
    """A database in which the platform names the session before each write, once read."""

    def __init__(self, db: Database, session_id: str, name: str) -> None:
        self._db = db
        self._session_id = session_id
        self._name = name

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._db.read(work)

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        return await self._db.look_up(work)

    def peek(self, work: Callable[[Connection], T]) -> T:
        raise NotAtOnce

    async def write(self, work: Callable[[Connection], T]) -> T:
        await self._db.write(lambda conn: conversations.name(conn, self._session_id, self._name))
        return await self._db.write(work)

    async def close(self) -> None:
        """Belongs to the world."""


@pytest.fixture
async def held(world: World) -> str:
    """The session, whose conversation has no name yet."""
    statement = update(sessions).where(sessions.c.id == "ses_1")
    statement = statement.values(conversation_id="ses_1", conversation_held=True)
    await world.db.write(lambda conn: conn.execute(statement))
    return "ses_1"


async def test_a_held_conversation_keeps_its_calls_under_the_sessions_id(
    world: World, held: str
) -> None:
    world.append(b"".join(row for _, row in call(0).rows))
    await world.ingest()

    assert len(await world.history(held)) == 1
    assert [one.conversation_id for one in await world.records()] == [held]


async def test_calls_that_are_recorded_while_it_is_named_go_under_the_name(
    world: World, held: str
) -> None:
    world.append(b"".join(row for _, row in call(0).rows))
    await world.ingest()
    world.append(b"".join(row for n in (1, 2) for _, row in call(n).rows))
    db, world.db = world.db, NamedMeanwhile(world.db, held, "chat-99")
    try:
        await world.ingest()
    finally:
        world.db = db

    assert len(await world.history("chat-99")) == 3
    assert await world.history(held) == []
    assert {one.conversation_id for one in await world.records()} == {"chat-99"}
