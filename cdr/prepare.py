"""Event rows in, everything that has to be written because of them out: a `cdr.batch.Batch`.

Reads and decides; writes nothing. Nobody else may keep a batch of the same node between this and
the writing, but for those whose outcome was told as `before`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from cdr import analytics as counting
from cdr import call_ids, corrections, cut_calls, ledger, people, records, staging
from cdr.batch import Batch, Before, Counts
from cdr.corrections import LATE_EVENTS, SYSTEM, Corrected
from cdr.cut_calls import CutCall
from cdr.entries import history_row, log_rows
from cdr.events import EventKind, EventRow
from cdr.fold import Cut, CutReason, Stray, Unfinished, fold
from cdr.model import CallRecord
from cdr.notices import notices_of
from cdr.people import Parties
from cdr.reckoned import counted
from cdr.recording_rows import RecordingRows, rows_of
from cdr.times import micros, microseconds, moment
from cdr.ways_back import WaysBack
from storage import Database, numbers, outbox
from storage.analytics import Tally
from storage.call_tallies import CountedCall
from storage.errors import SealBroken
from storage.vault import Vault, key_of

MOST_CUT = 200  # calls that one batch closes because the node died: a transaction stays short
MOST_ROWS = 400  # of one call; no honest call has a tenth of it
MOST_ENDS = 40  # among them: of legs that came and went by handovers, and of the call
GIVE_UP = timedelta(hours=25)  # an hour more than the longest call there may be


@dataclass(slots=True)
class _Work:
    """A batch in the making."""

    node: str
    now: datetime
    app_host: str  # of the addresses that apps dial, as told to the platform
    touched: Mapping[str, Sequence[EventRow]]  # what came, by call
    open: dict[str, staging.OpenCall]
    recorded: frozenset[str]  # of these calls
    known_late: Mapping[str, CutCall]  # of these: closed without their end
    records: list[CallRecord] = field(default_factory=list)
    staged: list[dict[str, Any]] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    cut: list[dict[str, Any]] = field(default_factory=list)
    late: list[CallRecord] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    repeated: int = 0
    strays: int = 0
    surplus: int = 0
    broken_seals: int = 0

    def close(self, calls: Iterable[tuple[str, staging.OpenCall]], cut: Cut) -> None:
        """Fold staged calls whose last row will never come."""
        for call, staged in calls:
            self.open[call] = staged
            self.settle(call, staged.rows, cut)

    def settle_all(self, lives: Sequence[_EndOfLife]) -> None:
        """Fold every call of which rows came."""
        for call, came in self.touched.items():
            if call in self.known_late:
                self.repeated += self.settle_late(self.known_late[call], came)
            elif call in self.recorded:
                self.repeated += len(came)
            else:
                known = self.open.get(call)
                mine = (*known.rows, *came) if known else came
                self.settle(call, mine, _cut_of(mine, lives))

    def settle(self, call: str, rows: Sequence[EventRow], cut: Cut | None) -> None:
        """Fold one call, and note what is to be done about it."""
        if len(rows) > MOST_ROWS:
            kept = _bounded(rows)
            self.surplus += len(rows) - len(kept)
            rows = kept
        result = _folded(self.node, call, rows, cut)
        match result:
            case Unfinished():
                self.staged.append(staging.row_of(call, self.node, result.rows))
                return
            case Stray():
                self.strays += 1
            case CallRecord():
                self.records.append(result)
                if cut is not None and result.reason == cut.reason:
                    until = self.now + cut_calls.KEPT
                    self.cut.append(cut_calls.row_of(call, self.node, rows, cut, until))
        if call in self.open:
            self.over.append(call)

    def settle_late(self, known: CutCall, late: Iterable[EventRow], cut: Cut | None = None) -> int:
        """Fold a call anew whose record did not see its end; how many rows it knew already."""
        came = list(late)
        new = set(came) - set(known.rows)
        if not new and cut is None:
            return len(came)
        rows = _bounded({*known.rows, *new})
        result = _folded(self.node, known.call_id, rows, cut)
        if isinstance(result, CallRecord):
            self.late.append(result)
        if isinstance(result, CallRecord) and cut is None:
            self.forgotten.append(known.call_id)
        else:
            late_at = None if cut else self.now
            self.cut.append(
                cut_calls.row_of(
                    known.call_id, self.node, rows, known.cut, known.kept_until, late_at
                )
            )
        return len(came) - len(new)


def prepare(
    conn: Connection,
    vault: Vault,
    node: str,
    rows: Sequence[EventRow],
    now: datetime,
    *,
    give_up: bool = False,
    app_host: str = "",
) -> Batch:
    """What the rows, in the order of the file, amount to together with what is staged.

    `app_host`: of the addresses that apps dial, as told to the platform. With `give_up`, calls
    unheard of for so long that their end must be lost are closed as well.
    """
    work = _begun(conn, node, rows, now, app_host)
    lives = _ends_of_lives(conn, node, rows)
    complete = True
    if lives:
        # Told by time, not by place in the file: a file that is read twice must not close the
        # calls of the node's present life.
        last = lives[-1]
        until = moment(last.start_us) + timedelta(milliseconds=1)
        others = staging.load_before(conn, node, until, without=work.touched, limit=MOST_CUT + 1)
        complete = len(others) <= MOST_CUT
        work.close(islice(others.items(), MOST_CUT), Cut(CutReason.NODE_DIED, lives[0].alive_us))
    elif give_up:
        lost = staging.load_before(conn, node, now - GIVE_UP, without=work.touched, limit=MOST_CUT)
        work.close(lost.items(), Cut(CutReason.END_LOST, 0))
    if give_up:
        work.forgotten.extend(cut_calls.expired(conn, now))
        for settled in cut_calls.settled(conn, node, now).values():
            if settled.call_id not in work.known_late:
                work.settle_late(settled, (), settled.cut)
    if complete:
        work.settle_all(lives)
    return _batch(vault, work, _asked(conn, vault, work), complete=complete)


async def prepare_ahead(
    db: Database,
    vault: Vault,
    node: str,
    rows: Sequence[EventRow],
    now: datetime,
    before: Before,
    *,
    app_host: str = "",
) -> Batch | None:
    """The same while the batches `before` these rows are being written, seen or not yet.

    None: it has to be prepared once those are written, for the node was started in between.
    Reads twice and shortly: SQLite's log cannot be copied beyond what a reader sees.
    """
    if any(row.kind is EventKind.NODE_START for row in rows):
        return None
    work = await db.read(lambda conn: _begun(conn, node, rows, now, app_host, before))
    work.settle_all(())
    known = await db.read(lambda conn: _asked(conn, vault, work))
    return _batch(vault, work, known, complete=True)


def _begun(
    conn: Connection,
    node: str,
    rows: Sequence[EventRow],
    now: datetime,
    app_host: str,
    before: Before | None = None,
) -> _Work:
    by_channel: dict[str, list[EventRow]] = {}
    for row in rows:
        if row.kind is not EventKind.NODE_START:
            by_channel.setdefault(row.linked_id, []).append(row)
    ids = call_ids.of(conn, node)
    touched = {ids(linked_id): mine for linked_id, mine in by_channel.items()}
    staged = staging.load(conn, node, touched)
    recorded = records.recorded(conn, touched.keys() - staged.keys())
    if before is not None:
        staged = {call: kept for call, kept in staged.items() if call not in before.over}
        left = before.staged.keys() & touched.keys()
        staged |= {call: staging.opened(before.staged[call]) for call in left}
        recorded |= before.recorded & touched.keys()
    return _Work(node, now, app_host, touched, staged, recorded, cut_calls.load(conn, recorded))


def _folded(
    node: str, call: str, rows: Sequence[EventRow], cut: Cut | None
) -> CallRecord | Unfinished | Stray:
    """What the rows amount to, under the id by which the call is known here."""
    result = fold(node, rows, cut)
    if isinstance(result, CallRecord) and result.call_id != call:
        return replace(result, call_id=call)
    return result


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
    final = (EventKind.HANDOVER, EventKind.END, EventKind.LINKEDID_END)
    over = [row for row in ordered if row.kind is EventKind.LINKEDID_END][:1]
    ends = [row for row in ordered if row.kind in final[:2]][: MOST_ENDS - len(over)] + over
    return [row for row in ordered if row.kind not in final][: MOST_ROWS - len(ends)] + ends


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of the calls that are to be recorded."""

    parties: Mapping[str, Parties]  # by session
    back: WaysBack
    ours: frozenset[str]  # numbers, of those that were dialled for no session
    recordings: RecordingRows
    counted: tuple[CountedCall, ...]
    corrected: tuple[Corrected, ...]


