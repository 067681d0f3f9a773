"""Databases full of live sessions, for the benchmarks: filled fast, with rows as the code makes.

In every thousand sessions 300 are of one dealer, the rest of private sellers with two each; every
buyer has two. SQLite is filled through the functions of `storage`; PostgreSQL gets the same rows by
COPY.
"""

from __future__ import annotations

import gc
import multiprocessing
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Boolean, Connection, Table

from masking import lifecycle
from masking.allocation import Place
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Card, Listing, Participant, Phone, Pool, ProxyNumber, Role
from masking.trunks import Trunk
from storage import migrate, numbers, trunks
from storage.columns import to_ms
from storage.database import parse_url
from storage.json_text import dumps
from storage.schema import leases, participants, sessions
from storage.schema import numbers as number_rows
from storage.schema import pools as pool_rows
from storage.schema import trunks as trunk_rows
from storage.selection import pair_index
from storage.session_rows import lease_rows, participant_rows, session_row
from storage.sqlite import begin_write, make_engine
from storage.vault import Vault, VaultKeys

AT: Final = datetime(2026, 11, 2, 9, tzinfo=UTC)
NOW: Final = AT + timedelta(hours=1)
POOL: Final = Pool("default")
NUMBERS: Final = 2_000
DEALER_LIVE: Final = 300  # sessions of one dealer, of every block
_BLOCK: Final = 1_000
_AT_ONCE: Final = 10_000
_FRESH: Final = 1_000_000  # serial numbers from here on are of new buyers
_WORKERS: Final = 2
_FILLED: Final = (sessions, participants, leases)
_COPIED: Final = (trunk_rows, pool_rows, number_rows, *_FILLED)


def a_vault() -> Vault:
    """The same vault for all databases of a run."""
    return Vault(VaultKeys(sealing={1: b"k" * 32}, index=b"i" * 32))


def seller_of(n: int) -> Participant:
    """The seller of the session with serial number `n`."""
    block, place = divmod(n, _BLOCK)
    if place < DEALER_LIVE:
        return Participant(Role.SELLER, f"d-{block}", Phone(f"+7906{block:07}"), Card("Cars"))
    return Participant(Role.SELLER, f"s-{n // 2}", Phone(f"+7905{n // 2:07}"), Card("Petr", 4.7))


