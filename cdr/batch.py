"""One batch: everything that has to be written because of some event rows, and its writing.

`cdr.prepare` reads and decides, `keep` writes: all of a batch and its checkpoint, in the caller's
transaction. Between the two nobody else may have kept a batch of the same node; `keep` makes sure.
A batch is plain data: another process may have prepared it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection

from cdr import (
    call_log,
    corrections,
    cut_calls,
    history,
    ledger_rows,
    reckoned,
    records,
    staging,
)
from cdr.corrections import Corrected
from cdr.errors import CheckpointMoved, VersionMoved
from storage import (
    analytics,
    call_tallies,
    contacts,
    conversations,
    endings,
    outbox,
    recordings,
)
from storage.analytics import Tally
from storage.call_tallies import CountedCall
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Counts:
    """What a batch came to."""

    recorded: int = 0
    repeated: int = 0  # rows of calls that have their record already
    strays: int = 0  # channels that were never offered as calls
    surplus: int = 0  # rows beyond what a call may have
    broken_seals: int = 0
    corrected: int = 0  # calls whose end came after they had been closed without it


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written."""

    complete: bool  # False: more calls have to be closed before these event rows can be kept
    day: int  # in whose chain the calls are to stand
    calls: tuple[dict[str, Any], ...]
    measured: Tally
    history: tuple[dict[str, Any], ...]
    log: tuple[dict[str, Any], ...]
    owed: tuple[dict[str, Any], ...]
    recordings: tuple[dict[str, Any], ...]
    counted: tuple[CountedCall, ...]
    staged: tuple[dict[str, Any], ...]
    over: tuple[str, ...]  # calls that are staged no longer
    cut: tuple[dict[str, Any], ...]  # calls closed without their end, should it come late
    corrected: tuple[Corrected, ...]  # records of calls whose end came late
    forgotten: tuple[str, ...]  # of `cut`, kept no longer
    now: datetime
    app_host: str  # of the addresses that apps dial
    counts: Counts

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write, but perhaps a checkpoint."""
        return not (self.over or self.cut or self.corrected or self.forgotten)

    @property
    def plain(self) -> bool:
        """Whether a `Before` says all that the next batch has to know of this one."""
        return self.complete and not (self.cut or self.corrected or self.forgotten)


@dataclass(frozen=True, slots=True)
class Before:
    """What batches leave behind that are still being written: the next is prepared meanwhile.

    Whether they are written already makes no difference: what is said of a call here counts.
    """

    staged: Mapping[str, Mapping[str, Any]]  # calls' events, as they are staged then
    over: frozenset[str]  # calls that are staged no longer, unless they are among `staged`
    recorded: frozenset[str]  # calls that have their record then

    @classmethod
    def of(cls, batch: Batch) -> Self:
        """What `batch`, which must be a plain one, leaves."""
        return cls(
            {row["call_id"]: row["events"] for row in batch.staged},
            frozenset(batch.over),
            frozenset(row["call_id"] for row in batch.calls),
        )

    def then(self, later: Self) -> Self:
        """What is left once the batches of `later` are written behind these."""
        kept = {call: events for call, events in self.staged.items() if call not in later.over}
        return type(self)(
            kept | dict(later.staged), self.over | later.over, self.recorded | later.recorded
        )


def keep(
    conn: Connection,
    vault: Vault,
    node: str,
    turn: int,
    batch: Batch,
    checkpoint: tuple[str, int] | None,
) -> None:
    """Write the batch and the checkpoint (file, offset). Raises CheckpointMoved."""
    staging.take_turn(conn, node, turn)
    staging.remove(conn, batch.over)
    staging.put(conn, batch.staged)
    reached = contacts.follow(conn, batch.measured.reached)
    calls = ledger_rows.place(conn, node, batch.day, ledger_rows.sealed(vault, batch.calls))
    records.insert(conn, calls)
    history.insert(conn, batch.history)
    call_log.insert(conn, batch.log)
    recordings.keep(conn, batch.recordings)
    outbox.keep_rows(conn, batch.owed)
    endings.calls_ended(conn, reckoned.ended(calls))
    call_tallies.count(conn, batch.counted)
    conversations.follow(conn, ((call["session_id"], call["conversation_id"]) for call in calls))
    analytics.add(conn, batch.measured, reached)  # last: all nodes share these rows
    cut_calls.put(conn, batch.cut)
    cut_calls.forget(conn, batch.forgotten)
    try:
        corrections.keep(conn, vault, node, batch.corrected, batch.now, batch.app_host)
    except VersionMoved:
        raise CheckpointMoved from None  # somebody corrected it meanwhile: look again
    if checkpoint is not None and batch.complete:
        staging.advance(conn, node, *checkpoint)
