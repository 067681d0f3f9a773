"""The random life of sessions, played against the databases: both promises of a lease hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Connection

from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Phone, Pool, Session
from masking.routing import RoutingFacts
from storage import blocks, migrate, numbers, open_database, routing, sessions, trunks
from storage.routing import Dialling
from tests.support.databases import empty
from tests.support.postgres import PostgresServer, fresh_database
from tests.support.session_machine import SessionMachine
from tests.support.storage import NOW, TRUNK, a_vault

T = TypeVar("T")


class StoredSessions:
    """A keeper of sessions over a database, for code that waits for nothing."""

    def __init__(self, url: str, pool: Pool, proxies: Sequence[Phone]) -> None:
        self._runner = asyncio.Runner()
        self._vault = a_vault()
        self._db = open_database(url)
        self._rotation = 0

        def begin(conn: Connection) -> None:
            empty(conn)
            trunks.add(conn, self._vault, TRUNK, NOW)
            numbers.put_pool(conn, pool, NOW)
            numbers.add_numbers(conn, pool.name, TRUNK.name, proxies, NOW)

        self._write(begin)

    def open(self, draft: SessionDraft, now: datetime) -> Session:
        new_id = session_id(now, self._rotation.to_bytes(10, "big"))
        opened = self._write(
            lambda conn: sessions.open_session(
                conn, self._vault, draft, now=now, session_id=new_id, rotation=self._rotation
            )
        )
        self._rotation += 1
        return opened

    def extend(self, session_id: str, expires_at: datetime, now: datetime) -> None:
        self._write(lambda conn: sessions.extend(conn, session_id, expires_at, now))

    def close(self, session_id: str, now: datetime) -> None:
        self._write(lambda conn: sessions.close(conn, session_id, now))

    def get(self, session_id: str) -> Session:
        found = self._read(lambda conn: sessions.get(conn, self._vault, session_id))
        assert found is not None
        return found

    def block(self, user_id: str, blocked_user_id: str, now: datetime) -> None:
        self._write(lambda conn: blocks.block(conn, user_id, blocked_user_id, None, now))

    def unblock(self, user_id: str, blocked_user_id: str) -> None:
        self._write(lambda conn: blocks.unblock(conn, user_id, blocked_user_id))

    def facts(self, number: Phone, caller: Phone, now: datetime) -> RoutingFacts:
        return self._read(
            lambda conn: routing.facts(conn, self._vault, Dialling(number, caller, TRUNK.name))
        )

    def dispose(self) -> None:
        self._runner.run(self._db.close())
        self._runner.close()

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._runner.run(self._db.read(work))

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._runner.run(self._db.write(work))


def play(url: str, *, examples: int, steps: int) -> None:
    """Play `examples` lives of at most so many steps against the database at `url`."""

    class SessionsInADatabase(SessionMachine):
        def make(self, pool: Pool, numbers: Sequence[Phone]) -> StoredSessions:
            return StoredSessions(url, pool, numbers)

    asyncio.run(migrate(url))
    run_state_machine_as_test(
        SessionsInADatabase,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def sqlite_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="maskline-") as folder:
        yield f"sqlite:///{Path(folder) / 'maskline.db'}"


def test_sessions_in_sqlite_keep_both_promises(sqlite_url: str) -> None:
    play(sqlite_url, examples=25, steps=30)


def test_sessions_in_postgres_keep_both_promises(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as url:
        play(url, examples=10, steps=30)
