"""Exports of the list: in the background, with a reason, for who asked, gone after a day."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import select

from api.console import export_jobs
from api.console.export_jobs import ExportJobs
from cdr.export import Format
from cdr.record_filter import Filter
from masking.outcome import Outcome
from masking.staff import StaffRole
from storage.audit import SYSTEM, Action, Entry
from storage.console_exports import REMEMBERED, SILENCE
from storage.schema import audit_entries, console_exports
from tests.contract.api.conftest import run
from tests.contract.api.house import BUYER, House
from tests.contract.api.recorded import keep, record
from tests.support.console import Desk, Shown

ASK = {"query": "outcome=missed", "format": "csv", "reason": "ticket 81"}


@pytest.fixture
async def house(migrated_sqlite: str, tmp_path: Path) -> AsyncIterator[House]:
    """With calls, and a place for files."""
    async for running in run(migrated_sqlite, exports=tmp_path / "exports"):
        await running.furnish()
        session = (await running.open_session())["id"]
        kept = [
            record(n, session, Outcome.ANSWERED if n == 0 else Outcome.MISSED) for n in range(5)
        ]
        await keep(running, *kept)
        running.clock.advance(hours=2)
        yield running


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress and tidying without waiting for the second to pass."""
    monkeypatch.setattr(export_jobs, "PULSE_S", 0.02)
    monkeypatch.setattr(export_jobs, "TIDY_S", 0.02)


async def until_said(desk: Desk, words: str) -> Shown:
    """The page of exports, once it says so."""
    async with asyncio.timeout(10):
        while words not in (shown := await desk.get("/console/exports")).words:
            await asyncio.sleep(0.02)
    return shown


def files(path: Path) -> list[Path]:
    return sorted((path / "exports").iterdir())


async def fetched(desk: Desk) -> Shown:
    shown = await until_said(desk, "Fetch")
    [link] = [one for one in shown.links() if one.endswith("/file")]
    return await desk.get(link)


