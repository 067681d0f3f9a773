"""Exports hold every record that is asked for, once, and say of it what the database says."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr import export, export_rows
from cdr.bands import Range
from cdr.export import BOM, DANGEROUS, Format
from cdr.export_parquet import ParquetWriter
from cdr.export_rows import COLUMNS, Kind, Value, Values
from cdr.record_filter import Filter, told
from cdr.record_search import Key
from masking.outcome import Outcome
from tests.contract.records.many import NUMBERS, Many, put
from tests.support.storage import NOW, a_vault

NAMES = [column.name for column in COLUMNS]
KINDS = {column.name: column.kind for column in COLUMNS}
WANTED = Filter(outcomes=(Outcome.ANSWERED,), talk_ms=Range(most=61_500))


def exported(
    many: Many, runner: asyncio.Runner, wanted: Filter, wish: Format, *, bom: bool = False
) -> bytes:
    writer = export.writer_of(wish, bom=bom)
    out = [writer.head()]
    after: Key | None = None
    while True:
        read = partial(export_rows.read, wanted=wanted, after=after, limit=7)
        piece = runner.run(many.db.read(read))
        out.append(writer.rows(piece.rows))
        if piece.resume is None:
            return b"".join([*out, writer.tail()])
        after = piece.resume


def unescaped(cell: str) -> str:
    return cell.removeprefix("'")


def read_csv(raw: bytes) -> list[dict[str, str]]:
    rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    assert rows[0] == NAMES
    return [dict(zip(NAMES, map(unescaped, row), strict=True)) for row in rows[1:]]


@pytest.mark.parametrize("wanted", [Filter(), WANTED, Filter(trunk="none")])
def test_every_format_holds_what_is_asked_for(
    many: Many, runner: asyncio.Runner, wanted: Filter
) -> None:
    expected = [key[1] for key in many.matching(wanted)]
    lines = exported(many, runner, wanted, Format.JSONL).splitlines()
    assert [json.loads(line)["call_id"] for line in lines] == expected
    found = read_csv(exported(many, runner, wanted, Format.CSV))
    assert [one["call_id"] for one in found] == expected
    table = pq.read_table(io.BytesIO(exported(many, runner, wanted, Format.PARQUET)))
    assert table.column("call_id").to_pylist() == expected


def test_the_formats_say_the_same(many: Many, runner: asyncio.Runner) -> None:
    lines = [json.loads(one) for one in exported(many, runner, WANTED, Format.JSONL).splitlines()]
    table = pq.read_table(io.BytesIO(exported(many, runner, WANTED, Format.PARQUET)))
    assert table.column_names == NAMES
    types = {Kind.TEXT: pa.string(), Kind.INTEGER: pa.int64(), Kind.BOOLEAN: pa.bool_()}
    types[Kind.TIME] = pa.timestamp("ms", tz="UTC")
    assert [one.type for one in table.schema] == [types[KINDS[name]] for name in NAMES]
    cells = read_csv(exported(many, runner, WANTED, Format.CSV))
    for line, row, cell in zip(lines, table.to_pylist(), cells, strict=True):
        assert line.pop("ledger") is None  # these have no place in a chain
        for name, value in line.items():
            there = row[name]
            if KINDS[name] is Kind.TIME and value is not None:
                assert there == datetime.fromisoformat(value)
            else:
                assert there == value
            said = "" if value is None else json.dumps(value).strip('"')
            assert cell[name] == (value if isinstance(value, str) else said)


def test_what_is_exported_is_what_was_recorded(many: Many, runner: asyncio.Runner) -> None:
    lines = exported(many, runner, Filter(), Format.JSONL).splitlines()
    by_id = {one.record.call_id: one for one in many.kept}
    for line in lines:
        said = json.loads(line)
        kept = by_id[said["call_id"]]
        record = kept.record
        assert said["outcome"] == record.outcome
        assert (said["ring_ms"], said["talk_ms"]) == (record.ring_ms, record.talk_ms)
        assert datetime.fromisoformat(said["offered_at"]) == record.offered_at
        assert said["conversation_id"] == kept.conversation_id
        assert {said["caller_user_id"], said["callee_user_id"]} - {None} == set(kept.users)
        assert said["number_in"] in NUMBERS
        assert said["sip_status"] == record.sip_status
        assert (said["stars"], said["attempts_count"]) == (kept.stars, len(record.attempts))


def test_no_phone_of_anyone_is_in_any_format(many: Many, runner: asyncio.Runner) -> None:
    phones = {phone for one in many.kept for phone in one.phones}
    for wish in (Format.CSV, Format.JSONL):
        raw = exported(many, runner, Filter(), wish)
        assert not [phone for phone in phones if phone.lstrip("+").encode() in raw]
    table = pq.read_table(io.BytesIO(exported(many, runner, Filter(), Format.PARQUET)))
    text = str(table.to_pylist())
    assert not [phone for phone in phones if phone.lstrip("+") in text]


def test_what_is_written_meanwhile_moves_nothing(many: Many, runner: asyncio.Runner) -> None:
    wanted = Filter(until=NOW + timedelta(days=1))
    before = [key[1] for key in many.matching(wanted)]
    found: list[str] = []
    after: Key | None = None
    for n in range(1_000):
        read = partial(export_rows.read, wanted=wanted, after=after, limit=30)
        piece = runner.run(many.db.read(read))
        found += [str(row[0]) for row in piece.rows]
        if piece.resume is None:
            break
        after = piece.resume
        late = replace(many.kept[0].record, call_id=f"cal_late{n}", offered_at=NOW)
        new = replace(late, call_id=f"cal_new{n}", offered_at=NOW + timedelta(days=2))
        runner.run(many.db.write(partial(put, kept=[(late, None), (new, None)])))
    assert [one for one in found if "late" not in one] == before
    assert len(set(found)) == len(found)


# What spreadsheets were seen to run (OWASP: CSV injection), and what only looks like it.
INJECTIONS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://127.0.0.1/?"&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!D2",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "'=1+1",
    "''",
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    [cell] = _cells(text)
    assert cell[0] == "'", "it is text to every spreadsheet"
    assert unescaped(cell) == text


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_comes_back_from_a_csv_and_none_begins_a_formula(text: str) -> None:
    [cell] = _cells(text)
    assert cell == "" or cell[0] == "'" or cell[0] not in DANGEROUS
    assert unescaped(cell) == text


def _cells(text: str) -> list[str]:
    """The title, as a CSV reader sees it."""
    place = NAMES.index("listing_title")
    row: Values = (*[None] * place, text, *[None] * (len(NAMES) - place - 1))
    raw = export.writer_of(Format.CSV).rows([row])
    [cells] = csv.reader(io.StringIO(raw.decode(), newline=""))
    return [cells[place]]


def test_a_csv_is_as_rfc_4180_has_it(many: Many, runner: asyncio.Runner) -> None:
    raw = exported(many, runner, WANTED, Format.CSV)
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r\n") == raw.count(b"\n") == len(many.matching(WANTED)) + 1
    assert exported(many, runner, WANTED, Format.CSV, bom=True) == BOM + raw


_SAMPLES = {
    Kind.TEXT: st.none() | st.text(st.characters(codec="utf-8")),
    Kind.INTEGER: st.none() | st.integers(-(2**63), 2**63 - 1),
    Kind.BOOLEAN: st.none() | st.booleans(),
    Kind.TIME: st.none()
    | st.integers(0, 2**42).map(lambda ms: NOW + timedelta(milliseconds=ms % 10**12)),
}


@given(st.lists(st.tuples(*_SAMPLES.values()), max_size=40), st.integers(1, 9))
def test_arrow_reads_from_parquet_what_was_written(rows: list[Any], group: int) -> None:
    columns = [(kind.value, kind) for kind in _SAMPLES]
    writer = ParquetWriter(columns, group=group)
    raw = writer.head() + writer.rows(rows[:13]) + writer.rows(rows[13:]) + writer.tail()
    table = pq.read_table(io.BytesIO(raw))
    assert [tuple(one.values()) for one in table.to_pylist()] == rows


@pytest.mark.parametrize(
    ("wish", "few"), [(Format.CSV, 2_000), (Format.JSONL, 2_000), (Format.PARQUET, 20_000)]
)
def test_memory_does_not_grow_with_the_number_of_records(wish: Format, few: int) -> None:
    """`few` are several of what is written at once; three times as many take no more."""

    def most(count: int) -> int:
        writer = export.writer_of(wish)
        tracemalloc.start()
        try:
            size = len(writer.head())
            for piece in _pieces(count):
                size += len(writer.rows(piece))
            size += len(writer.tail())
            assert size > count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most(3 * few) < 1.3 * most(few) < 60_000_000


def _pieces(count: int) -> Iterator[list[Values]]:
    samples: dict[Kind, Value] = {
        Kind.TEXT: "text",
        Kind.INTEGER: 7,
        Kind.BOOLEAN: True,
        Kind.TIME: NOW,
    }
    for n in range(0, count, 500):
        row: Values = (f"cal_{n}", *[samples[column.kind] for column in COLUMNS[1:]])
        yield [row] * 500


def test_an_audit_entry_names_the_filter_and_nobody() -> None:
    vault = a_vault()
    wanted = Filter(
        user_id="u-1", phone_index=b"index", conversation_id="chat-1", outcomes=(Outcome.BUSY,)
    )
    said = told(replace(wanted, talk_ms=Range(1_000), since=NOW, recorded=True), vault.person_ref)
    assert said == {
        "user_id": vault.person_ref("u-1"),
        "phone_index": "given",
        "conversation_id": "given",
        "outcomes": "busy",
        "talk_ms": "1000..",
        "since": "2026-11-02T09:00:00.000+00:00",
        "recorded": "true",
    }
    assert "u-1" not in str(said)
