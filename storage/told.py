"""What the platform was told of one call, and how far each telling is. Reads; sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, or_, select

from masking.notice import NoticeKind
from storage.deliveries import State
from storage.schema import deliveries, outbox, webhooks

_OF_RECORDS: Final = (
    NoticeKind.CALL_ENDED,
    NoticeKind.CALL_MISSED,
    NoticeKind.CALL_LATE,
    NoticeKind.CALL_CORRECTED,
)
_OF_RECORDINGS: Final = (NoticeKind.RECORDING_READY, NoticeKind.RECORDING_FAILED)
_WHILE_UP: Final = (NoticeKind.CALL_QUALITY, NoticeKind.CALL_HANDOVER)
_LAST: Final = "z"  # behind every role
MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Sent:
    """One notice on its way to one webhook."""

    delivery_id: int
    webhook_id: str
    state: State
    tries: int
    due_at: datetime | None  # of the next try; None: there is none
    finished_at: datetime | None
    status: int | None  # HTTP, of the last try; None: none came back, or none was made


@dataclass(frozen=True, slots=True)
class Told:
    """A notice. Without `sent`: no webhook wanted it, or its deliveries are forgotten by now."""

    kind: NoticeKind
    at: datetime
    sent: tuple[Sent, ...]


def of_call(conn: Connection, call_id: str, version: int) -> tuple[Told, ...]:
    """The notices of a call whose record is at `version`, the first first."""
    exact = [f"{kind} {call_id} {n}" for kind in _OF_RECORDS for n in range(1, version + 1)]
    exact += [f"{kind} {call_id}" for kind in _OF_RECORDINGS]
    begins = [f"{kind}:{call_id}:" for kind in _WHILE_UP]
    key = outbox.c.key
    ours = or_(key.in_(exact), *(and_(key >= one, key < one + _LAST) for one in begins))
    query = select(*outbox.c["id", "key", "kind", "at"]).where(ours)
    rows = conn.execute(query.order_by(outbox.c.at, outbox.c.id).limit(MOST)).all()
    rows = [row for row in rows if row.key in exact or row.key.startswith(tuple(begins))]
    sent = _sent(conn, [row.id for row in rows])
    return tuple(Told(NoticeKind(row.kind), row.at, sent.get(row.id, ())) for row in rows)


def _sent(conn: Connection, notice_ids: list[int]) -> dict[int, tuple[Sent, ...]]:
    found: dict[int, tuple[Sent, ...]] = {}
    if not notice_ids:
        return found
    query = (
        select(deliveries)
        .join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
        .where(deliveries.c.notice_id.in_(notice_ids))
        .order_by(deliveries.c.id)
    )
    for row in conn.execute(query):
        one = Sent(
            delivery_id=row.id,
            webhook_id=row.webhook_id,
            state=State(row.state),
            tries=row.tries,
            due_at=row.due_at if row.finished_at is None else None,
            finished_at=row.finished_at,
            status=row.log[-1][1] if row.log else None,
        )
        found[row.notice_id] = (*found.get(row.notice_id, ()), one)
    return found
