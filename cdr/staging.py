"""Calls that are not over yet, kept beside the checkpoint: a restart goes on where it stopped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from cdr import live
from cdr.errors import CheckpointMoved
from cdr.events import EventRow, thaw
from cdr.times import moment
from storage.dialect import insert_for, insert_if_absent, one_of
from storage.prepared import Prepared, PreparedInsert
from storage.schema import ingest_checkpoints as checkpoints
from storage.schema import open_calls

_TURN = ""  # the checkpoint row that is no file's: counts the node's batches


@dataclass(frozen=True, slots=True)
class Place:
    """How far a node's event files are read."""

    turn: int  # of the last batch kept; the next one may be kept by one ingester only
    offsets: Mapping[str, int]  # by file


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that is not over, as it was staged."""

    linked_id: str
    rows: tuple[EventRow, ...]


_OF_NODE = select(open_calls).where(open_calls.c.node == bindparam("node"))
_THESE = Prepared(
    select(open_calls).where(
        one_of(open_calls.c.call_id, "wanted"),
        # Not by the index of nodes, which would have all that is up read for a few of it.
        open_calls.c.node.concat("") == bindparam("node"),
    )
)


def place(conn: Connection, node: str) -> Place:
    """Where to go on reading."""
    query = select(checkpoints.c.file, checkpoints.c.offset).where(checkpoints.c.node == node)
    offsets = {row.file: row.offset for row in conn.execute(query)}
    turn = offsets.pop(_TURN, None)
    return Place(-1 if turn is None else turn, offsets)


def begin(conn: Connection, node: str) -> None:
    """Make the node known."""
    insert_if_absent(conn, checkpoints, {"node": node, "file": _TURN, "offset": 0})


def take_turn(conn: Connection, node: str, turn: int) -> None:
    """Claim the batch after `turn`. Raises CheckpointMoved if another ingester has kept it."""
    claim = (
        update(checkpoints)
        .where(
            checkpoints.c.node == node, checkpoints.c.file == _TURN, checkpoints.c.offset == turn
        )
        .values(offset=turn + 1)
    )
    if conn.execute(claim).rowcount != 1:
        raise CheckpointMoved


def hold_turn(conn: Connection, node: str) -> None:
    """Keep others from keeping a batch of the node until this transaction is over."""
    turn = (checkpoints.c.node == node, checkpoints.c.file == _TURN)
    conn.execute(select(checkpoints.c.offset).where(*turn).with_for_update())


def advance(conn: Connection, node: str, file: str, offset: int) -> None:
    """The file is read up to `offset`."""
    insert = insert_for(conn, checkpoints)
    conn.execute(
        insert.on_conflict_do_update(
            index_elements=["node", "file"], set_={"offset": insert.excluded.offset}
        ),
        {"node": node, "file": file, "offset": offset},
    )


def forget(conn: Connection, node: str, files: Collection[str]) -> None:
    """The files are gone."""
    gone = set(files) - {_TURN}
    conn.execute(
        delete(checkpoints).where(checkpoints.c.node == node, checkpoints.c.file.in_(sorted(gone)))
    )


def load(conn: Connection, node: str, call_ids: Collection[str]) -> dict[str, OpenCall]:
    """Those of the calls that are staged."""
    if not call_ids:
        return {}
    return _staged(_THESE.rows(conn, {"node": node, "wanted": sorted(call_ids)}))


def load_before(
    conn: Connection, node: str, before: datetime, *, without: Collection[str], limit: int
) -> dict[str, OpenCall]:
    """At most `limit` staged calls outside `without` that were last heard of before `before`.

    The longest unheard come first.
    """
    query = _OF_NODE.order_by(open_calls.c.seen_at, open_calls.c.call_id).limit(limit)
    query = query.where(open_calls.c.seen_at < before)
    if without:
        query = query.where(open_calls.c.call_id.not_in(sorted(without)))
    return _staged(conn.execute(query, {"node": node}))


def last_heard(conn: Connection, node: str) -> datetime | None:
    """When the node was last heard of in any call that is staged."""
    query = select(func.max(open_calls.c.seen_at)).where(open_calls.c.node == node)
    heard: datetime | None = conn.execute(query).scalar_one()
    return heard


def row_of(call_id: str, node: str, rows: Sequence[EventRow]) -> dict[str, Any]:
    """The row that stages a call; `rows` in order of time."""
    return {
        "call_id": call_id,
        "node": node,
        "events": {"linked_id": rows[0].linked_id, "rows": [row.freeze() for row in rows]},
        "seen_at": moment(rows[-1].at_us),
        **live.shown(rows),
    }


def put(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Stage calls, in the place of what was staged of them."""
    _PUT.insert(conn, rows)


def remove(conn: Connection, call_ids: Sequence[str]) -> None:
    """The calls are over."""
    if call_ids:
        conn.execute(_REMOVE, {"gone": list(call_ids)})


_PUT = PreparedInsert(open_calls, replacing=True)
_REMOVE = delete(open_calls).where(one_of(open_calls.c.call_id, "gone"))


def opened(events: Mapping[str, Any]) -> OpenCall:
    """The call that `row_of` made `events` of."""
    linked_id = events["linked_id"]
    return OpenCall(linked_id, tuple(thaw(linked_id, kept) for kept in events["rows"]))


def _staged(rows: Iterable[Row[Any]]) -> dict[str, OpenCall]:
    return {row.call_id: opened(row.events) for row in rows}