def _asked(conn: Connection, vault: Vault, work: _Work) -> _Known:
    new, now = work.records, work.now
    parties = people.parties_of(conn, {one.session_id for one in new if one.session_id})
    ours = _numbers_of_ours(conn, (*new, *work.late))
    return _Known(
        parties,
        WaysBack(conn, new, parties, now, work.app_host),
        ours,
        rows_of(conn, new, parties, now),
        tuple(counted(conn, new, parties)),
        _corrected(conn, [_cleaned(vault, late, ours)[0] for late in work.late]),
    )


def _batch(vault: Vault, work: _Work, known: _Known, *, complete: bool) -> Batch:
    now = work.now
    calls: list[dict[str, Any]] = []
    measured = Tally()
    entries: list[dict[str, Any]] = []
    log: list[dict[str, Any]] = []
    owed: list[dict[str, Any]] = []
    for folded in work.records:
        record, intact = _cleaned(vault, folded, known.ours)
        work.broken_seals += not intact
        parties = known.parties.get(record.session_id or "")
        calls.append(records.row_of(record, now, parties))
        counting.count_new(measured, record, parties)
        back = known.back.of(record)
        owed.extend(map(outbox.row_of, notices_of(record, parties, back)))
        if parties is not None:
            entries.append(history_row(record, parties))
            log.extend(log_rows(record, parties))
    owed.extend(map(outbox.row_of, known.recordings.notices))
    return Batch(
        complete=complete,
        day=ledger.day_of(now),
        calls=tuple(calls),
        measured=measured,
        history=tuple(entries),
        log=tuple(log),
        owed=tuple(owed),
        recordings=known.recordings.rows,
        counted=known.counted,
        staged=tuple(work.staged),
        over=tuple(work.over),
        cut=tuple(work.cut),
        corrected=known.corrected,
        forgotten=tuple(work.forgotten),
        now=now,
        app_host=work.app_host,
        counts=Counts(
            recorded=len(calls),
            repeated=work.repeated,
            strays=work.strays,
            surplus=work.surplus,
            broken_seals=work.broken_seals,
            corrected=len(known.corrected),
        ),
    )