def draft(n: int, total: int) -> SessionDraft:
    """The session with serial number `n` among `total` that live."""
    b = n * 48_271 % max(1, total // 2)
    buyer = Participant(Role.BUYER, f"b-{b}", Phone(f"+7903{b:07}"), Card("Anna", 4.9))
    return _between(n, buyer, seller_of(n))


def fresh_draft(n: int, total: int) -> SessionDraft:
    """A session to be opened: a new buyer's with a known seller, a dealer in 3 of 10."""
    buyer = Participant(Role.BUYER, f"f-{n}", Phone(f"+7916{n:07}"), Card("Olga", 4.8))
    return _between(_FRESH + n, buyer, seller_of(n * 7_919 % total))


def id_of(n: int) -> str:
    """The id of the session with serial number `n`."""
    return session_id(AT + timedelta(milliseconds=n), n.to_bytes(10, "big"))


def fill_sqlite(path: Path, total: int) -> None:
    """Put `total` live sessions over all numbers into the migrated file at `path`."""
    engine = make_engine(parse_url(f"sqlite:///{path}"))
    with engine.connect() as conn, begin_write(conn):
        stock(conn, a_vault())
        proxies = numbers.active(conn, POOL.name)
    engine.dispose()
    filled = sqlite3.connect(path)
    filled.execute("PRAGMA synchronous=OFF")
    filled.execute("PRAGMA cache_size=-4194304")  # KiB: all of it
    parts = [(first, min(first + _AT_ONCE, total), total, proxies) for first in _steps(total)]
    with multiprocessing.get_context("spawn").Pool(_WORKERS) as workers:
        for rows in workers.imap(_rows, parts):
            for table, some in zip(_FILLED, rows, strict=True):
                filled.executemany(_insert(table), some)
            filled.commit()
    filled.close()


def analyse(path: Path) -> None:
    """Have SQLite count the rows of the file at `path`.

    Its planner passes over an index made since the others were counted.
    """
    file = sqlite3.connect(path)
    file.execute("ANALYZE")
    file.commit()
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()


async def fill_postgres(url: str, filled: Path) -> None:
    """Put the rows of the SQLite file `filled` into the empty database at `url`."""
    await migrate(url)
    source = sqlite3.connect(filled)
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SET synchronous_commit = off")
        for table in _COPIED:
            await conn.copy_records_to_table(
                table.name, records=_records(source, table), columns=table.c.keys(), timeout=600
            )
        await conn.execute("VACUUM (ANALYZE)", timeout=600)
        await conn.execute("CHECKPOINT", timeout=600)
    finally:
        await conn.close()
        source.close()


def stock(conn: Connection, vault: Vault) -> None:
    """A trunk and the pool with its numbers."""
    trunks.add(conn, vault, Trunk("carrier-a", "127.0.0.2"), AT)
    numbers.put_pool(conn, POOL, AT)
    e164s = [Phone(f"+7495{1_000_000 + n}") for n in range(NUMBERS)]
    numbers.add_numbers(conn, POOL.name, "carrier-a", e164s, AT)


def _between(n: int, buyer: Participant, seller: Participant) -> SessionDraft:
    return SessionDraft(
        conversation_id=f"chat-{n}",
        participants=(buyer, seller),
        pool=POOL.name,
        ttl=timedelta(days=1 + n * 7 % 30),
        listing=Listing(f"L-{n}", "Lada Vesta 2019"),
    )


def _steps(total: int) -> range:
    return range(0, total, _AT_ONCE)


def _rows(part: tuple[int, int, int, tuple[ProxyNumber, ...]]) -> list[list[tuple[Any, ...]]]:
    """The rows of some sessions, for each of `_FILLED`, as the driver takes them."""
    first, end, total, proxies = part
    gc.disable()  # all of it is to be kept
    vault = a_vault()
    found: list[list[tuple[Any, ...]]] = [[], [], []]
    for n in range(first, end):
        wanted = draft(n, total)
        # Numbers in rotation; that of a buyer's second session is another than that of the first.
        chosen = [Place(proxies[turn % len(proxies)]) for turn in (n + n // max(1, total // 2), n)]
        at = AT + timedelta(milliseconds=n)
        session = lifecycle.begin(wanted, POOL, chosen, session_id=id_of(n), now=at)
        buyer, seller = (
            None if p.phone is None else vault.index(p.phone) for p in wanted.participants
        )
        rows = (
            [session_row(session, pair_index((buyer, seller)))],
            participant_rows(session, vault),
            lease_rows(session, (buyer, seller)),
        )
        for table, some, to in zip(_FILLED, rows, found, strict=True):
            to += [_values(table, row) for row in some]
    gc.enable()
    return found


def _values(table: Table, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(_plain(row[column.name]) for column in table.c)


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever a column holds)
    """`value` as SQLite keeps it."""
    match value:
        case datetime():
            return to_ms(value)
        case tuple() | list() | dict():
            return dumps(value)
        case _:
            return value


def _insert(table: Table) -> str:
    places = ", ".join("?" * len(table.c))
    return f"INSERT INTO {table.name} ({', '.join(table.c.keys())}) VALUES ({places})"  # noqa: S608


def _records(source: sqlite3.Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """The rows of `table` as PostgreSQL's driver takes them."""
    names = list(table.c.keys())
    flags = [n for n, column in enumerate(table.c) if isinstance(column.type, Boolean)]
    for row in source.execute(f"SELECT {', '.join(names)} FROM {table.name}"):  # noqa: S608
        values = list(row)
        for n in flags:
            values[n] = bool(values[n])
        yield tuple(values)
