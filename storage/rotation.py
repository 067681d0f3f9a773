"""Rotation of the vault's sealing key on a database in use.

A new key is first *published* (all can open with it), then *used* (all seal with it), then whatever
was sealed with another is sealed anew in small works, pass after pass, until a whole pass finds
nothing; only then may the old key go. Each work commits its own place, so whoever dies loses none
of it, and a value is only replaced if it is still what was read: a writer is never undone.

When a step may be taken is decided here, from what the processes report; files are touched by
`storage.key_file`, and turning the crank is the business of `maskline.vault_keeper`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Row,
    Text,
    bindparam,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)

from storage.dialect import insert_for
from storage.errors import RotationUnderWay, SealBroken
from storage.personal import SealedColumn, sealed_columns
from storage.prepared import Prepared
from storage.schema import cut_calls, open_calls, vault_readers, vault_rotations
from storage.vault import Vault, key_of

READER_GONE: Final = timedelta(seconds=30)
"""A process that was not heard of for so long does not run any more."""
FORGOTTEN: Final = timedelta(days=1)
"""So long it is known that one ran which never said that it ends."""
SETTLED: Final = timedelta(seconds=20)
"""What was sealed before a switch is in the database by then: no work waits longer."""
ROWS: Final = 2000  # looked at in one work
VALUES: Final = 250  # resealed in one work
_SEAL: Final = re.compile(rb";who=([A-Za-z0-9_-]{6,200})")
_LAST: Final = Prepared(select(vault_rotations).order_by(vault_rotations.c.id.desc()).limit(1))
_BY_ID: Final = vault_rotations.c.id == bindparam("wanted")


class State(StrEnum):
    """How far a rotation is."""

    PUBLISHED = "published"  # the key is in the file; some may not know it yet
    SWITCHED = "switched"  # new values are sealed with it by those who know; soon by all
    DRAINING = "draining"  # all do; what waits in event files comes in first, and is sealed anew
    SEALING = "sealing"  # what was sealed before is sealed anew, until a whole pass finds nothing
    DONE = "done"  # the other keys are gone


@dataclass(frozen=True, slots=True)
class Reader:
    """A process that holds the keys, as it reports itself."""

    id: str
    knows: frozenset[int]
    uses: int
    node: str | None = None  # whose event files it reads
    on_disk: Mapping[int, int] | None = None  # key -> seals in unread rows; None: not looked


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation and its progress."""

    id: int
    to_key: int
    state: State
    at_column: int
    after: tuple[Any, ...] | None = field(repr=False)
    pass_found: int
    passes: int
    looked_at: int
    resealed: int
    broken: int
    waits_for: str | None
    proof: Mapping[str, int] | None
    started_at: datetime
    state_at: datetime
    finished_at: datetime | None


# -- readers -------------------------------------------------------------------------------------


def report(conn: Connection, reader: Reader, now: datetime) -> None:
    """Keep what a process says of itself."""
    insert = insert_for(conn, vault_readers)
    row = {
        "id": reader.id,
        "node": reader.node,
        "knows": sorted(reader.knows),
        "uses": reader.uses,
        "on_disk": None
        if reader.on_disk is None
        else {str(key): count for key, count in reader.on_disk.items()},
        "seen_at": now,
    }
    changed = {name: insert.excluded[name] for name in row if name != "id"}
    conn.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed), row)


def leave(conn: Connection, reader_id: str) -> None:
    """The process ends."""
    conn.execute(delete(vault_readers).where(vault_readers.c.id == reader_id))


def readers(conn: Connection, now: datetime) -> tuple[Reader, ...]:
    """Those that run; of others it is forgotten in the end that they did."""
    conn.execute(delete(vault_readers).where(vault_readers.c.seen_at < now - FORGOTTEN))
    running = select(vault_readers).where(vault_readers.c.seen_at >= now - READER_GONE)
    return tuple(
        Reader(
            row.id,
            frozenset(row.knows),
            row.uses,
            row.node,
            None if row.on_disk is None else {int(k): n for k, n in row.on_disk.items()},
        )
        for row in conn.execute(running.order_by(vault_readers.c.id))
    )


def unheard_s(conn: Connection, now: datetime) -> dict[str, float]:
    """Of each node for how long nobody who reads its event files was heard of, in seconds.

    Only of nodes that were heard of within a day; who ends in order is forgotten at once.
    """
    rows = conn.execute(_HEARD, {"since": now - FORGOTTEN})
    return {row.node: max(0.0, (now - row.seen_at).total_seconds()) for row in rows}


