"""Walks the chains in the database and says whether they are whole, or where they break and why.

It only reads. One chain is one node's records of one day, those that were corrected since among
them. Every record is judged by itself and by what it follows on, so one break hides no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import merge
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from cdr import ledger
from cdr.ledger import Group, Personal
from cdr.ledger_rows import Head
from masking.ids import call_id, call_id_without_time
from storage.errors import SealBroken
from storage.schema import call_versions, calls
from storage.vault import Vault

PIECE: Final = 2000  # records read at once
MOST_BREAKS: Final = 100  # of a chain that are told one by one


class Why(StrEnum):
    """What is wrong at a place of a chain."""

    CHANGED = "changed"  # its content, its place or what stood before it is not what was kept
    PERSONAL = "personal_changed"  # who it was, or what it was about, is not what was kept
    MISSING = "missing"  # no record stands there
    DOUBLED = "doubled"  # another record stands there too
    BEHIND_HEAD = "behind_head"  # a record stands where there was none
    HEAD = "head_differs"  # the last record is not the one the head names
    NO_HEAD = "no_head"  # records stand in a chain that was never begun
    PREVIOUS = "previous_differs"  # the day does not follow on the node's day before
    PUBLISHED = "published_differs"  # it is not the chain whose head was published
    SHOWN = "shown_differs"  # an export shows otherwise than its content says
    BEFORE = "before_ledger"  # more records without a place than there were


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong."""

    why: Why
    seq: int | None = None
    call_id: str | None = None


@dataclass(slots=True)
class Verdict:
    """What was found of one chain."""

    node: str
    day: int
    calls: int = 0
    erased: int = 0  # records something personal of which was erased
    retired: bool = False  # its records are no longer kept: only its head could be looked at
    breaks: list[Break] = field(default_factory=list)
    more_breaks: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.breaks

    def broken(self, why: Why, seq: int | None = None, call_id: str | None = None) -> None:
        """Note what is wrong."""
        if len(self.breaks) < MOST_BREAKS:
            self.breaks.append(Break(why, seq, call_id))
        else:
            self.more_breaks += 1


class Walk:
    """The walk along one chain: `take` its records piece by piece, in order, then `end`."""

    def __init__(
        self,
        head: Head,
        vault: Vault | None,
        published: Mapping[int, bytes] | None = None,
    ) -> None:
        """`vault`: None where what is personal cannot be judged.

        `published`: hashes by place that were given out before.
        """
        self.verdict = Verdict(ledger.public_name(head.node), head.day)
        self._head = head
        self._vault = vault
        self._published = dict(published or {})
        self._hash = ledger.genesis(head.node, head.day, head.previous)
        self._seq = 0
        self.read = 0  # up to which place records were taken, whatever they were

    def grown(self, head: Head) -> None:
        """The chain goes on while it is walked: the head as it stands beside the next records."""
        self._head = head

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Judge the next records of the chain."""
        for row in rows:
            self._take(row)
            self.read = row["ledger_seq"]

    def end(self) -> Verdict:
        """There are no more."""
        verdict, head = self.verdict, self._head
        if self._seq < head.calls:
            self._miss(head.calls)
        elif self._seq == head.calls and self._hash != head.head:
            verdict.broken(Why.HEAD, self._seq)
        for seq in sorted(self._published):
            verdict.broken(Why.PUBLISHED, seq)
        return verdict

    def _take(self, row: Mapping[str, Any]) -> None:
        verdict = self.verdict
        seq, call, kept = row["ledger_seq"], row["call_id"], row["ledger_hash"]
        verdict.calls += 1
        if seq > self._head.calls or seq <= self._seq:
            why = Why.BEHIND_HEAD if seq > self._head.calls else Why.DOUBLED
            verdict.broken(why, seq, call)
            return
        whole = seq == self._seq + 1
        if not whole:
            self._miss(seq - 1)
        link = ledger.link_of(row["content"], row["ledger_personal"] or b"")
        follows = not whole or ledger.hash_of(self._hash, seq, link) == kept
        if not (follows and kept and row["sound"] and row["ledger_form"] == ledger.FORM):
            verdict.broken(Why.CHANGED, seq, call)
        published = self._published.pop(seq, kept)
        if published != kept:
            verdict.broken(Why.PUBLISHED, seq, call)
        self._judge_personal(row)
        self._seq, self._hash = seq, kept or b""

    def _judge_personal(self, row: Mapping[str, Any]) -> None:
        if self._vault is None:
            return
        if len(row["ledger_personal"] or b"") != 48 or len(row["ledger_openings"] or b"") != 48:
            self.verdict.broken(Why.PERSONAL, row["ledger_seq"], row["call_id"])
            return
        phone, sound = _phone(self._vault, row)
        found = [
            ledger.judge(group, row, phone, row["session_id"], self._vault.commitment)
            for group in Group
        ]
        if not sound or Personal.CHANGED in found:
            self.verdict.broken(Why.PERSONAL, row["ledger_seq"], row["call_id"])
        self.verdict.erased += Personal.ERASED in found

    def _miss(self, until: int) -> None:
        for seq in range(self._seq + 1, until + 1):
            self.verdict.broken(Why.MISSING, seq)
            if len(self.verdict.breaks) >= MOST_BREAKS:
                self.verdict.more_breaks += until - seq
                break
        self._seq = until


def _phone(vault: Vault, row: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The phone in the record's seal; and whether the index beside it is the phone's."""
    sealed, index = row["caller_sealed"], row["caller_index"]
    if sealed is None:
        return None, index is None
    try:
        phone = vault.open(sealed)
    except SealBroken:
        return None, False
    return phone, index == vault.index(phone)


