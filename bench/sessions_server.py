"""The two servers of `bench.sessions`, each in a process of its own.

`ours` is the whole API over SQLite. `bare` is an aiohttp handler that checks nothing: it parses the
body and inserts the same rows into the same tables, one transaction a request, with the same
PRAGMAs. Either prints its port once it serves and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from aiohttp import web
from sqlalchemy import Connection

from api.app import create_runner
from api.services import ApiSettings, Services
from masking.ids import session_id
from masking.lifecycle import SessionDraft
from masking.model import Card, Listing, Participant, Phone, Role
from masking.plan import Channel
from masking.trunks import Trunk
from storage import keys, numbers, sessions, trunks
from storage.database import Database, open_database
from storage.keys import KeyRole
from storage.migration import migrate
from storage.vault import Vault, VaultKeys

POOL_SIZE = 500
KEY = keys.new_key(bytes(range(keys.KEY_BYTES)))
SEEDED_AT_ONCE = 250


class Quiet:
    """A node without calls."""

    def live_calls(self) -> tuple[()]:
        return ()

    async def hang_up(self, call_id: str) -> None:
        raise LookupError(call_id)

    async def hand_over(self, call_id: str, user_id: str, to: Channel) -> None:
        raise LookupError(call_id)

    async def click(self, session_id: str, user_id: str) -> str:
        raise LookupError(session_id)


async def nothing() -> None:
    """No node to tell of trunks."""


def now() -> datetime:
    return datetime.now(UTC)


async def furnish(db: Database, vault: Vault) -> None:
    """A key, a trunk and a pool of numbers."""

    def work(conn: Connection) -> None:
        at = now()
        keys.add(conn, key_hash=keys.hash_key(KEY), role=KeyRole.PLATFORM, name="bench", now=at)
        trunks.add(conn, vault, Trunk("carrier-a", "127.0.0.2"), at)
        e164s = [Phone(f"+7495{number:07}") for number in range(POOL_SIZE)]
        numbers.add_numbers(conn, "default", "carrier-a", e164s, at)

    await db.write(work)


async def seed(db: Database, vault: Vault, wanted: int) -> None:
    """Open `wanted` sessions without HTTP."""
    at = now()

    def draft(number: int) -> SessionDraft:
        return SessionDraft(
            conversation_id=f"seed-{number}",
            participants=(
                Participant(Role.BUYER, f"b-{number}", Phone(f"+7903{number:07}"), Card("Anna")),
                Participant(
                    Role.SELLER, f"s-{number // 8}", Phone(f"+7905{number // 8:07}"), Card("Petr")
                ),
            ),
            pool="default",
            ttl=timedelta(days=30),
            listing=Listing(f"L-{number}", "Lada Vesta 2019"),
        )

    def work_of(first: int) -> Callable[[Connection], None]:
        def work(conn: Connection) -> None:
            for number in range(first, min(first + SEEDED_AT_ONCE, wanted)):
                new_id = session_id(at, os.urandom(10))
                sessions.open_session(
                    conn, vault, draft(number), now=at, session_id=new_id, rotation=number
                )

        return work

    for first in range(0, wanted, SEEDED_AT_ONCE):
        await db.write(work_of(first))


async def serve_ours(folder: Path, seeded: int) -> None:
    url = f"sqlite:///{folder}/ours.db"
    await migrate(url)
    db, vault = open_database(url), Vault(VaultKeys.generate())
    await furnish(db, vault)
    await seed(db, vault, seeded)
    services = Services(
        db=db,
        vault=vault,
        clock=now,
        entropy=os.urandom,
        trunks_changed=nothing,
        live=Quiet(),
        settings=ApiSettings(sip_host="sip.example.org"),
    )
    await serve(create_runner(services))
    await db.close()


async def serve_bare(folder: Path) -> None:
    url = f"sqlite:///{folder}/bare.db"
    await migrate(url)
    db = open_database(url)
    await furnish(db, Vault(VaultKeys.generate()))
    await db.close()
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16384"):
        connection.execute(f"PRAGMA {pragma}")
    app = web.Application()
    app.router.add_post("/v1/sessions", Bare(connection).handle)
    await serve(web.AppRunner(app, access_log=None))
    connection.close()


class Bare:
    """Inserts what it is sent."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._count = 0

    async def handle(self, request: web.Request) -> web.Response:
        sent = json.loads(await request.read())
        self._count += 1
        new_id = f"ses_{self._count:026}"
        at = int(now().timestamp() * 1000)
        until = at + sent["ttl_s"] * 1000
        run = self._connection.execute
        listing = sent["listing"]
        run("BEGIN IMMEDIATE")
        run(
            "INSERT INTO sessions (id, conversation_id, pool, listing_id, listing_title,"
            " channel_policy, created_at, expires_at, ttl_s, pair_index, ttl_from,"
            " conversation_held) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'creation', 0)",
            (
                new_id,
                sent["conversation_id"],
                sent["pool"],
                listing["id"],
                listing["title"],
                sent["channel_policy"],
                at,
                until,
                sent["ttl_s"],
                os.urandom(16),
            ),
        )
        two = sent["participants"]
        self._connection.executemany(
            "INSERT INTO participants (session_id, position, role, user_id, phone_sealed, name,"
            " rating, facts) VALUES (?, ?, ?, ?, ?, ?, ?, '[]')",
            [
                (new_id, n, p["role"], p["user_id"], os.urandom(41), p["name"], p["rating"])
                for n, p in enumerate(two)
            ],
        )
        self._connection.executemany(
            "INSERT INTO leases (session_id, position, number_id, phone_index, since, expires_at,"
            " reserved_until, active, slot, extension, once, why)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0, '', 0, '{\"by\":\"rotation\"}')",
            [
                (
                    new_id,
                    n,
                    self._count % POOL_SIZE + 1,
                    os.urandom(16),
                    at,
                    until,
                    until + 604_800_000,
                )
                for n in (0, 1)
            ],
        )
        run("COMMIT")
        return web.json_response(
            {
                "id": new_id,
                "state": "open",
                "expires_at": until,
                "participants": [{"role": p["role"], "user_id": p["user_id"]} for p in two],
            },
            status=201,
        )


async def serve(runner: web.AppRunner) -> None:
    """Until standard input ends."""
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    kind, folder, seeded = sys.argv[1:]
    serving = serve_ours(Path(folder), int(seeded)) if kind == "ours" else serve_bare(Path(folder))
    uvloop.run(serving)


if __name__ == "__main__":
    main()
