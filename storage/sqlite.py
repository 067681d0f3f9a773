"""SQLite: one thread writes and commits in groups, a few read. The event loop waits for no disk.

Only a look-up of a few rows runs on the loop's own thread: handing it to another and back costs
several times the look-up, in CPU and, for a caller who waits, in time. In WAL a reader waits for no
writer.

The writer takes whatever waits, runs each work in a savepoint of its own, and makes them last with
one COMMIT (synchronous=FULL): the price of the disk is paid once for all who waited. Between groups
it offers the turn to writers of other processes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Final, Self, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, NullPool, RootTransaction, create_engine, event
from sqlalchemy.exc import DBAPIError

from storage import number_cache
from storage.checkpoints import Checkpoints
from storage.database import Limits
from storage.errors import DatabaseClosed, DatabaseLocked, DatabaseSilent, NotAtOnce
from storage.faults import commit_error, storage_error
from storage.json_text import dumps
from storage.lane import Done, Job, Lane, hand_back
from storage.turns import Turns

T = TypeVar("T")

_BUSY_MS: Final = 5_000  # how long another process may hold a lock, where nothing else is said
_WAITING: Final = 0.9  # of a work's time may be waited for other processes; the rest is to do it
_LOOK_UP_BUSY_MS: Final = 5  # how long a look-up may keep the event loop waiting for a lock
_GROUP_S: Final = 0.02  # a group that ran this long is committed, whoever else waits
_CLOSE_S: Final = 30.0
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    # KiB. The inner pages of a million sessions take 30 MB; a small file never takes as much.
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
    # Not through a mapping of the file: SQLite gives it up whenever another connection committed,
    # and every page touched after that is a fault, which costs more than reading the page.
    "PRAGMA mmap_size=0",
    # Pages. `Checkpoints` copies far fewer at a time; this is for when it does not keep up.
    "PRAGMA wal_autocheckpoint=16000",
)


def make_engine(url: URL, *, read_only: bool = False, busy_ms: int = _BUSY_MS) -> Engine:
    """An engine whose driver begins no transaction by itself: `begin_read`, `begin_write` do."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={"isolation_level": None, "timeout": busy_ms / 1000},
        hide_parameters=True,
        json_serializer=dumps,
        execution_options=number_cache.engine_options(),
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    return engine


def begin_write(conn: Connection) -> RootTransaction:
    """Begin a transaction that writes; waits for its turn among processes."""
    return _begin(conn, "BEGIN IMMEDIATE")


def begin_read(conn: Connection) -> RootTransaction:
    """Begin a transaction that sees one state of the database all along."""
    return _begin(conn, "BEGIN")


def _begin(conn: Connection, statement: str) -> RootTransaction:
    transaction = conn.begin()
    number_cache.transaction_begins(conn)
    try:
        # Past SQLAlchemy, which would have to be listened to: that costs every statement.
        _driver(conn).execute(statement)
    except BaseException:
        transaction.close()
        raise
    return transaction


def _begin_until(conn: Connection, until: float) -> None:
    """`begin_write`, for as long also where one who takes no turns holds the file."""
    usual = True
    try:
        while True:
            left_ms = int((until - time.monotonic()) * 1000)
            if left_ms < _BUSY_MS:
                _driver(conn).execute(f"PRAGMA busy_timeout={max(left_ms, 1)}")
                usual = False
            try:
                begin_write(conn)
            except sqlite3.OperationalError as error:
                if left_ms < _BUSY_MS or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return
    finally:
        if not usual:
            _driver(conn).execute(f"PRAGMA busy_timeout={_BUSY_MS}")


