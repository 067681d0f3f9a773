"""Verifies an export by itself: without a database, against heads that were published.

An export is told as mappings, each either a record as `ledger.exported` gives it, or the bare link
of a record that was left out (`node`, `day`, `seq`, `link`). `differs` names a column beside the
record that says otherwise than its content. What is personal in a record cannot be
judged here: its digests can, and they hold it to what was kept.

Pure. It keeps some 250 bytes of each record in memory, whatever order they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cdr import ledger
from cdr.ledger_rows import Head
from cdr.ledger_walk import Verdict, Why


class NotAnExport(ValueError):
    """The line carries no record of a ledger."""

    error_id = "not_an_export"


@dataclass(frozen=True, slots=True)
class Published:
    """A head as it was given out: what stood at one place of a chain."""

    node: str
    day: int
    calls: int
    head: bytes
    previous: bytes

    @classmethod
    def of(cls, head: Head) -> Published:
        """The head as it stands in the database."""
        return cls(ledger.public_name(head.node), head.day, head.calls, head.head, head.previous)

    def line(self) -> dict[str, str | int]:
        """As it is written down."""
        return {
            "node": self.node,
            "day": ledger.day_text(self.day),
            "calls": self.calls,
            "head": self.head.hex(),
            "previous": self.previous.hex(),
        }

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Published:
        """What `line` gave. Raises NotAnExport."""
        try:
            return cls(
                str(line["node"]),
                ledger.day_from(line["day"]),
                int(line["calls"]),
                bytes.fromhex(line["head"]),
                bytes.fromhex(line["previous"]),
            )
        except (KeyError, TypeError, ValueError):
            raise NotAnExport("a line that is no head of a chain") from None


@dataclass(frozen=True, slots=True)
class _Place:
    link: bytes
    hash: bytes | None  # None: the record was left out
    call_id: str | None


def verify_export(
    lines: Iterable[Mapping[str, Any]], heads: Iterable[Published], *, part: bool = False
) -> list[Verdict]:
    """What was found of each chain that a record of the export is of, by node and day.

    `part`: the export is of some records only; the others are not missed. Such a record is held to
    the chain where the one before it, or its bare link, is in the export too.
    Raises NotAnExport.
    """
    chains: dict[tuple[str, int], dict[int, _Place]] = {}
    verdicts: dict[tuple[str, int], Verdict] = {}
    for line in lines:
        node, day, seq, place = _read(line)
        key = (node, day)
        verdict = verdicts.setdefault(key, Verdict(node, day))
        known = chains.setdefault(key, {})
        if seq in known:
            verdict.broken(Why.DOUBLED, seq, place.call_id)
            continue
        verdict.calls += place.hash is not None
        if line.get("differs") is not None:
            verdict.broken(Why.SHOWN, seq, place.call_id)
        known[seq] = place
    published: dict[tuple[str, int], list[Published]] = {}
    for head in heads:
        published.setdefault((head.node, head.day), []).append(head)
    for key, places in chains.items():
        _walk(verdicts[key], places, published.get(key, []), part=part)
    return [verdicts[key] for key in sorted(verdicts)]


def _walk(
    verdict: Verdict, places: dict[int, _Place], heads: list[Published], *, part: bool
) -> None:
    if not heads:
        verdict.broken(Why.NO_HEAD)
        return
    wanted = {head.calls: head.head for head in heads}
    longest = max(wanted)
    previous = {head.previous for head in heads}
    if len(previous) > 1:
        verdict.broken(Why.PREVIOUS)
        return
    at: bytes | None = ledger.genesis(verdict.node, verdict.day, previous.pop())
    for seq in range(1, max(longest, *places) + 1):
        place = places.get(seq)
        if place is None:
            if not part:
                verdict.broken(Why.MISSING, seq)
            at = None
        else:
            at = _follow(verdict, seq, place, at)
        if seq in wanted and at is not None and at != wanted[seq]:
            verdict.broken(Why.PUBLISHED, seq, place.call_id if place else None)
        if seq > longest and place is not None:
            verdict.broken(Why.BEHIND_HEAD, seq, place.call_id)


def _follow(verdict: Verdict, seq: int, place: _Place, at: bytes | None) -> bytes | None:
    """The hash at the place."""
    found = None if at is None else ledger.hash_of(at, seq, place.link)
    if place.hash is None:
        return found
    if found is not None and found != place.hash:
        verdict.broken(Why.CHANGED, seq, place.call_id)
    return place.hash


def _read(line: Mapping[str, Any]) -> tuple[str, int, int, _Place]:
    try:
        node, day, seq = str(line["node"]), ledger.day_from(line["day"]), int(line["seq"])
        if seq < 1:
            raise ValueError
        if "link" in line:
            return node, day, seq, _Place(bytes.fromhex(line["link"]), None, None)
        content = str(line["content"]).encode()
        link = ledger.link_of(content, bytes.fromhex(line["personal"]))
        said = ledger.read(content)
        if said.get("node") != node:
            raise ValueError
        return node, day, seq, _Place(link, bytes.fromhex(line["hash"]), said.get("call_id"))
    except (KeyError, TypeError, ValueError):
        raise NotAnExport("a line that is no record of a ledger") from None
