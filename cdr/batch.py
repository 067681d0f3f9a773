"""One batch: event rows in, everything that has to be written because of them out.

`prepare` reads and decides, `keep` writes: all of a batch and its checkpoint, in the caller's
transaction. Between the two nobody else may have kept a batch of the same node; `keep` makes sure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from cdr import call_log, history, people, records, staging
from cdr.entries import history_row, log_rows
from cdr.events import EventKind, EventRow
from cdr.fold import Cut, CutReason, Stray, Unfinished, fold
from cdr.model import CallRecord
from cdr.notices import notices_of
from cdr.times import micros, microseconds, moment
from masking.ids import call_id
from masking.outcome import Outcome
from storage import conversations, endings, outbox
from storage.endings import EndedCall
from storage.errors import SealBroken
from storage.vault import Vault

MOST_CUT = 200  # calls that one batch closes because the node died: a transaction stays short
MOST_ROWS = 400  # of one call; no honest call has a tenth of it
GIVE_UP = timedelta(hours=25)  # an hour more than the longest call there may be


@dataclass(frozen=True, slots=True)
class Counts:
    """What a batch came to."""

    recorded: int = 0
    repeated: int = 0  # rows of calls that have their record already
    strays: int = 0  # channels that were never offered as calls
    surplus: int = 0  # rows beyond what a call may have
    broken_seals: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written."""

    complete: bool  # False: more calls have to be closed before these event rows can be kept
    calls: tuple[dict[str, Any], ...]
    history: tuple[dict[str, Any], ...]
    log: tuple[dict[str, Any], ...]
    owed: tuple[dict[str, Any], ...]
    ended: tuple[EndedCall, ...]
    staged: tuple[dict[str, Any], ...]
    over: tuple[str, ...]  # calls that are staged no longer
    counts: Counts


@dataclass(slots=True)
class _Work:
    """A batch in the making."""

    node: str
    open: dict[str, staging.OpenCall]
    records: list[CallRecord] = field(default_factory=list)
    staged: list[dict[str, Any]] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    repeated: int = 0
    strays: int = 0
    surplus: int = 0
    broken_seals: int = 0

    def close(self, calls: Iterable[tuple[str, staging.OpenCall]], cut: Cut) -> None:
        """Fold staged calls whose last row will never come."""
        for call, staged in calls:
            self.open[call] = staged
            self.settle(call, staged.rows, cut)

    def settle(self, call: str, rows: Sequence[EventRow], cut: Cut | None) -> None:
        """Fold one call, and note what is to be done about it."""
        if len(rows) > MOST_ROWS:
            kept = _bounded(rows)
            self.surplus += len(rows) - len(kept)
            rows = kept
        result = fold(self.node, rows, cut)
        match result:
            case Unfinished():
                self.staged.append(staging.row_of(call, self.node, result.rows))
                return
            case Stray():
                self.strays += 1
            case CallRecord():
                self.records.append(result)
        if call in self.open:
            self.over.append(call)


def prepare(
    conn: Connection,
    vault: Vault,
    node: str,
    rows: Sequence[EventRow],
    now: datetime,
    *,
    give_up: bool = False,
) -> Batch:
    """What the rows, in the order of the file, amount to together with what is staged.

    With `give_up`, calls unheard of for so long that their end must be lost are closed as well.
    """
    touched: dict[str, list[EventRow]] = {}
    for row in rows:
        if row.kind is not EventKind.NODE_START:
            touched.setdefault(row.linked_id, []).append(row)
    ids = {call_id(node, linked_id): linked_id for linked_id in touched}
    work = _Work(node, staging.load(conn, node, ids))
    repeated = records.recorded(conn, ids.keys() - work.open.keys())

    lives = _ends_of_lives(conn, node, rows)
    complete = True
    if lives:
        # Told by time, not by place in the file: a file that is read twice must not close the
        # calls of the node's present life.
        last = lives[-1]
        before = moment(last.start_us) + timedelta(milliseconds=1)
        others = staging.load_before(conn, node, before, without=ids, limit=MOST_CUT + 1)
        complete = len(others) <= MOST_CUT
        work.close(islice(others.items(), MOST_CUT), Cut(CutReason.NODE_DIED, lives[0].alive_us))
    elif give_up:
        lost = staging.load_before(conn, node, now - GIVE_UP, without=ids, limit=MOST_CUT)
        work.close(lost.items(), Cut(CutReason.END_LOST, 0))
    if complete:
        for call, linked_id in ids.items():
            if call in repeated:
                work.repeated += len(touched[linked_id])
                continue
            known = work.open.get(call)
            mine = (*known.rows, *touched[linked_id]) if known else touched[linked_id]
            work.settle(call, mine, _cut_of(mine, lives))
    return _written(conn, vault, work, now, complete=complete)