def held(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Nothing is read until the event is set."""
    go, fill = asyncio.Event(), ExportJobs._fill

    async def later(*given: Any) -> None:  # noqa: ANN401 (as it is called)
        await go.wait()
        await fill(*given)

    monkeypatch.setattr(ExportJobs, "_fill", later)
    return go


async def test_what_is_filtered_is_a_file_of_who_asked(house: House, tmp_path: Path) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)

    begun = await desk.post("/console/exports", ASK)

    assert (begun.status, begun.location) == (303, "/console/exports")
    got = await fetched(desk)
    assert got.status == 200
    assert got.reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert got.reply.headers["Content-Disposition"].startswith("attachment; filename=")
    assert got.reply.headers["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(got.html)))
    assert [row["outcome"] for row in rows] == ["missed"] * 4
    [path] = files(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_parquet_is_whole(house: House, tmp_path: Path) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    await desk.post("/console/exports", {**ASK, "query": "", "format": "parquet"})
    got = await fetched(desk)
    assert parquet.read_table(io.BytesIO(got.reply.body)).num_rows == 5


async def test_asking_and_fetching_stand_in_the_audit_log(house: House) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    await desk.post("/console/exports", {**ASK, "query": "user_id=u-1"})
    await fetched(desk)
    kept = await house.db.read(lambda conn: conn.execute(select(audit_entries)).all())
    told = {one.action: one for one in kept if one.object_kind == "records"}
    assert told["records.exported"].reason == "ticket 81"
    assert told["records.exported"].facts["format"] == "csv"
    assert told["records.exported"].facts["user_id"].startswith("prs_")
    assert told["export.fetched"].object_id == told["records.exported"].object_id
    assert desk.account is not None
    assert {one.actor_id for one in told.values()} == {desk.account.id}


@pytest.mark.parametrize("change", [{"reason": " "}, {"format": "xls"}, {"query": "outcome=lost"}])
async def test_what_is_not_right_begins_nothing(
    house: House, tmp_path: Path, change: dict[str, str]
) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    assert (await desk.post("/console/exports", ASK | change)).status == 422
    assert "You have no exports" in (await desk.get("/console/exports")).words
    assert files(tmp_path) == []


@pytest.mark.parametrize("role", [StaffRole.AGENT, StaffRole.OPERATOR])
async def test_who_may_not_is_refused_and_that_is_kept(house: House, role: StaffRole) -> None:
    desk = await Desk.of(house, role)
    assert (await desk.post("/console/exports", ASK)).status == 403
    assert (await desk.get("/console/exports")).status == 403
    assert "/console/exports" not in (await desk.get("/console/calls")).html
    kept = await house.db.read(lambda conn: conn.execute(select(audit_entries)).all())
    assert [(one.action, one.refused) for one in kept] == [("records.exported", True)]


async def test_nobody_fetches_what_another_asked_for(house: House) -> None:
    mine, other = [await Desk.of(house, StaffRole.ADMIN) for _ in range(2)]
    await mine.post("/console/exports", ASK)
    shown = await until_said(mine, "Fetch")
    [link] = [one for one in shown.links() if one.endswith("/file")]
    assert (await other.get(link)).status == 404
    assert "You have no exports" in (await other.get("/console/exports")).words


async def test_it_can_be_cancelled_while_it_goes_on(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = held(monkeypatch)
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    await desk.post("/console/exports", ASK)
    shown = await until_said(desk, "is being made")
    assert "hx-trigger" in shown.html, "the page follows it"
    which = shown.html.partition("/console/exports/exp_")[2].partition("/")[0]
    await desk.post(f"/console/exports/exp_{which}/cancel")
    go.set()
    shown = await until_said(desk, "cancelled")
    assert "hx-trigger" not in shown.html
    async with asyncio.timeout(10):
        while files(tmp_path):
            await asyncio.sleep(0.02)


async def test_so_many_at_once_and_no_more_for_one_person(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = held(monkeypatch)
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    for _ in range(3):
        assert (await desk.post("/console/exports", ASK)).status == 303
    assert (await desk.post("/console/exports", ASK)).status == 429
    shown = await until_said(desk, "is being made")
    assert shown.words.count("is being made") <= 2
    assert "waits" in shown.words
    go.set()
    async with asyncio.timeout(10):
        while (await desk.get("/console/exports")).words.count("Fetch") < 3:
            await asyncio.sleep(0.02)


async def test_a_process_that_ends_says_what_it_left(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = ExportJobs(house.db, house.clock, house.services.entropy, tmp_path / "exports")
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    await jobs.start()
    await jobs.begin(an_order(desk), an_entry(house))
    await until_said(desk, "Fetch")
    held(monkeypatch)
    await jobs.begin(an_order(desk), an_entry(house))
    await until_said(desk, "is being made")
    await jobs.close()
    shown = await until_said(desk, "interrupted by a restart")
    assert shown.words.count("Fetch") == 1


async def test_a_process_that_was_killed_is_found_out(house: House) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    assert desk.account is not None
    row = {
        "id": "exp_" + "0" * 26,
        "account_id": desk.account.id,
        "query": "",
        "by_phone": False,
        "format": "csv",
        "state": "running",
        "runner": "gone",
        "created_at": house.clock(),
        "seen_at": house.clock(),
        "records": 500,
        "thousandths": 300,
    }
    await house.db.write(lambda conn: conn.execute(console_exports.insert(), row))
    assert "30%" in (await desk.get("/console/exports")).words
    house.clock.advance(seconds=SILENCE.total_seconds())
    await until_said(desk, "interrupted by a restart")


async def test_after_a_day_the_file_is_gone_after_a_month_all(house: House, tmp_path: Path) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    await desk.post("/console/exports", ASK)
    shown = await until_said(desk, "Fetch")
    [link] = [one for one in shown.links() if one.endswith("/file")]
    (tmp_path / "exports" / ".exp_stray.part").write_bytes(b"left by a crash")

    house.clock.advance(hours=24)
    await desk.sign_in()

    assert (await desk.get(link)).status == 410
    await until_said(desk, "removed after a day")
    async with asyncio.timeout(10):
        while files(tmp_path):
            await asyncio.sleep(0.02)
    house.clock.advance(seconds=(REMEMBERED - timedelta(days=1)).total_seconds())
    await desk.sign_in()
    await until_said(desk, "You have no exports")


async def test_a_phone_narrows_an_export_and_is_kept_nowhere(house: House) -> None:
    desk = await Desk.of(house, StaffRole.SUPERVISOR)
    house.memory.phones.add(BUYER)
    found = await desk.post("/console/calls", {"phone": BUYER})
    query = found.location.partition("?")[2]
    await desk.post("/console/exports", {**ASK, "query": query})
    got = await fetched(desk)
    assert len(list(csv.DictReader(io.StringIO(got.html)))) == 5
    assert "and a phone" in (await desk.get("/console/exports")).words
    kept = await house.db.read(lambda conn: conn.execute(select(console_exports)).all())
    assert [(one.query, one.by_phone) for one in kept] == [("", True)]


def an_order(desk: Desk) -> export_jobs.Order:
    assert desk.account is not None
    return export_jobs.Order(Filter(), Format.CSV, bom=False, account_id=desk.account.id, query="")


def an_entry(house: House) -> Entry:
    return Entry(house.clock(), SYSTEM, Action.RECORDS_EXPORTED, "records", reason="ticket 82")
