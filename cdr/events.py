"""The rows of a node's event file: bytes in, frozen `EventRow` out.

A row is a JSON object as Asterisk's own writer spells it. Ours are USER_DEFINED: `userdeftype`
holds the kind, and behind it the facts, "k=v" after each semicolon.

A leg that joins a call later has a linkedid of its own, and so has the channel that tells of a leg
which was never there: their rows name the call by the fact "call=".
That holds only for rows of a few kinds, and only for a call of the node that writes the file, whose
name nobody outside knows.

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

    __hash__ = str.__hash__  # Enum's own is a Python function: rows are hashed by the thousand

    OFFER = "OFFER"
    CLICK = "CLICK"
    CLICK_END = "CLICK_END"
    PROMPT = "PROMPT"
    PLAN = "PLAN"
    REFUSE = "REFUSE"
    ATTEMPT = "ATTEMPT"
    WOKE = "WOKE"
    ATTEMPT_END = "ATTEMPT_END"
    ANNOUNCED = "ANNOUNCED"
    RECORDING = "RECORDING"
    RECORDING_END = "RECORDING_END"
    HANDOVER = "HANDOVER"
    QUALITY = "QUALITY"
    LEG = "LEG"
    END = "END"
    ANSWER = "ANSWER"
    LINKEDID_END = "LINKEDID_END"
    NODE_START = "NODE_START"


_KINDS: Mapping[str, EventKind] = MappingProxyType({kind.value: kind for kind in EventKind})


class EventRow(NamedTuple):
    """One row: what happened, when, on which channel of which call. Rows sort by time."""

    at_us: int  # microseconds since 1970 UTC, the node's clock
    kind: EventKind
    unique_id: str  # of the channel; empty for NODE_START
    linked_id: str  # of the call's first channel; empty for NODE_START
    extra: str  # "k=v;k=v" as it stands in the file; empty for most native events

    def values(self) -> dict[str, str]:
        """The facts of `extra`. A key given twice keeps its first value."""
        found: dict[str, str] = {}
        for pair in self.extra.split(";"):
            key, given, value = pair.partition("=")
            if given and key not in found:
                found[key] = value
        return found

    def freeze(self) -> list[str | int]:
        """The row as the staging table keeps it."""
        return [self.at_us, self.kind.value, self.unique_id, self.extra]


def thaw(linked_id: str, kept: tuple[int, str, str, str]) -> EventRow:
    """The row that `EventRow.freeze` made `kept` of. Raises ValueError if `kept` is none."""
    at_us, kind, unique_id, extra = kept
    known = _KINDS.get(kind)
    return EventRow(at_us, EventKind(kind) if known is None else known, unique_id, linked_id, extra)


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
_LINKED = re.compile(_ID)
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
_QUICK = re.compile(
    r'\{"eventtime": ?"([0-9]{9,11})\.([0-9]{6})", ?"eventenum": ?"([A-Z_]{1,32})", ?'
    r'"userdeftype": ?"(?:([A-Z_]{1,32})(?:;([A-Za-z0-9_.:+@=/;-]{0,2000}))?)?", ?'
    rf'"uniqueid": ?"({_ID.decode()})", ?"linkedid": ?"({_ID.decode()})", ?'
    r'"channame": ?"[A-Za-z0-9_.:+@/;<>-]{0,128}"\}\r?'
)
_OWN_TEXT: Mapping[str, EventKind] = {kind.value: kind for kind in _OWN.values()}
_NATIVE_TEXT: Mapping[tuple[str, str | None], EventKind] = {  # by event and what it says
    (kind.value, said): kind
    for kind in (EventKind.ANSWER, EventKind.LINKEDID_END)
    for said in (None, kind.value)
}

_JOINING = frozenset(
    {
        EventKind.ANNOUNCED,
        EventKind.ANSWER,
        EventKind.CLICK,
        EventKind.CLICK_END,
        EventKind.HANDOVER,
        EventKind.RECORDING,
        EventKind.RECORDING_END,
        EventKind.QUALITY,
        EventKind.LEG,
        EventKind.END,
    }
)
_JOINED = re.compile(rb"(?:^|;)call=([^;]*)")


class _Refused(Exception):
    """The line is no row."""


def parse(lines: Iterable[bytes], node: str = "") -> Parsed:
    """The rows of `lines` (each without its line feed), and the count of what is none.

    `node` is the name of the node that writes the file, the first part of its channels' ids;
    without it no row may name another call.

    A line that does not read as a row may be a torn one with the next behind it: whatever in it is
    a row from its first byte to its last is kept.
    """
    rows: list[EventRow] = []
    garbage = ignored = 0
    ours = f"{node}-".encode() if node else None
    quick, new, own, native = _QUICK.fullmatch, tuple.__new__, _OWN_TEXT, _NATIVE_TEXT
    for line in lines:
        # Nearly every line: one fact on a channel of the call. It is read here, where a call of a
        # function would cost more than the reading; `_rows` says the same of it, and all else.
        match = None if b"call=" in line else quick(line.decode("ascii", "replace"))
        if match is not None:
            seconds, micros, event, name, extra, unique_id, linked_id = match.groups()
            kind = own.get(name) if event == "USER_DEFINED" else native.get((event, name))
            if kind is not None:
                at_us = int(seconds + micros)
                rows.append(new(EventRow, (at_us, kind, unique_id, linked_id, extra or "")))
                continue
        try:
            found = _rows(line, ours)
        except _Refused:
            garbage += 1
            for part in _START.split(line)[1:]:
                with contextlib.suppress(_Refused):
                    rows.extend(_rows(part, ours))
            continue
        if found:
            rows.extend(found)
        else:
            ignored += 1
    return Parsed(tuple(rows), garbage, ignored)


def _rows(line: bytes, ours: bytes | None) -> list[EventRow]:
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
        if name == b"ANSWER" and b"call=" in extra:
            kind = EventKind.ANSWER  # of a leg whose own one names no call
        if kind is not None:
            joined = _joined(kind, extra, ours) if b"call=" in extra else None
            rows.append(_of_call(at_us, kind, unique_id, joined or linked_id, extra))
    return rows


def _joined(kind: EventKind, extra: bytes, ours: bytes | None) -> bytes | None:
    """The call that the row names, None if it names none. Raises _Refused if it may not."""
    named = _JOINED.findall(extra)
    if not named:
        return None
    call = bytes(named[0])
    if len(named) > 1 or kind not in _JOINING or ours is None or not call.startswith(ours):
        raise _Refused
    if not _LINKED.fullmatch(call):
        raise _Refused
    return call


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
    return float(text) + 0.0 if _FIGURE.fullmatch(text) else None  # never -0.0: JSONB knows none
