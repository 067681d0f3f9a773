"""Databases full of call records, for `bench.call_list`: made by the database, skewed as life is.

A month of calls. Of 8 trunks one carries nearly nothing and one nothing since a week; of 4 nodes
one is gone since then; one seller has a percent of all calls; a fiftieth of calls is rated; a call
asked for by the platform is one in ten thousand. The same figures on both databases, always.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Dialect, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, DropIndex

from bench import crowd
from cdr.bands import DURATION_EDGES_MS, MOS_EDGES
from masking.model import Phone
from storage import migrate, open_database
from storage.columns import to_ms
from storage.database import Limits
from storage.schema import calls, leases, numbers, participants, sessions
from storage.vault import Vault

END: Final = datetime(2026, 11, 22, tzinfo=UTC)
DAYS: Final = 30
BEGIN: Final = END - timedelta(days=DAYS)
NUMBERS: Final = 2_000
NODES: Final = ("n0000000000aa", "n0000000000bb", "n0000000000cc", "n0000000000dd")
GONE_NODE: Final = NODES[3]
TRUNKS: Final = tuple(f"carrier-{letter}" for letter in "abcdefgh")
RARE_TRUNK, GONE_TRUNK = TRUNKS[6:]
DEALER_PHONE: Final = Phone("+79060000000")
SOME_PHONE: Final = Phone("+79060000001")
_PRIME: Final = 2_147_483_647
_FACTORS: Final = (48_271, 69_621, 1_132_489_760, 397_204_094, 950_706_376, 1_277_850_838)
_FACTORS_MORE: Final = (742_938_285, 1_226_874_159, 62_089_911, 1_343_714_438, 630_360_016)
_CHUNK: Final = 500_000
_ATTEMPTS: Final = (
    '[{"channel":"gsm","steps":[{"n":1,"sip":200,"cause":16,"trunk":"carrier-b","status":"ANSWER",'
    '"rang_ms":1700000001500,"ended_ms":1700000034500,"talk_ms":30000,"started_ms":1700000000020}]}]'
)


def a_vault() -> Vault:
    """The same vault for all databases of a run."""
    return crowd.a_vault()


def _pick(dice: str, shares: dict[str, int]) -> str:
    """A word by its share in a million; the last one gets the rest. `NULL` is none."""
    steps, sum_ = [], 0
    for word, share in shares.items():
        sum_ += share
        said = "NULL" if word == "NULL" else f"'{word}'"
        steps.append(f"WHEN {dice} < {sum_} THEN {said}" if sum_ < 1_000_000 else f"ELSE {said}")
    return f"CASE {' '.join(steps)} END"


def _band(value: str, edges: tuple[int, ...]) -> str:
    steps = " ".join(f"WHEN {value} < {edge} THEN {n}" for n, edge in enumerate(edges))
    return f"CASE {steps} ELSE {len(edges)} END"


def _select(series: str, total: int, *, postgres: bool) -> str:
    """The rows of a series of serial numbers `n`."""
    dice = ", ".join(
        f"(n * {factor}) % {_PRIME} AS d{n}" for n, factor in enumerate(_FACTORS + _FACTORS_MORE)
    )
    rolls = ", ".join(f"d{n} % 1000000 AS r{n}" for n in range(len(_FACTORS + _FACTORS_MORE)))
    step_us = DAYS * 86_400_000_000 // total
    week_ms = to_ms(END - timedelta(days=7))
    sessions, buyers, sellers = total // 3, max(total // 5, 1), max(total // 20, 1)
    digest = "md5(n::text)" if postgres else "lower(hex(randomblob(16)))"
    outcome = {"answered": 550_000, "missed": 200_000, "busy": 80_000, "cancelled": 70_000}
    outcome |= {"declined": 50_000, "unreachable": 39_000, "failed": 10_900, "blocked": 100}
    trunk = dict(zip(TRUNKS[:6], (300_000, 250_000, 200_000, 120_000, 80_000, 30_000), strict=True))
    trunk |= {RARE_TRUNK: 100, GONE_TRUNK: 19_900}
    json = "::jsonb" if postgres else ""
    yes = "TRUE" if postgres else "1"
    cause = (
        "CASE outcome WHEN 'answered' THEN 16 WHEN 'missed' THEN 19 WHEN 'busy' THEN 17 "
        "WHEN 'declined' THEN 21 WHEN 'unreachable' THEN 20 WHEN 'cancelled' THEN 16 "
        "WHEN 'blocked' THEN NULL ELSE CASE WHEN r9 < 500000 THEN 34 WHEN r9 < 999000 THEN 38 "
        "ELSE 127 END END"
    )
    return f"""
    WITH series AS ({series}),
    dice AS (SELECT n, {dice} FROM series),
    rolls AS (SELECT n, d0 % {sessions} AS s, {rolls} FROM dice),
    more AS (
      SELECT *, {to_ms(BEGIN)} + n * {step_us} / 1000 AS at, (s * 69621) % {_PRIME} % 1000000 AS q,
        (s * 48271) % {_PRIME} % {buyers} AS buyer, r1 < 30000 AS stranger,
        {_pick("r2", outcome)} AS outcome, {_pick("r3", trunk)} AS trunk0,
        {_pick("r4", {"app_in": 550_000, "click": 100, "pstn_in": 449_900})} AS direction
      FROM rolls),
    facts AS (
      SELECT *, (q * q / 1000000 * q / 1000000) * {sellers} / 1000000 AS seller,
        CASE WHEN trunk0 = '{GONE_TRUNK}' AND at > {week_ms} THEN '{TRUNKS[0]}'
          ELSE trunk0 END AS trunk,
        CASE WHEN outcome = 'answered'
          THEN 1000 + r5 * r5 / 1000000 * r5 / 1000000 * r5 / 1000000 * 4 ELSE 0 END AS talk,
        CASE WHEN outcome IN ('unreachable', 'failed', 'blocked') THEN 0
          ELSE 500 + r6 * r6 / 1000000 * 40 / 1000 END AS ring,
        CASE WHEN outcome = 'answered' AND r7 < 900000
          THEN 445 - r8 * r8 / 1000000 * r8 / 1000000 * r8 / 1000000 * 340 / 1000000 END AS mos
      FROM more)
    SELECT 'cal_' || substr({digest}, 1, 26),
      CASE WHEN at > {week_ms} THEN {_pick("r9", dict.fromkeys(NODES[:3], 333_334))}
        ELSE {_pick("r9", dict.fromkeys(NODES, 250_000))} END,
      '1.' || n,
      CASE WHEN NOT stranger THEN 'ses_' || s END,
      CASE WHEN NOT stranger THEN 'chat-' || s END,
      CASE WHEN NOT stranger THEN 'L-' || (seller * 3 + s % 3) END,
      CASE WHEN NOT stranger THEN 'Lada Vesta 2019' END,
      direction, 'buyer',
      CASE WHEN NOT stranger THEN CASE WHEN r10 < 800000
        THEN 'u-b' || buyer ELSE 'u-s' || seller END END,
      'seller',
      CASE WHEN NOT stranger THEN CASE WHEN r10 < 800000
        THEN 'u-s' || seller ELSE 'u-b' || buyer END END,
      CASE WHEN direction <> 'app_in' THEN '+7495' || (1110000 + r0 * r1 % 1000000 * 2 / 1000) END,
      '+7495' || (1110000 + r1 * 2 / 1000),
      CASE WHEN direction = 'pstn_in' THEN trunk END,
      CASE WHEN r7 < 400000 THEN trunk END,
      CASE WHEN outcome = 'blocked' THEN NULL WHEN r7 < 400000 THEN 'gsm' ELSE 'app' END,
      outcome, 'caller', {cause}, at, at + 1000, CASE WHEN talk > 0 THEN at + ring END,
      at + ring + talk, ring, talk, '{_ATTEMPTS}'{json}, '[]'{json},
      CASE direction WHEN 'app_in' THEN 'app' WHEN 'click' THEN 'click' ELSE 'gsm' END,
      mos, CASE WHEN mos IS NOT NULL THEN {_band("mos", MOS_EDGES)} END,
      {_band("ring", DURATION_EDGES_MS)}, {_band("talk", DURATION_EDGES_MS)},
      CASE WHEN r9 < 20000 AND outcome = 'answered' THEN 1 + r6 % 5 END,
      CASE WHEN r10 < 50000 AND outcome = 'answered' THEN {yes} END,
      at + ring + talk + 1000
    FROM facts
    """  # noqa: S608 (our own figures)


_COLUMNS: Final = (
    "call_id, node, linked_id, session_id, conversation_id, listing_id, listing_title, direction, "
    "caller_role, caller_user_id, callee_role, callee_user_id, number_in, number_out, trunk_in, "
    "trunk_out, channel, outcome, ended_by, cause, offered_at, rang_at, answered_at, ended_at, "
    "ring_ms, talk_ms, attempts, legs, channel_in, mos_min, mos_band, ring_band, talk_band, stars, "
    "recorded, recorded_at"
)


_COUNTED: Final = (
    "SELECT n FROM (WITH RECURSIVE up(n) AS (VALUES({0}) UNION ALL "
    "SELECT n + 1 FROM up WHERE n < {1}) SELECT n FROM up)"
)
_SERIES: Final = "SELECT generate_series({0}::bigint, {1}::bigint) AS n"
_OPTIONS: Final = {"maintenance_work_mem": "768MB", "synchronous_commit": "off", "jit": "off"}


async def fill(url: str, total: int) -> None:
    """Make the empty database at `url` hold so many calls, and some people's phones."""
    await migrate(url)
    if url.startswith("sqlite"):
        await asyncio.to_thread(_fill_sqlite, Path(url.removeprefix("sqlite:///")), total)
    else:
        await asyncio.to_thread(_fill_postgres, url, total)
    db = open_database(url, Limits(deadline_s=600))
    try:
        await db.write(lambda conn: crowd.stock(conn, a_vault()))
        for seller, phone in (("u-s0", DEALER_PHONE), ("u-s77", SOME_PHONE)):
            await db.write(partial(_add_phone, seller=seller, phone=phone))
    finally:
        await db.close()