def keep(
    conn: Connection, node: str, turn: int, batch: Batch, checkpoint: tuple[str, int] | None
) -> None:
    """Write the batch and the checkpoint (file, offset). Raises CheckpointMoved."""
    staging.take_turn(conn, node, turn)
    staging.remove(conn, batch.over)
    staging.put(conn, batch.staged)
    records.insert(conn, batch.calls)
    history.insert(conn, batch.history)
    call_log.insert(conn, batch.log)
    outbox.keep_rows(conn, batch.owed)
    endings.calls_ended(conn, batch.ended)
    conversations.follow(
        conn, ((call["session_id"], call["conversation_id"]) for call in batch.calls)
    )
    if checkpoint is not None and batch.complete:
        staging.advance(conn, node, *checkpoint)


@dataclass(frozen=True, slots=True)
class _EndOfLife:
    """The node was started anew: it had died since."""

    start_us: int
    alive_us: int  # its last sign of life before that


def _ends_of_lives(conn: Connection, node: str, rows: Sequence[EventRow]) -> list[_EndOfLife]:
    """The ends of the node's lives that the rows tell of, in order of time."""
    places = [n for n, row in enumerate(rows) if row.kind is EventKind.NODE_START]
    if not places:
        return []
    heard = staging.last_heard(conn, node)
    found = []
    for place in places:
        start = rows[place]
        died = microseconds(start.values().get("died"))
        signs = [row.at_us for row in rows[:place] if row.kind is not EventKind.NODE_START]
        alive_us = max(*signs, micros(heard) if heard else 0, died or 0)
        found.append(_EndOfLife(start.at_us, min(alive_us, start.at_us)))
    return sorted(found, key=lambda life: life.start_us)


def _cut_of(rows: Sequence[EventRow], lives: Sequence[_EndOfLife]) -> Cut | None:
    """The cut for a call that began before the node was started anew."""
    if not lives:
        return None
    began_us = min(row.at_us for row in rows)
    life = next((life for life in lives if began_us < life.start_us), None)
    return None if life is None else Cut(CutReason.NODE_DIED, life.alive_us)


def _bounded(rows: Iterable[EventRow]) -> list[EventRow]:
    """At most MOST_ROWS rows: the first ones, and those that end the call."""
    ordered = sorted(set(rows))
    final = (EventKind.END, EventKind.LINKEDID_END)
    ends = [row for row in ordered if row.kind in final][:2]
    return [row for row in ordered if row.kind not in final][: MOST_ROWS - len(ends)] + ends


def _written(
    conn: Connection, vault: Vault, work: _Work, now: datetime, *, complete: bool
) -> Batch:
    sessions = {record.session_id for record in work.records if record.session_id}
    known = people.parties_of(conn, sessions)
    calls: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    log: list[dict[str, Any]] = []
    owed: list[dict[str, Any]] = []
    for folded in work.records:
        record = folded
        if record.caller_sealed is not None or record.caller_index is not None:
            record, intact = _checked_seal(vault, record)
            work.broken_seals += not intact
        parties = known.get(record.session_id or "")
        calls.append(records.row_of(record, now, parties))
        owed.extend(map(outbox.row_of, notices_of(record, parties)))
        if parties is not None:
            entries.append(history_row(record, parties))
            log.extend(log_rows(record, parties))
    return Batch(
        complete=complete,
        calls=tuple(calls),
        history=tuple(entries),
        log=tuple(log),
        owed=tuple(owed),
        ended=tuple(_ended(work.records)),
        staged=tuple(work.staged),
        over=tuple(work.over),
        counts=Counts(len(calls), work.repeated, work.strays, work.surplus, work.broken_seals),
    )


def _ended(calls: Iterable[CallRecord]) -> Iterator[EndedCall]:
    """What sessions are told of their calls. A refused call is none of theirs."""
    for call in calls:
        if call.session_id is not None and call.attempts:
            answered = call.outcome is Outcome.ANSWERED
            yield EndedCall(call.session_id, call.ended_at, answered)


def _checked_seal(vault: Vault, record: CallRecord) -> tuple[CallRecord, bool]:
    """The record with the caller's seal, if our vault made it, and the index that belongs to it."""
    try:
        phone = vault.open(record.caller_sealed or b"")
    except SealBroken:
        return replace(record, caller_sealed=None, caller_index=None), False
    return replace(record, caller_index=vault.index(phone)), True
