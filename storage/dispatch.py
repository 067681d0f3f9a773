"""Notices get their place in order, and a delivery for each webhook that wants them.

One process does so at a time, whoever comes first; the place is counted, so that whoever reads by
it never misses a notice that was committed late.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, exists, select, update

from masking.notice import NoticeKind
from storage import sending, webhooks
from storage.dialect import insert_if_absent
from storage.prepared import Prepared
from storage.schema import deliveries, outbox, versions
from storage.webhooks import Webhook

_COUNTER: Final = "outbox"
_LAST: Final = select(versions.c.value).where(versions.c.name == _COUNTER).with_for_update()
_COUNT: Final = update(versions).where(versions.c.name == _COUNTER).values(value=bindparam("last"))
_WAITING: Final = (
    select(outbox.c.id, outbox.c.kind, outbox.c.conversation_id, outbox.c.data)
    .where(outbox.c.sequence.is_(None))
    .order_by(outbox.c.id)
    .limit(bindparam("at_most"))
)
_ANY: Final = Prepared(select(outbox.c.id).where(outbox.c.sequence.is_(None)).limit(1))
_PLACE: Final = (
    update(outbox)
    .where(outbox.c.id == bindparam("wanted"))
    .values(sequence=bindparam("place"), stream_due=bindparam("streamed"))
)


_TO_STREAM: Final = (
    select(*outbox.c["sequence", "key", "kind", "at", "conversation_id", "data"])
    .where(outbox.c.stream_due)
    .order_by(outbox.c.sequence)
    .limit(bindparam("at_most"))
)
_NEXT: Final = (
    select(*outbox.c["id", "at", "sequence"])
    .where(outbox.c.id > bindparam("after"))
    .order_by(outbox.c.id)
    .limit(bindparam("at_most"))
)
_FORGET: Final = delete(outbox).where(
    outbox.c.id.in_(bindparam("over", expanding=True)),
    ~outbox.c.stream_due,
    ~exists().where(deliveries.c.notice_id == outbox.c.id),
)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A notice with its place, as it goes to the stream."""

    sequence: int
    key: str
    kind: str
    at: datetime
    conversation_id: str | None
    data: str


@dataclass(frozen=True, slots=True)
class Dispatched:
    """How many notices were given their place, and which webhooks got one to deliver."""

    notices: int
    webhook_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many notices were forgotten, and after which to go on; 0: from the first one again."""

    gone: int
    after: int


def waits(conn: Connection) -> bool:
    """Whether any notice has no place yet."""
    return bool(_ANY.rows(conn, {}))


def dispatch(conn: Connection, *, stream: bool, now: datetime, at_most: int = 500) -> Dispatched:
    """Give the oldest notices their place and their deliveries; `stream`: they go to Redis too."""
    last = conn.execute(_LAST).scalar()
    if last is None:
        insert_if_absent(conn, versions, {"name": _COUNTER, "value": 0})
        last = conn.execute(_LAST).scalar_one()
    rows = conn.execute(_WAITING, {"at_most": at_most}).all()
    if not rows:
        return Dispatched(0, frozenset())
    receivers = webhooks.everyone(conn)
    later = _put_off(conn, receivers, rows)
    places = []
    made = []
    for place, row in enumerate(rows, last + 1):
        places.append({"wanted": row.id, "place": place, "streamed": stream})
        for one in receivers:
            if _is_for(one, row.kind, row.data):
                due_at = max(now, later.get((one.id, row.conversation_id), now))
                made.append(_delivery(one.id, place, row, now, due_at))
    conn.execute(_PLACE, places)
    conn.execute(_COUNT, {"last": last + len(rows)})
    if made:
        conn.execute(deliveries.insert(), made)
    return Dispatched(len(rows), frozenset(one["webhook_id"] for one in made))


def to_stream(conn: Connection, *, at_most: int = 500) -> list[Streamed]:
    """The first notices that are still to go to the stream, in order."""
    return [Streamed(*row) for row in conn.execute(_TO_STREAM, {"at_most": at_most})]


def streamed(conn: Connection, upto: int) -> None:
    """The stream holds every notice up to this place."""
    due = update(outbox).where(outbox.c.stream_due, outbox.c.sequence <= upto)
    conn.execute(due.values(stream_due=False))


def forget(conn: Connection, before: datetime, *, after: int = 0, at_most: int = 500) -> Forgotten:
    """Forget those of the next notices after `after` that are older and nobody needs any more.

    Looks at so many rows, in the order in which they were written, and begins anew where none is
    old. Notices that are needed still may be many: a look must not go through all of them.
    """
    rows = conn.execute(_NEXT, {"after": after, "at_most": at_most}).all()
    old = [row for row in rows if row.at < before]
    over = [row.id for row in old if row.sequence is not None]
    gone = conn.execute(_FORGET, {"over": over}).rowcount if over else 0
    further = rows[-1].id if old and len(rows) == at_most else 0
    return Forgotten(gone, further)


def _is_for(webhook: Webhook, kind: str, data: str) -> bool:
    if kind == NoticeKind.WEBHOOK_TEST:
        return bool(json.loads(data)["webhook_id"] == webhook.id)
    return webhook.wants(kind)


def _put_off(
    conn: Connection, receivers: Iterable[Webhook], rows: Iterable[Any]
) -> dict[tuple[str, str | None], datetime]:
    """When failing receivers are to be tried again in the conversations of `rows`.

    Saves looking at what cannot be sent yet; whether it may be is asked when it is taken.
    """
    named = {row.conversation_id for row in rows} - {None}
    found: dict[tuple[str, str | None], datetime] = {}
    for one in receivers:
        if one.failures and named:
            for conversation, until in sending.put_off_until(conn, one.id, named).items():
                found[one.id, conversation] = until
    return found


def _delivery(
    webhook_id: str,
    place: int,
    row: Any,  # noqa: ANN401 (a row of _WAITING)
    now: datetime,
    due_at: datetime,
) -> dict[str, Any]:
    return {
        "webhook_id": webhook_id,
        "notice_id": row.id,
        "sequence": place,
        "conversation_id": row.conversation_id,
        "created_at": now,
        "since": now,
        "due_at": due_at,
        "claim": 0,
        "tries": 0,
        "log": [],
        "finished_at": None,
        "state": "pending",
    }
