"""The rows of a node's event file: bytes in, frozen `EventRow` out.

A row is a JSON object as Asterisk's own writer spells it. Ours are USER_DEFINED: `userdeftype`
holds the kind, and behind it the facts, "k=v" after each semicolon.

The file is written by Asterisk, and what it writes may have been shaped by a caller: a row counts
only if every byte of it is of the alphabet that the dialplan uses. Nothing here may ever log, quote
or keep the bytes of a row that was refused.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class EventKind(StrEnum):
    """What a row says, by the word that stands for it in the file."""

    OFFER = "OFFER"
    PLAN = "PLAN"
    REFUSE = "REFUSE"
    ATTEMPT = "ATTEMPT"
    ATTEMPT_END = "ATTEMPT_END"
    LEG = "LEG"
    END = "END"
    ANSWER = "ANSWER"
    LINKEDID_END = "LINKEDID_END"
    NODE_START = "NODE_START"


class EventRow(NamedTuple):
    """One row: what happened, when, on which channel of which call. Rows sort by time."""

    at_us: int  # microseconds since 1970 UTC, the node's clock
    kind: EventKind
    unique_id: str  # of the channel; empty for NODE_START
    linked_id: str  # of the call's first channel; empty for NODE_START
    extra: str  # "k=v;k=v" as it stands in the file; empty for most native events

    def values(self) -> dict[str, str]:
        """The facts of `extra`. A key given twice keeps its first value."""
        pairs = reversed(self.extra.split(";"))  # so that the first one stays
        return {key: value for key, _, value in (p.partition("=") for p in pairs if "=" in p)}

    def freeze(self) -> list[str | int]:
        """The row as the staging table keeps it."""
        return [self.at_us, self.kind.value, self.unique_id, self.extra]


def thaw(linked_id: str, kept: tuple[int, str, str, str]) -> EventRow:
    """The row that `EventRow.freeze` made `kept` of. Raises ValueError if `kept` is none."""
    at_us, kind, unique_id, extra = kept
    return EventRow(at_us, EventKind(kind), unique_id, linked_id, extra)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a stretch of the file holds."""

    rows: tuple[EventRow, ...]
    garbage: int  # lines, or parts of lines, that are no row
    ignored: int  # rows in good order of events that records do not need


_ID = rb"[A-Za-z0-9_.-]{1,128}"
_FACT = rb"[A-Z_]{1,32}(?:;[A-Za-z0-9_.:+@=/;-]{0,2000})?"
_ROW = re.compile(
    rb'\{"eventtime": ?"([0-9]{9,11})\.([0-9]{6})", ?'
    rb'"eventenum": ?"([A-Z_]{1,32})", ?'
    rb'"userdeftype": ?"((?:' + _FACT + rb"(?:\|" + _FACT + rb')*)?)", ?'
    rb'"uniqueid": ?"(' + _ID + rb')?", ?"linkedid": ?"(' + _ID + rb')?", ?'
    rb'"channame": ?"[A-Za-z0-9_.:+@/;<>-]{0,128}"\}\r?'
)
_START = re.compile(rb'(?=\{"eventtime":)')
_NATIVE: Mapping[bytes, EventKind] = MappingProxyType(
    {
        kind.value.encode(): kind
        for kind in (EventKind.ANSWER, EventKind.LINKEDID_END, EventKind.NODE_START)
    }
)
_OWN: Mapping[bytes, EventKind] = MappingProxyType(
    {kind.value.encode(): kind for kind in EventKind if kind.value.encode() not in _NATIVE}
)


class _Refused(Exception):
    """The line is no row."""


def parse(lines: Iterable[bytes]) -> Parsed:
    """The rows of `lines` (each without its line feed), and the count of what is none.

    A line that does not read as a row may be a torn one with the next behind it: whatever in it is
    a row from its first byte to its last is kept.
    """
    rows: list[EventRow] = []
    garbage = ignored = 0
    for line in lines:
        try:
            found = _rows(line)
        except _Refused:
            garbage += 1
            for part in _START.split(line)[1:]:
                with contextlib.suppress(_Refused):
                    rows.extend(_rows(part))
            continue
        if found:
            rows.extend(found)
        else:
            ignored += 1
    return Parsed(tuple(rows), garbage, ignored)


def _rows(line: bytes) -> list[EventRow]:
    """What `line` says, nothing if it is of an event that records do not need. Raises _Refused.

    Facts of one moment stand in one line, with bars between them.
    """
    match = _ROW.fullmatch(line)
    if match is None:
        raise _Refused
    seconds, micros, event, said, unique_id, linked_id = match.groups()
    at_us = int(seconds) * 1_000_000 + int(micros)
    if event != b"USER_DEFINED":
        name, _, extra = said.partition(b";")
        if name and name != event:
            raise _Refused
        kind = _NATIVE.get(event)
        if kind is None:
            return []
        if kind is EventKind.NODE_START:
            return [EventRow(at_us, kind, "", "", extra.decode("ascii"))]
        return [_of_call(at_us, kind, unique_id, linked_id, extra)]
    rows: list[EventRow] = []
    for fact in said.split(b"|"):
        name, _, extra = fact.partition(b";")
        kind = _OWN.get(name)
        if kind is not None:
            rows.append(_of_call(at_us, kind, unique_id, linked_id, extra))
    return rows


def _of_call(
    at_us: int, kind: EventKind, unique_id: bytes | None, linked_id: bytes | None, extra: bytes
) -> EventRow:
    if not unique_id or not linked_id:
        raise _Refused
    ids = unique_id.decode("ascii"), linked_id.decode("ascii")
    return EventRow(at_us, kind, *ids, extra.decode("ascii"))


def integer(facts: Mapping[str, str], key: str, *, most: int = 2**31 - 1) -> int | None:
    """The fact as an integer of 0 to `most`; None if it is absent, empty or anything else."""
    text = facts.get(key, "")
    if not text.isdecimal() or len(text) > 10:
        return None
    value = int(text)
    return value if value <= most else None


_FIGURE = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?")


def figure(facts: Mapping[str, str], key: str) -> float | None:
    """The fact as a plain decimal figure; None if it is absent, empty or anything else."""
    text = facts.get(key, "")
    return float(text) if _FIGURE.fullmatch(text) else None