class SqliteDatabase:
    """A `Database` in one file. Several processes may open it; their writers take turns."""

    def __init__(self, url: URL, limits: Limits) -> None:
        self._limits = limits
        self._writes = Lane(limits.waiting, limits.deadline_s)
        self._reads = Lane(limits.waiting, limits.deadline_s)
        writer = make_engine(url)
        reader = make_engine(url, read_only=True)
        here = make_engine(url, read_only=True, busy_ms=_LOOK_UP_BUSY_MS)
        self._here = _Held(here.execution_options(isolation_level="AUTOCOMMIT"))
        self._checkpoints = Checkpoints(writer.connect)
        self._turns = Turns(url.database or "")
        self._closed = False
        self._threads = [
            threading.Thread(target=self._write_loop, args=(writer,), name="sqlite-writer"),
            threading.Thread(target=self._checkpoints.run, name="sqlite-checkpoints"),
            *(
                threading.Thread(target=self._read_loop, args=(reader,), name=f"sqlite-reader-{n}")
                for n in range(limits.readers)
            ),
        ]
        for thread in self._threads:
            thread.daemon = True  # a disk that hangs must not keep the process from ending
            thread.start()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        return await self._reads.run(work)

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        """See `Database.look_up`. Runs in place; what fails there is left to a reader."""
        try:
            return self.peek(work)
        except NotAtOnce:
            return await self.read(work)

    def peek(self, work: Callable[[Connection], T]) -> T:
        """See `Database.peek`. It cannot where something else holds the file, or it is broken."""
        if self._closed:
            raise DatabaseClosed
        try:
            conn = self._here.connection()  # it writes nothing: no pool of it is ever changed
            driver = _driver(conn)
            # Past SQLAlchemy, whose own begin and commit cost more than the look-up itself.
            driver.execute("BEGIN")
            try:
                return work(conn)
            finally:
                driver.execute("COMMIT")
        except (DBAPIError, sqlite3.Error):
            self._here.drop()
            raise NotAtOnce from None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`."""
        return await self._writes.run(work)

    async def close(self) -> None:
        """See `Database.close`."""
        self._closed = True
        self._here.drop()
        self._checkpoints.stop()
        self._writes.close()
        self._reads.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                for thread in self._threads:
                    await asyncio.to_thread(thread.join, _CLOSE_S)
        except TimeoutError:
            raise DatabaseSilent("the database does not finish what it was given") from None

    def _write_loop(self, engine: Engine) -> None:
        with _Held(engine) as held, closing(self._turns):
            while jobs := self._writes.take(1):
                hand_back(self._in_turn(held, jobs))

    def _in_turn(self, held: _Held, jobs: list[Job]) -> list[Done]:
        """Commit a group when no other process writes; so long as its first work can wait."""
        until = jobs[0].until - (1 - _WAITING) * self._limits.deadline_s
        try:
            with self._turns.turn(until):
                return self._commit_group(held, jobs, until)
        except DatabaseLocked as error:
            return _all_failed([], jobs, error)

    def _commit_group(self, held: _Held, jobs: list[Job], begun_by: float) -> list[Done]:
        """Run the jobs, and those that come meanwhile, and commit them together."""
        done: list[Done] = []
        try:
            conn = held.connection()
            _begin_until(conn, begun_by)
            until = time.monotonic() + _GROUP_S
            while jobs:
                done.extend(_run_in_savepoint(conn, job) for job in jobs)
                room = self._limits.group - len(done)
                jobs = self._writes.take_waiting(room) if time.monotonic() < until else []
        except Exception as error:  # noqa: BLE001 (the writer outlives whatever a group dies of)
            held.drop()
            return _all_failed(done, jobs, storage_error(error) or error)
        try:
            conn.commit()
        except Exception as error:  # noqa: BLE001 (as above)
            held.drop()
            return _all_failed(done, [], commit_error(error) or error)
        self._checkpoints.committed(_driver(conn).total_changes)
        return done

    def _read_loop(self, engine: Engine) -> None:
        with _Held(engine) as held:
            while jobs := self._reads.take(1):
                hand_back([_read_one(held, job) for job in jobs])


class _Held:
    """The one connection of a thread: opened when first needed, opened anew after a fault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._conn: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def connection(self) -> Connection:
        if self._conn is None:
            self._conn = self._engine.connect()
        return self._conn

    def drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(Exception):  # what is wrong with it was reported already
                conn.close()


def _run_in_savepoint(conn: Connection, job: Job) -> Done:
    """Run one job so that its failure undoes nothing but its own.

    Raises what ended the whole transaction, if the job's failure did (a full disk does).
    """
    raw = _driver(conn)
    raw.execute("SAVEPOINT work")
    try:
        value = job.work(conn)
    except Exception as error:
        if not raw.in_transaction:
            raise
        raw.execute("ROLLBACK TO work")
        raw.execute("RELEASE work")
        return Done(job, error=storage_error(error) or error)
    raw.execute("RELEASE work")
    return Done(job, value=value)


def _read_one(held: _Held, job: Job) -> Done:
    try:
        conn = held.connection()
        with begin_read(conn):
            return Done(job, value=job.work(conn))
    except (DBAPIError, sqlite3.Error) as error:  # the driver's own: of what is prepared
        known = storage_error(error)
        held.drop()
        return Done(job, error=known or error)
    except Exception as error:  # noqa: BLE001 (it belongs to whoever sent the job)
        return Done(job, error=error)


def _all_failed(done: list[Done], jobs: list[Job], error: BaseException) -> list[Done]:
    """Nothing of the group was kept: tell so those too whose own work had gone well."""
    failed = [Done(one.job, error=one.error or error) for one in done]
    told = {one.job for one in done}
    return failed + [Done(job, error=error) for job in jobs if job not in told]


def _driver(conn: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", conn.connection.dbapi_connection)
