"""Verifies the ledger, in the database or in an export, and tells of the heads of its chains.

It only reads, beside a Maskline that runs or without one.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from cdr import ledger, ledger_rows, ledger_walk
from cdr.export_check import differing
from cdr.ledger_export import NotAnExport, Published, verify_export
from cdr.ledger_rows import Head
from cdr.ledger_walk import Break, Verdict, Walk, Why
from maskline.errors import MasklineError
from maskline.settings import Settings
from storage.database import Database, open_database
from storage.errors import VaultKeyDiffers
from storage.marks import vault_fingerprint
from storage.vault import Vault

_COLUMNS: Final = ("node", "day", "seq", "hash", "personal", "content")


class NothingToVerify(MasklineError):
    """There is no chain of that node and day."""

    error_id = "nothing_to_verify"


class NoVaultKey(MasklineError):
    """The data folder holds no vault key."""

    error_id = "no_vault_key"


@dataclass(slots=True)
class Report:
    """What was found of all chains that were looked at."""

    verdicts: list[Verdict] = field(default_factory=list)
    before_ledger: int = 0  # records kept before there were chains: nothing can be said of them
    slipped_in: int = 0  # more than there were
    against: str = "the heads in the database"

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.slipped_in == 0 and all(one.whole for one in self.verdicts)

    def lines(self) -> Iterator[str]:
        """For people."""
        for one in self.verdicts:
            yield from _lines(one)
        if self.before_ledger:
            yield f"{self.before_ledger} records are older than the ledger: nothing is said of them"
        if self.slipped_in:
            yield f"BROKEN: {self.slipped_in} more records without a place than there were"
        calls = sum(one.calls for one in self.verdicts)
        said = "whole" if self.whole else "BROKEN"
        chains = len(self.verdicts)
        yield f"{said}: {calls} records in {chains} chains, against {self.against}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "whole": self.whole,
            "against": self.against,
            "before_ledger": self.before_ledger,
            "slipped_in": self.slipped_in,
            "chains": [_json(one) for one in self.verdicts],
        }


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Database, Vault]]:
    """Database and vault as they are: nothing is made or migrated. Raises StorageError."""
    key = settings.data / "vault.key"
    if not key.exists():
        raise NoVaultKey(f"{key} is not there: records cannot be verified without it")
    vault = Vault.from_file(key)
    db = open_database(settings.database)
    try:
        kept = await db.read(vault_fingerprint)
        if kept is not None and kept != vault.fingerprint():
            raise VaultKeyDiffers
        yield db, vault
    finally:
        await db.close()


async def published_heads(
    db: Database, *, node: str | None = None, day: int | None = None
) -> list[Published]:
    """The heads of the chains as they stand now."""
    found = await db.read(ledger_rows.heads)
    return [Published.of(head) for head in found if _wanted(head, node, day)]


async def verify_database(
    db: Database,
    vault: Vault,
    *,
    node: str | None = None,
    day: int | None = None,
    published: Iterable[Published] = (),
) -> Report:
    """Walk all chains, or those of one node or day. Raises NothingToVerify, StorageError."""
    given: dict[tuple[str, int], list[Published]] = {}
    for one in published:
        if _wanted(one, node, day):
            given.setdefault((one.node, one.day), []).append(one)
    report = Report()
    if given:
        report.against = "the heads that were published"
    every = await db.read(ledger_rows.heads)
    for head, follows in ledger_walk.days(every):
        if not _wanted(head, node, day):
            continue
        key = (ledger.public_name(head.node), head.day)
        verdict = await _walk(db, vault, head, given.pop(key, []))
        if not follows:
            verdict.broken(Why.PREVIOUS)
        report.verdicts.append(verdict)
    begun = {(one.node, one.day) for one in report.verdicts}
    found_in = await db.read(ledger_rows.chains_with_records)
    claimed = {(ledger.public_name(of_node), of_day) for of_node, of_day in found_in}
    for of_node, of_day in sorted((claimed | given.keys()) - begun):
        verdict = Verdict(of_node, of_day)
        if _wanted(verdict, node, day):
            verdict.broken(Why.NO_HEAD)
            report.verdicts.append(verdict)
    if node is None and day is None:
        noted, found = await db.read(ledger_rows.before_ledger)
        report.before_ledger, report.slipped_in = min(noted, found), max(0, found - noted)
    elif not report.verdicts:
        raise NothingToVerify("there is no chain of that node and day")
    return report


def verify_file(
    file: Path, heads: Iterable[Published], *, against: str, part: bool = False
) -> Report:
    """An export by itself. Raises NotAnExport, OSError."""
    return Report(verify_export(read_export(file), heads, part=part), against=against)


def read_export(file: Path) -> Iterator[Mapping[str, Any]]:
    """The records of an export, as `verify_export` takes them. Raises NotAnExport."""
    match file.suffix:
        case ".csv":
            csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
            with file.open(encoding="utf-8-sig", newline="") as text:
                yield from (_columns(row) for row in csv.DictReader(text) if row.get("ledger_node"))
        case _:
            with file.open(encoding="utf-8") as text:
                for line in text:
                    if line.strip():
                        said = _object(line)
                        inner = said.get("ledger", said)
                        if inner is not None:  # a record older than the ledger has no place
                            yield said if inner is said else _held(inner, said)


def read_heads(file: Path) -> list[Published]:
    """What `maskline records head` printed. Raises NotAnExport, OSError."""
    with file.open(encoding="utf-8") as text:
        return [Published.read(_object(line)) for line in text if line.strip()]


def _object(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise NotAnExport("a line that is no JSON object")
    return said


def _columns(row: Mapping[str, str]) -> Mapping[str, Any]:
    if row.get("ledger_link"):
        return {name: row.get(f"ledger_{name}") or "" for name in ("node", "day", "seq", "link")}
    return _held({name: row.get(f"ledger_{name}") or "" for name in _COLUMNS}, row)


def _held(line: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record's link, and which of the columns beside it says otherwise."""
    try:
        return {**line, "differs": differing(said, str(line["content"]))}
    except (KeyError, TypeError, ValueError, AttributeError):
        return line  # it is judged by who reads links