def _fill_sqlite(path: Path, total: int) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-262144"):
            conn.execute(f"PRAGMA {pragma}")
        conn.execute("BEGIN")
        with _unindexed(conn.execute, sqlite.dialect()):
            for first in range(0, total, _CHUNK):
                last = min(first + _CHUNK, total) - 1
                conn.execute(_insert(_COUNTED.format(first, last), total, postgres=False))
        conn.execute("COMMIT")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        conn.close()


def _fill_postgres(url: str, total: int) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        for name, value in _OPTIONS.items():
            conn.execute(f"SET {name} = '{value}'".encode())

        def run(statement: str) -> None:
            begun = time.monotonic()
            conn.execute(statement.encode())
            print(f"  {time.monotonic() - begun:6.1f} s  {statement.strip()[:70]}", flush=True)

        run("ALTER TABLE calls DROP CONSTRAINT pk_calls")
        with _unindexed(run, postgresql.dialect()):  # type: ignore[no-untyped-call]
            for first in range(0, total, _CHUNK):
                last = min(first + _CHUNK, total) - 1
                run(_insert(_SERIES.format(first, last), total, postgres=True))
            run("ALTER TABLE calls ADD CONSTRAINT pk_calls PRIMARY KEY (call_id)")
        run("VACUUM (ANALYZE) calls")
        run("CHECKPOINT")