def _corrected(conn: Connection, late: Iterable[CallRecord]) -> tuple[Corrected, ...]:
    """What calls are to say whose end came late. What a person has corrected stays as it is."""
    found = []
    for after in late:
        before = records.get(conn, after.call_id)
        if before is None or before.corrected_by not in (None, SYSTEM):
            continue
        if not corrections.says_the_same(before, after):
            found.append(corrections.next_version(before, after, LATE_EVENTS, SYSTEM))
    return tuple(found)


def _cleaned(vault: Vault, record: CallRecord, ours: frozenset[str]) -> tuple[CallRecord, bool]:
    """The record as it may be kept; and whether the caller's seal, if there is one, is ours."""
    intact = True
    if record.caller_sealed is not None or record.caller_index is not None:
        record, intact = _checked_seal(vault, record)
    if record.session_id is None and record.number_in not in ours:
        record = replace(record, number_in=None)  # whoever's it is
    return record, intact


def _numbers_of_ours(conn: Connection, calls: Iterable[CallRecord]) -> frozenset[str]:
    """Of the numbers that were dialled for no session: perhaps nobody was there to decide."""
    dialled = (one.number_in for one in calls if one.session_id is None)
    return numbers.known(conn, {number for number in dialled if number})


def _checked_seal(vault: Vault, record: CallRecord) -> tuple[CallRecord, bool]:
    """The record with the caller's seal, if our vault made it, and the index that belongs to it."""
    sealed = record.caller_sealed or b""
    try:
        phone = vault.open(sealed)
    except SealBroken:
        return replace(record, caller_sealed=None, caller_index=None), False
    if key_of(sealed) != vault.current:  # its row is older than the key
        sealed = vault.seal(phone)
    return replace(record, caller_sealed=sealed, caller_index=vault.index(phone)), True