_HEARD: Final = (
    select(vault_readers.c.node, func.max(vault_readers.c.seen_at).label("seen_at"))
    .where(vault_readers.c.node.is_not(None), vault_readers.c.seen_at > bindparam("since"))
    .group_by(vault_readers.c.node)
)


# -- rotations -----------------------------------------------------------------------------------


def begin(conn: Connection, to_key: int, now: datetime) -> Rotation:
    """A rotation to a key that has just been published. Raises RotationUnderWay."""
    if (latest := last(conn)) is not None and latest.state is not State.DONE:
        raise RotationUnderWay
    row = {
        "to_key": to_key,
        "state": State.PUBLISHED.value,
        "at_column": 0,
        "after": None,
        "pass_found": 0,
        "passes": 0,
        "looked_at": 0,
        "resealed": 0,
        "broken": 0,
        "started_at": now,
        "state_at": now,
    }
    conn.execute(vault_rotations.insert(), row)
    made = last(conn)
    assert made is not None
    return made


def last(conn: Connection) -> Rotation | None:
    """The newest rotation; None: there never was one."""
    found = _LAST.rows(conn, {})
    return _rotation(found[0]) if found else None


def enter(
    conn: Connection,
    rotation: Rotation,
    state: State,
    now: datetime,
) -> bool:
    """Go on to `state`, unless another process did: says whether it was us."""
    values: dict[str, Any] = {"state": state.value, "state_at": now, "waits_for": None}
    if state is State.SEALING:
        values |= {"at_column": 0, "after": None, "pass_found": 0}
    if state is State.DONE:
        values["finished_at"] = now
    moved = update(vault_rotations).where(_BY_ID, vault_rotations.c.state == rotation.state.value)
    return conn.execute(moved.values(values), {"wanted": rotation.id}).rowcount == 1


def wait_for(conn: Connection, rotation: Rotation, what: str, now: datetime) -> None:
    """Say what keeps it from going on; its state begins anew, for all that has to settle in it."""
    values = {"waits_for": what, "state_at": now}
    conn.execute(update(vault_rotations).where(_BY_ID).values(values), {"wanted": rotation.id})


def lacks(rotation: Rotation, found: Sequence[Reader], checkpoints: Sequence[str]) -> str | None:
    """What keeps `rotation` from its next state, for people; None: nothing.

    `checkpoints`: nodes whose event files are read into this database.
    """
    key = rotation.to_key
    match rotation.state:
        case State.PUBLISHED:
            late = [one.id for one in found if key not in one.knows]
            return f"the new key is not known to {', '.join(late)}" if late else None
        case State.SWITCHED:
            late = [one.id for one in found if one.uses != key]
            return f"the new key is not used by {', '.join(late)}" if late else None
        case State.DRAINING:
            return _unread(key, found, checkpoints)
        case State.SEALING | State.DONE:
            return None


def _unread(key: int, found: Sequence[Reader], checkpoints: Sequence[str]) -> str | None:
    looked = {one.node: one.on_disk for one in found if one.node is not None}
    silent = sorted(node for node in checkpoints if looked.get(node) is None)
    if silent:
        return f"the event files of {', '.join(silent)} are not looked into: no ingester reports"
    full = sorted(node for node, seals in looked.items() if set(seals or ()) - {key})
    if full:
        return f"unread event rows of {', '.join(full)} are sealed with an older key"
    return None


def step(conn: Connection, vault: Vault, rotation_id: int) -> Rotation:
    """Look at some more rows, and seal anew what needs it; one work.

    The next pass begins by itself. Raises LookupError where there is no such rotation.
    """
    row = conn.execute(
        select(vault_rotations).where(_BY_ID).with_for_update(), {"wanted": rotation_id}
    ).first()
    if row is None:
        raise LookupError(rotation_id)
    now = _rotation(row)
    columns = sealed_columns()
    if now.state is not State.SEALING or now.at_column >= len(columns):
        return now
    done = _reseal(conn, vault, columns[now.at_column], now.after, now.to_key)
    over = done.after is None
    column = now.at_column + 1 if over else now.at_column
    begins = now.at_column == 0 and now.after is None
    counted = {} if begins else dict(now.proof or {})
    name = columns[now.at_column].name
    counted[name] = counted.get(name, 0) + done.values - done.broken
    values: dict[str, Any] = {
        "proof": counted,
        "at_column": column,
        "after": None if done.after is None else list(done.after),
        "pass_found": now.pass_found + done.resealed,
        "looked_at": now.looked_at + done.values,
        "resealed": now.resealed + done.resealed,
        "broken": done.broken + (0 if begins else now.broken),
        "passes": now.passes + (column == len(columns)),
    }
    conn.execute(update(vault_rotations).where(_BY_ID).values(values), {"wanted": now.id})
    changed = conn.execute(select(vault_rotations).where(_BY_ID), {"wanted": now.id}).one()
    return _rotation(changed)


