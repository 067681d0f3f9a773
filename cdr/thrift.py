"""Thrift's compact protocol, as far as a Parquet file needs it: structs to bytes, never back.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

I32: Final = 5
I64: Final = 6
_BINARY: Final = 8
_LIST: Final = 9
_STRUCT: Final = 12
_TRUE: Final = 1
_FALSE: Final = 2
_LONG_LIST: Final = 15


@dataclass(frozen=True, slots=True)
class Number:
    """An integer with its width: I32 or I64. Enums are I32."""

    value: int
    kind: int = I32


Thrift = bool | bytes | Number | dict[int, "Thrift"] | list["Thrift"]
"""A struct is its fields by their ids, in rising order; what is not set is left out."""


def encode(struct: dict[int, Thrift]) -> bytes:
    """A struct."""
    out = bytearray()
    last = 0
    for field_id, value in struct.items():
        kind = _kind(value)
        step = field_id - last
        if 0 < step <= 15:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            out += varint(_zigzag(field_id))
        out += _value(value) if not isinstance(value, bool) else b""
        last = field_id
    out.append(0)
    return bytes(out)


def _kind(value: Thrift) -> int:
    match value:
        case bool():
            return _TRUE if value else _FALSE
        case bytes():
            return _BINARY
        case Number():
            return value.kind
        case dict():
            return _STRUCT
        case list():
            return _LIST


def _value(value: Thrift) -> bytes:
    match value:
        case bool():
            return bytes((_TRUE if value else _FALSE,))  # as an element of a list
        case bytes():
            return varint(len(value)) + value
        case Number():
            return varint(_zigzag(value.value))
        case dict():
            return encode(value)
        case list():
            return _list(value)


def _list(values: Sequence[Thrift]) -> bytes:
    kind = _kind(values[0]) if values else _STRUCT
    if len(values) < _LONG_LIST:
        head = bytes((len(values) << 4 | kind,))
    else:
        head = bytes((_LONG_LIST << 4 | kind,)) + varint(len(values))
    return head + b"".join(_value(one) for one in values)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def varint(value: int) -> bytes:
    """`value`, not negative, seven bits a byte, the lowest first (LEB128)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
