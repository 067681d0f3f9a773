"""SIP messages are kept sealed, found by what may be searched, and gone after their days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from cdr import erasing
from masking.plan import Channel
from storage import Database, retention, sip_messages
from storage.personal import sealed_columns
from storage.retention import Terms
from storage.schema import calls
from storage.schema import sip_messages as table
from storage.sip_messages import Hits, Said, Talk, Wanted
from storage.vault import Purpose, Vault
from tests.contract.storage.test_retention import DAY, a_call, let_go
from tests.support.storage import NOW

TEXT = "SIP/2.0 486 Busy Here\r\nFrom: <sip:+79161234567@h>\r\n\r\n\0ü"
SEARCHED = "\n:status: 486 busy here\nuser-agent: 100%_sure\n"


def talk(call_id: str = "cal_1", leg: int = 0) -> Talk:
    said = (Said(1, sent=True, text="INVITE"), Said(2, sent=False, text=TEXT))
    return Talk(call_id, leg, Channel.GSM, "carrier-a", "10.0.0.1:5060", "[2001:db8::1]:5060", said)


def a_row(vault: Vault, at: datetime = NOW, call_id: str = "cal_1", leg: int = 0) -> dict[str, Any]:
    return sip_messages.row(vault, talk(call_id, leg), b"abc@h", SEARCHED, at)


async def add(db: Database, *rows: dict[str, Any]) -> None:
    await db.write(lambda conn: sip_messages.add(conn, rows))


async def left(db: Database) -> list[str]:
    return await db.read(lambda conn: list(conn.scalars(select(table.c.call_id).order_by("id"))))


async def test_what_was_kept_is_read_and_nobody_else_can(db: Database, vault: Vault) -> None:
    await add(db, a_row(vault), a_row(vault, call_id="cal_2"), a_row(vault, leg=1))
    rows = await db.read(lambda conn: sip_messages.of_call(conn, "cal_1"))
    assert [sip_messages.opened(vault, row) for row in rows] == [talk(), talk(leg=1)]
    assert all(b"9161234567" not in bytes(row.messages_sealed) for row in rows)


async def test_it_is_sealed_anew_with_all_that_is_sealed(vault: Vault) -> None:
    [one] = [each for each in sealed_columns() if each.table is table]
    assert (one.column.name, one.purpose) == ("messages_sealed", Purpose.SIP)
    sealed = a_row(vault)["messages_sealed"]
    assert vault.open_sip(vault.reseal(Purpose.SIP, sealed)) == vault.open_sip(sealed)


async def test_it_is_let_go_after_its_days_the_oldest_first(db: Database, vault: Vault) -> None:
    old = [a_row(vault, NOW - 8 * DAY + n * timedelta(hours=1), call_id=f"o{n}") for n in range(3)]
    await add(db, a_row(vault, NOW - 6 * DAY, call_id="young"), *old)
    await let_go(db, "sip_messages", Terms(), NOW)
    assert await left(db) == ["young"]
    figures = await db.read(lambda conn: retention.figures(conn, days=1, now=NOW))
    assert [(kind, removed) for kind, _, removed in figures] == [("sip_messages", 3)]


async def test_it_goes_with_the_people_of_its_call(db: Database, vault: Vault) -> None:
    row = a_call(vault, 1, NOW, caller_user_id="u-1", callee_user_id="u-2")
    await db.write(lambda conn: conn.execute(insert(calls), row))
    await add(db, a_row(vault, call_id=row["call_id"]), a_row(vault, call_id="other"))
    counts = await db.write(lambda conn: erasing.from_calls(conn, [row["call_id"]], {"u-1"}, []))
    assert counts["sip_messages"] == 1
    assert await left(db) == ["other"]


async def test_a_search_stops_in_time_and_goes_on_where_it_stopped(
    db: Database, vault: Vault
) -> None:
    rows = [a_row(vault, NOW + n * timedelta(seconds=n), call_id=f"c{n}") for n in range(7)]
    await add(db, *rows)
    wanted = Wanted(NOW - DAY, NOW + DAY, status="486", header="User-Agent", value="100%_S")

    async def page(after: tuple[int, int] | None) -> Hits:
        return await db.read(
            lambda conn: sip_messages.search(conn, wanted, None, limit=3, after=after)
        )

    found: list[str] = []
    hits = await page(None)
    while hits.resume is not None:
        assert len(hits.items) == 3
        found += [one.call_id for one in hits.items]
        hits = await page(hits.resume)
    found += [one.call_id for one in hits.items]
    assert found == [f"c{n}" for n in reversed(range(7))]


@pytest.mark.parametrize(("sip_call_id", "count"), [(b"abc@h", 1), (b"abc", 0)])
async def test_a_call_id_is_found_whole(
    db: Database, vault: Vault, sip_call_id: bytes, count: int
) -> None:
    await add(db, a_row(vault))
    wanted, digest = Wanted(NOW - DAY, NOW + DAY), vault.digest(sip_call_id)
    hits = await db.read(lambda conn: sip_messages.search(conn, wanted, digest, limit=50))
    assert len(hits.items) == count