@contextmanager
def _unindexed(run: Callable[[str], object], dialect: Dialect) -> Iterator[None]:
    """Without the indexes of `calls`, which are made anew at the end: that is faster."""
    indexes = sorted(calls.indexes, key=lambda one: str(one.name))
    for index in indexes:
        run(str(DropIndex(index).compile(dialect=dialect)))
    yield
    for index in indexes:
        run(str(CreateIndex(index).compile(dialect=dialect)))


def _insert(series: str, total: int, *, postgres: bool) -> str:
    return f"INSERT INTO calls ({_COLUMNS}) {_select(series, total, postgres=postgres)}"


def _add_phone(conn: Connection, seller: str, phone: Phone) -> None:
    """Sessions of the seller, and leases by which they are found from the phone."""
    mine = calls.c.callee_user_id == seller
    some = select(calls.c.session_id, calls.c.conversation_id).where(mine).limit(_OF_SELLER)
    found = dict(conn.execute(some).tuples().all())
    number = conn.execute(select(func.min(numbers.c.id))).scalar_one()
    index = a_vault().index(phone)
    each: list[tuple[Table, Callable[[str | None, str | None], dict[str, Any]]]] = [
        (sessions, _session),
        (participants, lambda one, _: _PERSON | {"session_id": one, "user_id": seller}),
        (
            leases,
            lambda one, _: _LEASE | {"session_id": one, "number_id": number, "phone_index": index},
        ),
    ]
    for table, row_of in each:
        rows = [row_of(*one) for one in found.items()]
        for first in range(0, len(rows), 1_000):
            conn.execute(table.insert(), rows[first : first + 1_000])


def _session(session_id: str | None, conversation_id: str | None) -> dict[str, Any]:
    return {
        "id": session_id,
        "conversation_id": conversation_id,
        "pool": crowd.POOL.name,
        "channel_policy": "app_then_gsm",
        "created_at": BEGIN,
        "expires_at": END,
        "ttl_from": "creation",
        "ttl_s": 86_400,
        "conversation_held": False,
    }


_OF_SELLER: Final = 20_000  # sessions, at most
_PERSON: Final = {"position": 1, "role": "seller"}
_LEASE: Final = {
    "position": 1,
    "slot": 0,
    "extension": "",
    "once": False,
    "since": BEGIN,
    "expires_at": END,
    "reserved_until": END,
    "active": False,
}
