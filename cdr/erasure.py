"""Erases a person everywhere, step by step: each work keeps what it did and how far it is.

Whoever carries it on may die at any moment; the next goes on. First what lets calls through is
ended, then sessions lose the person, so that calls recorded from then on name nobody, then what is
kept of calls, then the rest; at last it is looked whether anything is left, and if so begun anew.
For a day after, what comes in late from event files is erased as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from itertools import pairwise
from typing import Any, Final, assert_never

from sqlalchemy import Connection

from cdr import erasing as of_calls
from storage import audit, erasing, erasures, recordings
from storage.audit import Action, Actor, ActorKind, Entry
from storage.erasures import Erasure, State
from storage.people import Person
from storage.vault import Vault

MOST_ROUNDS: Final = 5  # of all steps, where something is left that others write meanwhile
_ROUNDS: Final = "rounds"


class Step(Enum):
    """What is done, in the order in which it stands here; the value: as it is kept."""

    END = 0
    SESSIONS = 1
    LISTINGS = 2
    CALLS = 3
    STRANGERS = 4
    VERSIONS = 10
    LOG = 5
    REST = 6
    NOTICES = 7
    ANSWERS = 8
    LOOK = 9


_AFTER: Final = dict(pairwise(Step))


def work(conn: Connection, vault: Vault, erasure_id: str, now: datetime) -> Erasure | None:
    """Do the next piece of an erasure; it as it is then, None where there is none."""
    erasure = erasures.locked(conn, erasure_id)
    if erasure is None or erasure.state is State.DONE:
        return erasure
    person = erasure.person(vault)
    if person is None:
        return erasure
    match erasure.state:
        case State.RUNNING:
            _carry_on(conn, vault, erasure, person, now)
        case State.WATCHING:
            _watch(conn, erasure, person, now)
        case never:
            assert_never(never)
    return erasures.get(conn, erasure_id)


def carry_on(conn: Connection, vault: Vault, now: datetime, *, pieces: int = 10) -> int:
    """Do some pieces of the oldest erasure that has something to do; says whether there was one."""
    for one in erasures.unfinished(conn):
        before: Erasure | None = one
        after = work(conn, vault, one.id, now)
        if after == before:
            continue
        for _ in range(pieces - 1):
            before, after = after, work(conn, vault, one.id, now)
            if after == before:
                break
        return 1
    return 0


def dry_run(conn: Connection, person: Person, now: datetime) -> dict[str, int]:
    """What there is to erase, as far as indexes tell; nothing is changed."""
    found = erasing.left(conn, person)
    live = len(erasing.open_sessions(conn, person, now, 100_000))
    shown = len(erasing.open_listings(conn, person, now, 100_000))
    return found | {
        name: count
        for name, count in {"sessions_open": live, "listing_numbers_open": shown}.items()
        if count
    }


def _carry_on(
    conn: Connection, vault: Vault, erasure: Erasure, person: Person, now: datetime
) -> None:
    step = Step(erasure.step)
    counts = Counter(erasure.counts)
    with erasing.overwritten(conn):
        piece = _piece(conn, vault, step, person, erasure.after, now)
    if piece.calls:
        # Its own guard against what stays on the disk begins and ends there.
        piece.done["recordings"] += recordings.erase(conn, piece.calls, now)
    counts.update({name: count for name, count in piece.done.items() if count})
    if step is not Step.LOOK:
        following = step if piece.more else _AFTER[step]
        after = piece.after if piece.more else None
        erasures.keep(conn, erasure, step=following.value, after=after, counts=counts)
        return
    still = erasing.left(conn, person)
    counts[_ROUNDS] += 1
    if still and counts[_ROUNDS] < MOST_ROUNDS:
        erasures.keep(conn, erasure, step=Step.END.value, after=None, counts=counts)
        return
    counts["left"] = sum(still.values())
    erasures.keep(conn, erasure, step=step.value, after=None, counts=counts)
    erasures.enter(conn, erasure, State.WATCHING, now)
    actor = Actor(ActorKind.KEY, erasure.asked_by) if erasure.asked_by else audit.SYSTEM
    audit.append(
        conn,
        Entry(
            now,
            actor,
            Action.PERSON_ERASED,
            "user",
            vault.person_ref(person.user_ids[0]),
            facts={"erasure": erasure.id, **dict(counts)},
        ),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some of a step."""

    done: Counter[str]
    more: bool = False  # there may be more of it
    after: Any = None  # JSON: where to go on
    calls: Sequence[str] = ()  # those that were gone through


def _piece(  # noqa: PLR0911 (one for each step)
    conn: Connection,
    vault: Vault,
    step: Step,
    person: Person,
    after: Any,  # noqa: ANN401 (JSON)
    now: datetime,
) -> _Piece:
    users, indexes = person.user_ids, person.indexes
    match step:
        case Step.END:
            done = erasing.end(conn, person, now)
            return _Piece(done, bool(done))
        case Step.SESSIONS:
            done = erasing.from_sessions(conn, person)
            return _Piece(done, bool(done))
        case Step.LISTINGS:
            done = erasing.from_listings(conn, vault, person)
            return _Piece(done, bool(done))
        case Step.CALLS:
            return _of_calls(conn, of_calls.calls_of(conn, users), person)
        case Step.STRANGERS:
            return _of_calls(conn, of_calls.calls_from(conn, indexes), person)
        case Step.VERSIONS:
            row, call_ids = of_calls.versions_of(conn, person, after)
            found = _of_calls(conn, call_ids, person)
            return replace(found, more=row is not None, after=row)
        case Step.LOG:
            gone = of_calls.log_of(conn, users)
            return _Piece(Counter(call_log_entries=gone), bool(gone))
        case Step.REST:
            return _Piece(erasing.from_the_rest(conn, person, now))
        case Step.NOTICES:
            place, changed = of_calls.notices(conn, users, after or 0)
            return _Piece(Counter(notices=changed), place is not None, place)
        case Step.ANSWERS:
            last, changed = of_calls.answers(conn, users, after)
            return _Piece(Counter(kept_answers=changed), last is not None, last)
        case Step.LOOK:
            return _Piece(Counter())
        case never:
            assert_never(never)


def _of_calls(conn: Connection, call_ids: Sequence[str], person: Person) -> _Piece:
    if not call_ids:
        return _Piece(Counter())
    done = of_calls.from_calls(conn, call_ids, person.user_ids, person.indexes)
    return _Piece(done, more=True, calls=call_ids)


def _watch(conn: Connection, erasure: Erasure, person: Person, now: datetime) -> None:
    """Erase what came in late; end the watch when its time is over."""
    late = of_calls.calls_before(conn, person, erasure.requested_at)
    if late:
        with erasing.overwritten(conn):
            done = of_calls.from_calls(conn, late, person.user_ids, person.indexes)
            done["call_log_entries"] += of_calls.log_of_calls(conn, person.user_ids, late)
        done["recordings"] += recordings.erase(conn, late, now)
        counts = Counter(erasure.counts)
        counts.update({name: count for name, count in done.items() if count})
        erasures.keep(conn, erasure, step=erasure.step, after=None, counts=counts)
    elif erasure.watch_until is not None and erasure.watch_until <= now:
        erasures.enter(conn, erasure, State.DONE, now)
