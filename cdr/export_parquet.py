"""Writes Apache Parquet: flat columns that may all be null, compressed, row group by row group.

Only what an export needs of the format (https://parquet.apache.org/docs/file-format): one page a
column and group, PLAIN values, definition levels for what is null, gzip. No statistics, no
dictionaries, no nesting. Never reads. Tests read the files back with Apache Arrow.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, assert_never

from cdr.export_rows import Kind, Value, Values
from cdr.thrift import I64, Number, Thrift, encode, varint
from storage.columns import to_ms

MAGIC: Final = b"PAR1"
GROUP: Final = 10_000  # rows: all that is ever held in memory
_BOOLEAN, _INT64, _BYTE_ARRAY = 0, 2, 6  # physical types
_OPTIONAL: Final = Number(1)
_PLAIN, _RLE = 0, 3
_GZIP: Final = 2
_DATA_PAGE: Final = 0
_UTF8: Final = Number(0)  # converted type, for readers that know no logical ones
_TIMESTAMP_MILLIS: Final = Number(9)
_LEVEL: Final = 3  # of zlib


@dataclass(slots=True)
class _Chunk:
    """A column of a row group, as it lies in the file."""

    offset: int
    size: int
    plain_size: int
    count: int


@dataclass(slots=True)
class _Group:
    rows: int
    chunks: list[_Chunk] = field(default_factory=list)


class ParquetWriter:
    """One file. See `cdr.export.Writer`."""

    def __init__(
        self, columns: Sequence[tuple[str, Kind]], *, group: int = GROUP, level: int = _LEVEL
    ) -> None:
        self._columns = columns
        self._rows_each = group
        self._level = level
        self._waiting: list[Values] = []
        self._groups: list[_Group] = []
        self._at = 0

    def head(self) -> bytes:
        """See `Writer.head`."""
        self._at = len(MAGIC)
        return MAGIC

    def rows(self, rows: Sequence[Values]) -> bytes:
        """See `Writer.rows`. Gives bytes once a row group is full."""
        self._waiting.extend(rows)
        out = bytearray()
        while len(self._waiting) >= self._rows_each:
            full = self._waiting[: self._rows_each]
            del self._waiting[: self._rows_each]
            out += self._group(full)
        return bytes(out)

    def tail(self) -> bytes:
        """See `Writer.tail`: the last row group, and what the file holds where."""
        last = self._group(self._waiting) if self._waiting else b""
        self._waiting = []
        described = encode(self._described())
        return last + described + struct.pack("<I", len(described)) + MAGIC

    def _group(self, rows: Sequence[Values]) -> bytes:
        group = _Group(len(rows))
        out = bytearray()
        for (_, kind), values in zip(self._columns, zip(*rows, strict=True), strict=True):
            page, plain_size = self._page(kind, values)
            group.chunks.append(_Chunk(self._at + len(out), len(page), plain_size, len(values)))
            out += page
        self._groups.append(group)
        self._at += len(out)
        return bytes(out)

    def _page(self, kind: Kind, values: Sequence[Value]) -> tuple[bytes, int]:
        """The page with its header, and how large both were without compression."""
        levels = _levels(values)
        plain = struct.pack("<I", len(levels)) + levels + _PLAIN_OF[kind](values)
        packer = zlib.compressobj(self._level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        packed = packer.compress(plain) + packer.flush()
        header = encode(
            {
                1: Number(_DATA_PAGE),
                2: Number(len(plain)),
                3: Number(len(packed)),
                5: {1: Number(len(values)), 2: Number(_PLAIN), 3: Number(_RLE), 4: Number(_RLE)},
            }
        )
        return header + packed, len(header) + len(plain)

    def _described(self) -> dict[int, Thrift]:
        """FileMetaData."""
        root: Thrift = {4: b"schema", 5: Number(len(self._columns))}
        return {
            1: Number(1),
            2: [root, *(_element(name, kind) for name, kind in self._columns)],
            3: Number(sum(group.rows for group in self._groups), I64),
            4: [self._row_group(group) for group in self._groups],
            6: b"maskline",
        }

    def _row_group(self, group: _Group) -> Thrift:
        chunks: list[Thrift] = [
            {
                2: Number(chunk.offset, I64),
                3: {
                    1: Number(_TYPES[kind]),
                    2: [Number(_PLAIN), Number(_RLE)],
                    3: [name.encode()],
                    4: Number(_GZIP),
                    5: Number(chunk.count, I64),
                    6: Number(chunk.plain_size, I64),
                    7: Number(chunk.size, I64),
                    9: Number(chunk.offset, I64),
                },
            }
            for (name, kind), chunk in zip(self._columns, group.chunks, strict=True)
        ]
        size = sum(chunk.plain_size for chunk in group.chunks)
        return {1: chunks, 2: Number(size, I64), 3: Number(group.rows, I64)}


_TYPES: Final = {
    Kind.TEXT: _BYTE_ARRAY,
    Kind.INTEGER: _INT64,
    Kind.TIME: _INT64,
    Kind.BOOLEAN: _BOOLEAN,
}


def _element(name: str, kind: Kind) -> Thrift:
    """SchemaElement: physical type, that it may be null, and what it means."""
    known: dict[int, Thrift] = {1: Number(_TYPES[kind]), 3: _OPTIONAL, 4: name.encode()}
    match kind:
        case Kind.TEXT:
            known |= {6: _UTF8, 10: {1: {}}}
        case Kind.TIME:  # in UTC, milliseconds
            known |= {6: _TIMESTAMP_MILLIS, 10: {8: {1: True, 2: {1: {}}}}}
        case Kind.INTEGER | Kind.BOOLEAN:
            pass
        case _:
            assert_never(kind)
    return known


def _levels(values: Sequence[Value]) -> bytes:
    """Which values there are, in runs of equal ones (RLE of one bit)."""
    out = bytearray()
    run, there = 0, False
    for value in values:
        now = value is not None
        if now is not there and run:
            out += varint(run << 1)
            out.append(there)
            run = 0
        there = now
        run += 1
    out += varint(run << 1)
    out.append(there)
    return bytes(out)


def _texts(values: Sequence[Any]) -> bytes:
    out: list[bytes] = []
    for value in values:
        if value is not None:
            raw = value.encode("utf-8", "replace")
            out += (len(raw).to_bytes(4, "little"), raw)
    return b"".join(out)


def _integers(values: Sequence[Any]) -> bytes:
    there = [value for value in values if value is not None]
    return struct.pack(f"<{len(there)}q", *there)


def _times(values: Sequence[Any]) -> bytes:
    there: list[datetime] = [value for value in values if value is not None]
    return _integers([to_ms(value) for value in there])


def _booleans(values: Sequence[Any]) -> bytes:
    """A bit each, the lowest first."""
    there = [value for value in values if value is not None]
    bits = sum(1 << place for place, value in enumerate(there) if value)
    return bits.to_bytes((len(there) + 7) // 8, "little")


_PLAIN_OF: Final[dict[Kind, Callable[[Sequence[Any]], bytes]]] = {
    Kind.TEXT: _texts,
    Kind.INTEGER: _integers,
    Kind.TIME: _times,
    Kind.BOOLEAN: _booleans,
}