def pass_is_over(rotation: Rotation) -> bool:
    """Whether every column was gone through since the pass began."""
    return rotation.at_column >= len(sealed_columns())


def again(conn: Connection, rotation: Rotation) -> None:
    """Begin another pass."""
    values = {"at_column": 0, "after": None, "pass_found": 0}
    conn.execute(update(vault_rotations).where(_BY_ID).values(values), {"wanted": rotation.id})


def staged(conn: Connection) -> dict[int, int]:
    """Of rows of calls that are not over how many seals of which key they carry."""
    found: Counter[int] = Counter()
    for table in (open_calls, cut_calls):
        text = cast(table.c.events, Text)
        for (events,) in conn.execute(select(text).where(text.like("%who=%"))):
            found.update(seals_in(events.encode()))
    return dict(found)


def seals_in(rows: bytes) -> list[int]:
    """The keys of the seals that event rows carry (`REFUSE;who=…`)."""
    return [
        key_of(urlsafe_b64decode(match[1] + b"=" * (-len(match[1]) % 4)))
        for match in _SEAL.finditer(rows)
    ]


def census(conn: Connection) -> dict[str, dict[int, int]]:
    """Of every sealed column how many values each key seals. Reads all: for proofs and tests."""
    found: dict[str, dict[int, int]] = {}
    for one in sealed_columns():
        head = func.substr(one.column, 1, 1)
        query = select(head, func.count()).where(one.column.is_not(None)).group_by(head)
        found[one.name] = {
            key_of(bytes(first)): count for first, count in conn.execute(query) if first
        }
    return found


@dataclass(frozen=True, slots=True)
class _Done:
    after: tuple[Any, ...] | None  # None: the column is gone through
    values: int
    resealed: int
    broken: int


def _reseal(
    conn: Connection,
    vault: Vault,
    one: SealedColumn,
    after: tuple[Any, ...] | None,
    to_key: int,
) -> _Done:
    keys = tuple(one.table.primary_key.columns)
    query = select(*keys, one.column.label("sealed")).order_by(*keys).limit(ROWS)
    if after is not None:
        query = query.where(tuple_(*keys) > tuple_(*after))
    rows = conn.execute(query).all()
    changed: list[dict[str, Any]] = []
    values = broken = 0
    looked = 0
    for row in rows:
        looked += 1
        sealed = row.sealed
        if not sealed:
            continue
        values += 1
        if key_of(sealed) == to_key:
            continue
        try:
            anew = vault.reseal(one.purpose, sealed)
        except SealBroken:
            broken += 1
            continue
        place = {f"key_{n}": value for n, value in enumerate(row[:-1])}
        changed.append(place | {"was": sealed, "becomes": anew})
        if len(changed) == VALUES:
            break
    if changed:
        which = [column == bindparam(f"key_{n}") for n, column in enumerate(keys)]
        replace = update(one.table).where(*which, one.column == bindparam("was"))
        conn.execute(replace.values({one.column: bindparam("becomes")}), changed)
    over = len(rows) < ROWS and looked == len(rows)
    end: tuple[Any, ...] | None = None if over else tuple(rows[looked - 1])[:-1]
    return _Done(end, values, len(changed), broken)


def _rotation(row: Row[Any]) -> Rotation:
    return Rotation(
        id=row.id,
        to_key=row.to_key,
        state=State(row.state),
        at_column=row.at_column,
        after=None if row.after is None else tuple(row.after),
        pass_found=row.pass_found,
        passes=row.passes,
        looked_at=row.looked_at,
        resealed=row.resealed,
        broken=row.broken,
        waits_for=row.waits_for,
        proof=row.proof,
        started_at=row.started_at,
        state_at=row.state_at,
        finished_at=row.finished_at,
    )
