"""Exports of call records as files: bytes from rows, piece by piece, in constant memory.

- CSV (RFC 4180): a header, CRLF, UTF-8. A spreadsheet takes a cell that begins with ``=`` for a
  formula and runs it; so a text that begins with ``=``, ``+``, ``-``, ``@``, an apostrophe, a tab
  or a line break (or a full-width twin of one) is written with an apostrophe before it. Whoever
  reads the file drops one apostrophe from the beginning of a cell. Times are RFC 3339 in UTC, what
  is not known is empty.
- JSON Lines: an object a line; the link to the ledger stands in ``ledger``.
- Parquet: see `cdr.export_parquet`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import orjson

from cdr.export_parquet import ParquetWriter
from cdr.export_rows import COLUMNS, LINK, Value, Values, link_of

BOM: Final = b"\xef\xbb\xbf"
DANGEROUS: Final = frozenset("=+-@'\t\r\n＝＋－＠")
_BOOLEANS: Final = {True: "true", False: "false"}
_OWN_NAMES: Final = tuple(column.name for column in COLUMNS[: -len(LINK)])


class Format(StrEnum):
    """The formats, as they are asked for."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


MEDIA_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Writer(Protocol):
    """Makes a file of rows: what `head`, any number of `rows`, and `tail` give, in this order."""

    def head(self) -> bytes:
        """What the file begins with."""
        ...

    def rows(self, rows: Sequence[Values]) -> bytes:
        """More rows; what of them is ready to be written."""
        ...

    def tail(self) -> bytes:
        """What the file ends with."""
        ...


def writer_of(wanted: Format, *, bom: bool = False) -> Writer:
    """A writer of one file. `bom`: CSV only, for programs that else take it for Latin-1."""
    match wanted:
        case Format.CSV:
            return _Csv(bom=bom)
        case Format.JSONL:
            return _Lines()
        case Format.PARQUET:
            return ParquetWriter([(column.name, column.kind) for column in COLUMNS])


class _Csv:
    def __init__(self, *, bom: bool) -> None:
        self._bom = BOM if bom else b""

    def head(self) -> bytes:
        return self._bom + _csv([[column.name for column in COLUMNS]])

    def rows(self, rows: Sequence[Values]) -> bytes:
        return csv_lines(rows)

    def tail(self) -> bytes:
        return b""


def csv_lines(rows: Sequence[Sequence[Value]]) -> bytes:
    """Lines of CSV, in which no spreadsheet finds a formula."""
    return _csv([[_cell(value) for value in row] for row in rows])


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")  # halves of surrogate pairs have no bytes


def _cell(value: Value) -> str:
    text = text_of(value)
    return f"'{text}" if text[:1] in DANGEROUS and text else text


def text_of(value: Value) -> str:
    """The value as a cell says it, but for the apostrophe before what is dangerous."""
    match value:
        case None:
            return ""
        case bool():
            return _BOOLEANS[value]
        case str():
            return value
        case datetime():
            return time_text(value)
        case int():
            return str(value)


class _Lines:
    def head(self) -> bytes:
        return b""

    def rows(self, rows: Sequence[Values]) -> bytes:
        return b"".join(_line(row) for row in rows)

    def tail(self) -> bytes:
        return b""


def _line(row: Values) -> bytes:
    said: dict[str, object] = {
        name: time_text(value) if isinstance(value, datetime) else value
        for name, value in zip(_OWN_NAMES, row, strict=False)
    }
    said["ledger"] = link_of(row)
    try:
        return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # halves of surrogate pairs, which only SQLite keeps
        return json.dumps(said).encode() + b"\n"


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