_PERSONAL: Final = ("conversation_id", "listing_id", "listing_title", "caller_user_id")
_MORE: Final = ("callee_user_id", "caller_sealed", "caller_index")
_PLACE: Final = (
    "ledger_seq",
    "ledger_form",
    "ledger_hash",
    "ledger_personal",
    "ledger_openings",
)
_HASHED: Final = [calls.c[name] for name in ("linked_id", *sorted(ledger.CONTENT))]


def piece(conn: Connection, node: str, day: int, after: int) -> list[dict[str, Any]]:
    """The chain's next records behind the place `after`, in order; empty: there are no more."""
    found: list[list[dict[str, Any]]] = []
    for table, what in ((calls, _HASHED), (call_versions, call_versions.c["content", "version"])):
        columns = {
            one.name: one
            for one in (
                *table.c["call_id", *_PERSONAL, *_MORE, *_PLACE],
                *what,
            )
        }
        query = (
            select(*columns.values())
            .where(table.c.node == node, table.c.ledger_day == day, table.c.ledger_seq > after)
            .order_by(table.c.ledger_seq)
            .limit(PIECE)
        )
        found.append([_row(row) for row in conn.execute(query).mappings()])
    both = merge(*found, key=itemgetter("ledger_seq"))
    last = min((rows[-1]["ledger_seq"] for rows in found if len(rows) == PIECE), default=None)
    return [row for row in both if last is None or row["ledger_seq"] <= last]


def _row(row: RowMapping) -> dict[str, Any]:
    """A record, or an older version of one, as the walk takes it."""
    kept: dict[str, Any] = dict(row)
    content: str | None = kept.get("content")
    if content is None:
        of = kept["node"], kept["linked_id"]
        sound = kept["call_id"] in (call_id(*of), call_id_without_time(*of))
        return kept | {"content": ledger.content_of(kept), "sound": sound}
    try:
        said = ledger.read(content)
    except ValueError:
        said = {}
    return kept | {
        "content": content.encode(),
        "session_id": said.get("session_id"),
        # Hashed is the content; what stands beside it must be the same.
        "sound": all(said.get(name) == kept[name] for name in ("call_id", "version")),
    }


def days(found: Sequence[Head]) -> Iterator[tuple[Head, bool]]:
    """Heads by node and day, each with whether it follows on the node's day before."""
    before: Head | None = None
    for head in found:
        same = before is not None and before.node == head.node
        yield head, head.previous == (before.head if same and before else b"")
        before = head