async def _walk(db: Database, vault: Vault, head: Head, given: list[Published]) -> Verdict:
    walk = Walk(head, vault, {one.calls: one.head for one in given})
    if head.retired_at is not None:
        walk.verdict.retired = True
        return walk.verdict
    while True:

        def work(conn: Connection, after: int = walk.read) -> tuple[Head, list[dict[str, Any]]]:
            now = ledger_rows.heads(conn, node=head.node, day=head.day)
            return (now or [head])[0], ledger_walk.piece(conn, head.node, head.day, after)

        now, rows = await db.read(work)
        walk.grown(now)
        walk.take(rows)
        if not rows:
            return walk.end()


def _wanted(one: Head | Published | Verdict, node: str | None, day: int | None) -> bool:
    """Nodes may be named by either name."""
    ours = node is None or ledger.public_name(node) == ledger.public_name(one.node)
    return ours and (day is None or one.day == day)


def _lines(one: Verdict) -> Iterator[str]:
    where = f"{ledger.day_text(one.day)}  {one.node}"
    if one.retired:
        yield f"{where}  retired: its records are no longer kept"
    if one.whole and not one.retired:
        erased = f", {one.erased} with erased people" if one.erased else ""
        yield f"{where}  {one.calls} records  whole{erased}"
    for found in one.breaks:
        yield f"{where}  BROKEN {_said(found)}"
    if one.more_breaks:
        yield f"{where}  BROKEN at {one.more_breaks} more places"


_SAID: Final[Mapping[Why, str]] = {
    Why.CHANGED: "it, or what it follows on, is not what was kept",
    Why.PERSONAL: "who it was, or what it was about, is not what was kept",
    Why.MISSING: "the record is gone",
    Why.DOUBLED: "a second record stands there",
    Why.BEHIND_HEAD: "it stands behind the end of the chain",
    Why.HEAD: "the last record is not the one that the head names",
    Why.NO_HEAD: "the chain has no head",
    Why.PREVIOUS: "the day does not follow on the node's day before",
    Why.PUBLISHED: "it is not the chain whose head was published",
    Why.SHOWN: "a column shows otherwise than the content that was kept",
    Why.BEFORE: "it claims to be older than the ledger",
}


def _said(found: Break) -> str:
    place = "" if found.seq is None else f"at {found.seq}"
    call = "" if found.call_id is None else f" ({found.call_id})"
    return f"{place}{call}: {_SAID[found.why]}".lstrip(": ")


def _json(one: Verdict) -> dict[str, Any]:
    return {
        "node": one.node,
        "day": ledger.day_text(one.day),
        "records": one.calls,
        "erased": one.erased,
        "retired": one.retired,
        "whole": one.whole,
        "breaks": [
            {"why": found.why, "seq": found.seq, "call_id": found.call_id} for found in one.breaks
        ],
        "more_breaks": one.more_breaks,
    }
