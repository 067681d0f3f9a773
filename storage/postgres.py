"""PostgreSQL: works run on a pool of connections; those that met a conflict are run again.

Two works that want the same lease at once end in a conflict for the second, which then chooses
among the numbers that are left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage import number_cache, single
from storage.database import Limits
from storage.errors import (
    ConflictPersists,
    DatabaseClosed,
    DatabaseOverloaded,
    DatabaseSilent,
    NotAtOnce,
)
from storage.faults import commit_error, is_conflict, is_disconnect, storage_error
from storage.json_text import dumps

T = TypeVar("T")

_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.1
_CLOSE_S: Final = 30.0


def make_engine(url: URL, limits: Limits) -> AsyncEngine:
    """An engine whose statements end by themselves when the deadline has passed."""
    timeout_ms = str(int(limits.deadline_s * 1000))
    return create_async_engine(
        url,
        pool_size=limits.connections,
        max_overflow=0,
        pool_timeout=limits.deadline_s,
        hide_parameters=True,
        json_serializer=dumps,
        execution_options=number_cache.engine_options(),
        connect_args={
            "timeout": limits.deadline_s,
            "server_settings": {
                "application_name": "maskline",
                "statement_timeout": timeout_ms,
                "lock_timeout": timeout_ms,
                "idle_in_transaction_session_timeout": timeout_ms,
                "jit": "off",  # short statements only: compiling them costs more than it saves
            },
        },
    )


class PostgresDatabase:
    """A `Database` that several processes and machines share. Belongs to one event loop."""

    def __init__(
        self, url: URL, limits: Limits, jitter: Callable[[], float] = random.random
    ) -> None:
        self._limits = limits
        self._jitter = jitter
        self._engine = make_engine(url, limits)
        self._reader = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        single.watch(self._single.sync_engine)
        self._inside = 0
        self._idle = asyncio.Event()  # set when the last work leaves a closed database
        self._closed = False

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        return await self._within_limits(self._reader, work)

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        """See `Database.look_up`. Without a transaction, unless `work` asks more than one thing."""
        try:
            return await self._within_limits(self._single, lambda conn: single.run(conn, work))
        except single.AsksMore:
            return await self.read(work)

    def peek(self, work: Callable[[Connection], T]) -> T:
        """See `Database.peek`. A server has to be waited for."""
        raise NotAtOnce

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`."""
        return await self._within_limits(self._engine, work)

    async def close(self) -> None:
        """See `Database.close`."""
        self._closed = True
        try:
            async with asyncio.timeout(_CLOSE_S):
                if self._inside:
                    await self._idle.wait()
                await self._engine.dispose()
        except TimeoutError:
            raise DatabaseSilent("the database does not finish what it was given") from None

    async def _within_limits(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise DatabaseClosed
        if self._inside >= self._limits.waiting:
            raise DatabaseOverloaded
        self._inside += 1
        deadline = asyncio.timeout(self._limits.deadline_s)
        try:
            async with deadline:
                return await self._until_done(engine, work)
        except TimeoutError:
            if deadline.expired():
                raise DatabaseSilent from None
            raise
        finally:
            self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        if self._closed and not self._inside:
            self._idle.set()

    async def _until_done(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        """Run `work` until it meets no conflict: the deadline around this ends it.

        A conflict means that another work went through, so somebody always gets on.
        """
        pause_s = _FIRST_PAUSE_S
        lost = 0
        while True:
            try:
                return await _once(engine, work)
            except _Again as again:
                if again.disconnected:
                    lost += 1
                    if lost > self._limits.connections:  # every connection we had was dead
                        raise ConflictPersists from again
            await asyncio.sleep(pause_s * (0.5 + self._jitter()))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class _Again(Exception):
    """Nothing was written and the same may be tried again."""

    def __init__(self, *, disconnected: bool) -> None:
        super().__init__()
        self.disconnected = disconnected


async def _once(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    try:
        async with engine.connect() as conn:
            result = await conn.run_sync(_run, work)  # leaving this block early rolls back
            await _commit(conn)
            return result
    except (DBAPIError, PoolTimeout, OSError) as error:
        if is_conflict(error) or is_disconnect(error):
            raise _Again(disconnected=is_disconnect(error)) from error
        raise (storage_error(error) or error) from error


def _run(conn: Connection, work: Callable[[Connection], T]) -> T:
    number_cache.transaction_begins(conn)
    return work(conn)


async def _commit(conn: AsyncConnection) -> None:
    try:
        await conn.commit()
    except DBAPIError as error:
        if is_conflict(error):
            raise
        raise (commit_error(error) or error) from error
