"""Erases a person everywhere, step by step: each work keeps what it did and how far it is.

Whoever carries it on may die at any moment; the next goes on. First what lets calls through is
ended, then sessions lose the person, so that calls recorded from then on name nobody, then what is
kept of calls, then the rest; at last it is looked whether anything is left, and if so begun anew.
For a day after, what comes in late from event files is erased as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from enum import Enum
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
    """What is done in which order; the value: its place."""

    END = 0
    SESSIONS = 1
    LISTINGS = 2
    CALLS = 3
    STRANGERS = 4
    LOG = 5
    REST = 6
    NOTICES = 7
    ANSWERS = 8
    LOOK = 9


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
        more, after, done = _piece(conn, vault, step, person, erasure.after, now)
    if step in (Step.CALLS, Step.STRANGERS) and isinstance(after, list):
        # Its own guard against what stays on the disk begins and ends there.
        done["recordings"] += recordings.erase(conn, after, now)
        after = None
    counts.update({name: count for name, count in done.items() if count})
    if step is not Step.LOOK:
        following = step.value if more else step.value + 1
        erasures.keep(conn, erasure, step=following, after=after if more else None, counts=counts)
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


_Piece = tuple[bool, Any, Counter[str]]


def _piece(  # noqa: PLR0911 (one for each step)
    conn: Connection,
    vault: Vault,
    step: Step,
    person: Person,
    after: Any,  # noqa: ANN401 (JSON)
    now: datetime,
) -> _Piece:
    """Some of a step: whether there may be more of it, where to go on, what was done."""
    users, indexes = person.user_ids, person.indexes
    match step:
        case Step.END:
            done = erasing.end(conn, person, now)
            return bool(done), None, done
        case Step.SESSIONS:
            done = erasing.from_sessions(conn, person)
            return bool(done), None, done
        case Step.LISTINGS:
            done = erasing.from_listings(conn, vault, person)
            return bool(done), None, done
        case Step.CALLS:
            return _of_calls(conn, lambda: of_calls.calls_of(conn, users), person)
        case Step.STRANGERS:
            return _of_calls(conn, lambda: of_calls.calls_from(conn, indexes), person)
        case Step.LOG:
            gone = of_calls.log_of(conn, users)
            return bool(gone), None, Counter(call_log_entries=gone)
        case Step.REST:
            return False, None, erasing.from_the_rest(conn, person, now)
        case Step.NOTICES:
            place, changed = of_calls.notices(conn, users, after or 0)
            return place is not None, place, Counter(notices=changed)
        case Step.ANSWERS:
            last, changed = of_calls.answers(conn, users, after)
            return last is not None, last, Counter(kept_answers=changed)
        case Step.LOOK:
            return False, None, Counter()
        case never:
            assert_never(never)


def _of_calls(conn: Connection, find: Callable[[], list[str]], person: Person) -> _Piece:
    call_ids = find()
    if not call_ids:
        return False, None, Counter()
    done = of_calls.from_calls(conn, call_ids, person.user_ids, person.indexes)
    return True, call_ids, done


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
