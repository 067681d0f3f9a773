"""What the tests of the ingester stand on: a database, an event file, and short ways to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from cdr import call_log, history, records
from cdr.call_log import LogEntry
from cdr.history import HistoryEntry
from cdr.ingest import Ingester, IngestSettings
from cdr.model import CallRecord
from masking.model import Card, Listing, Participant, Phone, Pool, Role, Session
from masking.rules import CapRules, PoolRules
from masking.trunks import Trunk
from storage import Database, numbers, trunks
from storage.schema import (
    call_log_entries,
    call_tallies,
    call_versions,
    calls,
    cut_calls,
    funnel_calls,
    funnel_categories,
    funnel_contacts,
    history_entries,
    ingest_checkpoints,
    ledger_days,
    open_calls,
    outbox,
    participants,
    recordings,
    sessions,
    traffic,
    traffic_spread,
    unanswered_runs,
)
from storage.session_rows import participant_rows, session_row
from storage.vault import Vault
from tests.unit.cdr.scenario import START

TABLES = (
    calls,
    history_entries,
    call_log_entries,
    outbox,
    call_tallies,
    unanswered_runs,
    funnel_contacts,
    funnel_calls,
    funnel_categories,
    traffic,
    traffic_spread,
    open_calls,
    recordings,
    ingest_checkpoints,
    ledger_days,
    call_versions,
    cut_calls,
)
_OF_CHANCE = ("id", "head", "ledger_seq", "ledger_hash", "ledger_personal", "ledger_openings")
OUR_NUMBER = Phone("+74951110001")  # the one that is dialled in the scenarios
CAPS = CapRules(unanswered_in_row=5, pair_an_hour=1000, caller_an_hour=1000)


@dataclass
class World:
    db: Database
    url: str
    vault: Vault
    spool: Path
    node: str
    now: list[datetime]  # one: may be set forward

    @property
    def file(self) -> Path:
        return self.spool / "events.jsonl"

    def append(self, raw: bytes) -> None:
        with self.file.open("ab") as file:
            file.write(raw)

    def ingester(self, settings: IngestSettings | None = None) -> Ingester:
        return Ingester(self.db, self.vault, self.spool, self.node, lambda: self.now[0], settings)

    async def ingest(self) -> Ingester:
        """A new ingester, as after a restart, reads all there is."""
        ingester = self.ingester()
        await ingester.drain()
        return ingester

    async def records(self) -> list[CallRecord]:
        found = await self.db.read(lambda conn: records.page(conn, records.Filter(), limit=500))
        return list(found.items)

    async def history(self, conversation_id: str = "chat-1") -> list[HistoryEntry]:
        found = await self.db.read(lambda conn: history.page(conn, conversation_id, limit=500))
        return list(found.items)

    async def logs(self, *user_ids: str) -> list[LogEntry]:
        found: list[LogEntry] = []
        for user_id in user_ids or ("u-1", "u-2"):
            page = await self.db.read(partial(call_log.page, user_id=user_id, limit=500))
            found.extend(page.items)
        return found

    async def open(self) -> int:
        return len(await self.db.read(lambda conn: conn.execute(select(open_calls)).all()))

    async def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that the ingester writes, but for row ids, turns and hashes."""

        def read(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
            found: dict[str, list[tuple[Any, ...]]] = {}
            for table in TABLES:
                columns = [column for column in table.c if column.name not in _OF_CHANCE]
                query = select(*columns)
                if table is ingest_checkpoints:
                    query = query.where(table.c.file != "")
                rows = [tuple(map(repr, row)) for row in conn.execute(query)]
                found[table.name] = sorted(rows)
            return found

        return await self.db.read(read)


def add_number(conn: Connection, vault: Vault, number: Phone) -> None:
    """A proxy number of ours, on the trunk of the scenarios."""
    trunks.add(conn, vault, Trunk("carrier-a", "127.0.0.2"), START)
    numbers.add_numbers(conn, "default", "carrier-a", (number,), START)


def add_session(
    conn: Connection,
    vault: Vault,
    session_id: str,
    conversation_id: str,
    phones: tuple[Phone, Phone],
    users: tuple[str, str] = ("u-1", "u-2"),
) -> None:
    """A session of a buyer and a seller, in a pool with caps."""
    numbers.put_pool(conn, Pool("default", rules=PoolRules(caps=CAPS)), START)
    anna = Card("Anna", 4.9, (("deals", "12"),))
    session = Session(
        id=session_id,
        conversation_id=conversation_id,
        pool="default",
        participants=(
            Participant(Role.BUYER, users[0], phones[0], anna),
            Participant(Role.SELLER, users[1], phones[1], Card("Petr", 4.7)),
        ),
        created_at=START - timedelta(hours=1),
        expires_at=START + timedelta(hours=1),
        listing=Listing("L-42", "Lada Vesta 2019", "cars"),
    )
    conn.execute(sessions.insert(), session_row(session))
    conn.execute(participants.insert(), participant_rows(session, vault))
