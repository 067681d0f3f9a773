"""`maskline records export`: a file that is whole or not there, and that the ledger vouches for."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from cdr import export_rows
from cdr.export import Format
from cdr.ledger_walk import Why
from cdr.record_filter import Filter
from masking.outcome import Outcome
from maskline import export_file
from maskline.errors import CommandRefused
from maskline.export_file import Bar, Progress, Wish, export_records
from maskline.records_verify import published_heads, verify_file
from storage import audit
from storage.errors import DatabaseSilent
from tests.integration.cdr.world import World
from tests.unit.cdr.calls import call, interleaved
from tests.unit.cdr.scenario import START

CALLS = 18
EVERYTHING = Filter()
LATER = START + timedelta(days=1)


@pytest.fixture
async def full(world: World) -> World:
    world.append(b"".join(interleaved([call(n) for n in range(CALLS)])))
    await world.ingest()
    return world


def wish(out: Path, form: Format, wanted: Filter = EVERYTHING) -> Wish:
    return Wish(wanted, form, out, bom=False, who="somebody")


async def export(world: World, one: Wish) -> list[Progress]:
    told: list[Progress] = []
    count = await export_records(world.db, world.vault, one, LATER, told.append)
    assert told[-1] == Progress(count, 1.0)
    return told


@pytest.mark.parametrize("form", [Format.JSONL, Format.CSV])
async def test_the_ledger_vouches_for_an_export(full: World, tmp_path: Path, form: Format) -> None:
    out = tmp_path / f"calls.{form}"
    await export(full, wish(out, form))
    heads = await published_heads(full.db, node=None, day=None)

    assert verify_file(out, heads, against="them", part=False).whole


@pytest.mark.parametrize(
    ("form", "said", "changed", "why"),
    [
        (Format.JSONL, b'\\"talk_ms\\":30000', b'\\"talk_ms\\":90000', Why.CHANGED),
        (Format.JSONL, b'"talk_ms":30000,', b'"talk_ms":90000,', Why.SHOWN),
        (Format.JSONL, b'"outcome":"busy"', b'"outcome":"missed"', Why.SHOWN),
        (Format.CSV, b'""talk_ms"":30000', b'""talk_ms"":90000', Why.CHANGED),
        (Format.CSV, b",'+74951110001,", b",'+74951110009,", Why.SHOWN),
        (Format.CSV, b",busy,", b",missed,", Why.SHOWN),
        (Format.CSV, b",2980,30000,", b",2980,30001,", Why.SHOWN),
    ],
)
async def test_what_was_changed_in_an_export_shows(
    full: World, tmp_path: Path, form: Format, said: bytes, changed: bytes, why: Why
) -> None:
    out = tmp_path / f"calls.{form}"
    await export(full, wish(out, form))
    heads = await published_heads(full.db, node=None, day=None)
    assert said in out.read_bytes()

    out.write_bytes(out.read_bytes().replace(said, changed, 1))

    [verdict] = verify_file(out, heads, against="them", part=False).verdicts
    assert why in {found.why for found in verdict.breaks}


async def test_a_part_of_the_records_is_vouched_for_as_a_part(full: World, tmp_path: Path) -> None:
    out = tmp_path / "busy.jsonl"
    await export(full, wish(out, Format.JSONL, Filter(outcomes=(Outcome.BUSY,))))
    heads = await published_heads(full.db, node=None, day=None)

    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["busy"] * (CALLS // 3)
    assert verify_file(out, heads, against="them", part=True).whole


async def test_the_file_is_private_and_nothing_else_is_left(full: World, tmp_path: Path) -> None:
    out = tmp_path / "calls.parquet"
    out.write_text("an earlier one")
    await export(full, wish(out, Format.PARQUET))

    assert [file.name for file in tmp_path.iterdir() if "calls" in file.name] == [out.name]
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_bytes()[:4] == out.read_bytes()[-4:] == b"PAR1"


async def test_what_breaks_off_leaves_the_earlier_file(
    full: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "calls.csv"
    out.write_text("an earlier one")

    def breaks(conn: Connection, wanted: Filter, after: object) -> object:
        raise DatabaseSilent

    monkeypatch.setattr(export_rows, "read", breaks)
    with pytest.raises(DatabaseSilent):
        await export(full, wish(out, Format.CSV))
    assert [file.name for file in folder.iterdir()] == ["calls.csv"]
    assert out.read_text() == "an earlier one"


async def test_a_folder_that_is_not_there_is_named(full: World, tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match="No such file"):
        await export(full, wish(tmp_path / "none" / "calls.csv", Format.CSV))


async def test_the_command_is_in_the_audit_log_before_it_reads(
    full: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len((await full.db.read(lambda c: audit.page(c, audit.Filter()))).items)
    await export(full, wish(tmp_path / "calls.csv", Format.CSV, Filter(user_id="u-1")))
    kept = (await full.db.read(lambda c: audit.page(c, audit.Filter()))).items
    assert len(kept) == before + 1
    entry = kept[0].entry
    assert (entry.actor.id, entry.action) == ("somebody", audit.Action.RECORDS_EXPORTED)
    assert entry.facts["user_id"] == full.vault.person_ref("u-1")


async def test_how_far_it_is_rises(
    full: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_rows.read, "__kwdefaults__", {"limit": 4})
    told = await export(full, wish(tmp_path / "calls.csv", Format.CSV))
    shares = [one.share for one in told]
    assert shares == sorted(shares)
    assert [one.records for one in told] == [4, 8, 12, 16, 18]


async def test_it_may_go_to_standard_output(
    full: World, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await export(full, wish(export_file.STANDARD_OUTPUT, Format.JSONL))
    assert len(capfdbinary.readouterr().out.splitlines()) == CALLS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_on_a_terminal_only() -> None:
    now = [0.0]
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        now[0] = 0.0
        bar = Bar(out, lambda: now[0])
        for share in (0.1, 0.11, 0.5, 1.0):
            bar.show(Progress(round(share * 1_000), share))
            now[0] += 0.06
        bar.end()
    assert pipe.getvalue() == ""
    drawn = [line for line in terminal.getvalue().split("\r") if line.startswith("[")]
    assert [line[line.index("]") + 1 :].split()[:3] for line in drawn] == [
        ["10%", "100", "records,"],
        ["50%", "500", "records,"],
        ["100%", "1,000", "records\x1b[K"],
    ]
    assert "s left" in drawn[1]
    assert terminal.getvalue().endswith("\r\x1b[K")
